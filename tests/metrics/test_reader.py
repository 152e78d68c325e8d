import json
import math
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperherd.errors import FormatError
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_final, read_metrics, read_summary, skipped
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.store.parquet import ROWS_PER_GROUP, SCHEMA, Footer, write
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths


def put(trial, name, *lines):
    path = TrialPaths(trial).metrics / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def rows(table):
    return [tuple(row[key] for key in ("metric", "step", "value")) for row in table.to_pylist()]


def test_a_trial_without_metrics(tmp_path):
    table = read_metrics(tmp_path / "nothing")
    assert table.num_rows == 0
    assert table.schema.equals(SCHEMA)
    assert skipped(table) == 0
    assert read_final(tmp_path) == {}
    assert read_summary(tmp_path) == {"metrics": {}, "objective": None, "rows": 0, "skipped": 0}


def test_the_journal_of_the_format_page(tmp_path):
    put(
        tmp_path,
        "journal-0-node-1-abc.jsonl",
        b'{"ts": 1763757523.123456, "step": 12, "metrics": {"train/loss": 0.25, "lr": 0.001}}',
        b'{"ts": 1763757523.223456, "step": 12, "metrics": {"diverged": 1.0}, "json": {"diverged": true}}',
        b'{"ts": 1763757523.323456, "step": 12, "json": {"sample": "hello"}}',
        b'{"ts": 1763757599.000001, "final": {"test/acc": 0.93, "confusion": [[9, 1], [0, 10]]}}',
    )
    table = read_metrics(tmp_path)
    assert rows(table) == [("diverged", 12, 1.0), ("lr", 12, 0.001), ("sample", 12, None), ("train/loss", 12, 0.25)]
    assert table["json"].to_pylist() == ["true", None, '"hello"', None]
    assert [time.timestamp() for time in table["time"].to_pylist()][3] == 1763757523.123456
    assert read_final(tmp_path) == {"test/acc": 0.93, "confusion": [[9, 1], [0, 10]]}


def test_lines_that_are_no_records_cost_themselves_alone(tmp_path):
    good = {"ts": 1.5, "step": 1, "metrics": {"m": 1.0}}
    bad = [
        b"",
        b"torn",
        b"\xff\xfe",
        b"[" * 5000,
        b"[1]",
        b'{"ts":1.5,"step":8,"metrics":{"m":1}},{"ts":1.5,"step":9,"metrics":{"m":1}}',
        b'{"ts":1.5,"step":1}',
        b'{"ts":1.5,"metrics":{"m":1}}',
        b'{"ts":1.5,"step":1.5,"metrics":{"m":1}}',
        b'{"ts":1.5,"step":true,"metrics":{"m":1}}',
        b'{"ts":1.5,"step":9223372036854775808,"metrics":{"m":1}}',
        b'{"ts":1.5,"step":1,"metrics":[1]}',
        b'{"ts":1.5,"step":1,"metrics":{"m":"text"}}',
        b'{"ts":1.5,"step":1,"metrics":{"m":null}}',
        b'{"ts":1.5,"step":1,"metrics":{"m":1},"json":3}',
    ]
    for line in bad:
        trial = tmp_path / str(len(list(tmp_path.iterdir())))
        put(trial, "journal-0-node-1-abc.jsonl", good, line, {**good, "step": 2})
        table = read_metrics(trial)
        assert rows(table) == [("m", 1, 1.0), ("m", 2, 1.0)], line
        assert skipped(table) == (1 if line else 0), line


def test_what_other_programs_write_into_a_journal(tmp_path):
    put(
        tmp_path,
        "journal-0-node-1-abc.jsonl",
        b'{"step": 1, "metrics": {"a": NaN, "b": -Infinity}, "new": 1}',
        b'{"ts": "2026-01-01", "step": 2.0, "metrics": {"a": 1}}',
        b'{"ts": 1763757523123, "step": 3, "metrics": {"\\ud800": 1}}',
    )
    table = read_metrics(tmp_path)
    assert table["time"].null_count == 4
    assert repr(rows(table)) == "[('\\\\ud800', 3, 1.0), ('a', 1, nan), ('a', 2, 1.0), ('b', 1, -inf)]"


def test_a_line_being_written_is_not_torn(tmp_path):
    unfinished = b'{"ts":1.5,"step":2,"metr'
    host, pid = SourceName.parse(f"journal-0-{os.uname().nodename.split('.')[0]}-{os.getppid()}-aa.jsonl")[1:3]
    for name, count in ((f"journal-0-{host}-{pid}-aa.jsonl", 0), (f"journal-0-{host}-{os.getpid()}-aa.jsonl", 1)):
        path = put(tmp_path / str(count), name, {"ts": 1.5, "step": 1, "metrics": {"m": 1.0}})
        path.write_bytes(path.read_bytes() + unfinished)
        table = read_metrics(tmp_path / str(count))
        assert (table.num_rows, skipped(table)) == (1, count)


def test_attempts(tmp_path):
    for attempt, steps in enumerate([range(10), range(5, 8), range(7, 9)]):
        writer = MetricWriter(tmp_path, attempt)
        for step in steps:
            writer.log({"m": float(attempt)}, step)
        writer.log({f"only{attempt}": 1.0}, 100)
        writer.log({f"only{attempt}": 2.0}, 100)
        writer.log_final({"last": attempt, f"final{attempt}": True})
        writer.close()
    for _ in range(2):
        table = read_metrics(tmp_path, ["m"])
        assert table["step"].to_pylist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
        assert table["attempt"].to_pylist() == [0, 0, 0, 0, 0, 1, 1, 2, 2]
        assert read_metrics(tmp_path, ["m"], raw=True).num_rows == 15
        assert rows(read_metrics(tmp_path, ["only0", "only2"])) == [("only0", 100, 2.0), ("only2", 100, 2.0)]
        assert read_final(tmp_path) == {"last": 2, "final0": True, "final1": True, "final2": True}
        merge(tmp_path)


def test_few_metrics_of_a_large_file(tmp_path):
    count = ROWS_PER_GROUP
    table = pa.table(
        {
            "step": pa.array([*range(count)] * 3, pa.int64()),
            "metric": pa.array(["a"] * count + ["b"] * count + ["c"] * count).dictionary_encode(),
            "value": pa.array([0.5] * (3 * count), pa.float64()),
            "time": pa.nulls(3 * count, pa.timestamp("us", tz="UTC")),
            "attempt": pa.array([0] * (3 * count), pa.int16()),
            "json": pa.nulls(3 * count, pa.string()),
        },
        schema=SCHEMA,
    )
    with TrialPaths(tmp_path).parquet.open("wb") as stream:
        write([table], Footer(), stream)
    assert read_metrics(tmp_path, ["b"]).num_rows == count
    assert read_metrics(tmp_path, ["a", "c", "d"]).num_rows == 2 * count
    assert read_metrics(tmp_path, []).num_rows == 0
    assert read_metrics(tmp_path).num_rows == 3 * count


def test_other_programs_files_are_read_and_never_merged(tmp_path):
    one = put(tmp_path, "val/acc.jsonl", {"step": 1, "value": 0.5, "ts": 2.5}, {"step": 2, "value": "NaN"})
    put(tmp_path, "nested.jsonl", {"ts": 1.5, "step": 1, "metrics": {"a": 1, "b": "Infinity"}})
    put(tmp_path, "flat.jsonl", {"step": 1, "c": 3, "note": "x"}, {"step": 2, "note": "x"}, b"torn", {"c": 1})
    put(tmp_path, "text.jsonl", {"step": 1, "value": "hello"})
    put(tmp_path, ".hidden/x.jsonl", {"step": 1, "value": 1})
    put(tmp_path, ".nfs1.jsonl", {"step": 1, "value": 1})
    writer = MetricWriter(tmp_path, 0)
    writer.log({"ours": 1.0}, 1)
    writer.close()
    expected = [
        ("a", 1, 1.0),
        ("b", 1, math.inf),
        ("c", 1, 3.0),
        ("ours", 1, 1.0),
        ("text", 1, None),
        ("val/acc", 1, 0.5),
        ("val/acc", 2, math.nan),
    ]
    for _ in range(2):
        table = read_metrics(tmp_path)
        assert repr(rows(table)) == repr(expected)
        assert skipped(table) == 3
        summary = read_summary(tmp_path, {"metric": "val/acc", "direction": "maximize"})
        assert summary["objective"]["best"] == 0.5
        assert summary["rows"] == 7
        merge(tmp_path)
    assert one.exists()


def test_a_summary_file_alone_gives_the_final_values(tmp_path):
    path = TrialPaths(tmp_path).summary
    path.parent.mkdir()
    path.write_text('{"acc": 0.5, "format": 99}')
    assert read_final(tmp_path) == {"acc": 0.5, "format": 99}
    path.write_text("[1]")
    with pytest.raises(FormatError, match=r"summary\.json does not contain a JSON object"):
        read_final(tmp_path)
    path.write_text("{")
    with pytest.raises(FormatError, match=r"summary\.json is not valid JSON"):
        read_final(tmp_path)


def test_a_metrics_file_of_another_program(tmp_path):
    table = pa.table({"metric": ["m", "m"], "step": [1, 2], "value": [1.0, 2.0]})
    table = table.append_column("time", pa.nulls(2, pa.timestamp("us", tz="UTC")))
    table = table.append_column("attempt", pa.array([0, 0])).append_column("json", pa.nulls(2, pa.string()))
    pq.write_table(table, TrialPaths(tmp_path).parquet)
    assert rows(read_metrics(tmp_path)) == [("m", 1, 1.0), ("m", 2, 2.0)]
    assert read_summary(tmp_path)["metrics"]["m"]["max"] == 2.0


def test_a_newer_format_and_a_broken_footer_are_refused_by_name(tmp_path):
    path = TrialPaths(tmp_path).parquet
    for metadata, message in [({"hyperherd.format": "2"}, "reads up to 1"), ({"hyperherd.final": "{"}, "footer of")]:
        pq.write_table(SCHEMA.empty_table().replace_schema_metadata(metadata), path)
        with pytest.raises(FormatError, match=message):
            read_metrics(tmp_path)
