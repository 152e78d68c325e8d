"""Metric files that claim more than they hold: refused by name, before room is made for what is claimed."""

from __future__ import annotations

import io
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperherd.errors import FormatError
from hyperherd.metrics.arrays import list_arrays, read_array, save_array
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_final, read_metrics, skipped
from hyperherd.metrics.rows.journal import LINE_BYTES, blocks
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.rows.values import logged
from hyperherd.metrics.store.parquet import SCHEMA, Footer, MetricsFile
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths


def same_rows(count: int, text: str | None = None) -> pa.Table:
    """Return rows that are all equal, and so take no room in a file."""
    zeros = np.zeros(count, np.int32)
    return pa.table(
        {
            "step": pa.array(zeros, pa.int64()),
            "metric": pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array(["m"])),
            "value": pa.array(zeros, pa.float64()),
            "time": pa.nulls(count, SCHEMA.field("time").type),
            "attempt": pa.array(zeros, pa.int16()),
            "json": pa.nulls(count, pa.string())
            if text is None
            else pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array([text])),
        }
    )


def put(trial: Path, table: pa.Table) -> Path:
    path = TrialPaths(trial).parquet
    one_page = {"max_rows_per_page": len(table)} if "max_rows_per_page" in str(pq.write_table.__doc__) else {}
    table = table.replace_schema_metadata(Footer().encode())
    pq.write_table(table, path, compression="zstd", row_group_size=len(table), **one_page)
    return path


def test_more_rows_than_any_file_of_that_size_has(tmp_path: Path) -> None:
    path = put(tmp_path, same_rows(8_000_000))
    assert path.stat().st_size < 30_000
    with pytest.raises(FormatError, match=r"metrics\.parquet declares 8,000,000 rows in"):
        MetricsFile(path)


def test_one_long_text_said_often(tmp_path: Path) -> None:
    path = put(tmp_path, same_rows(500_000, '"' + "x" * 50_000 + '"'))
    assert path.stat().st_size < 100_000
    began = time.process_time()
    with MetricsFile(path) as file:
        with pytest.raises(FormatError, match="bytes of text"):
            list(file.batches())
        with pytest.raises(FormatError, match="bytes of text"):
            file.rows()
    assert time.process_time() - began < 5


def test_rows_that_differ_little_are_read_as_ever(tmp_path: Path) -> None:
    put(tmp_path, same_rows(100_000, "[1]"))
    found = read_metrics(tmp_path, raw=True)
    assert len(found) == 100_000
    assert found["json"][0].as_py() == "[1]"


@pytest.mark.parametrize("damage", range(0, 4000, 97))
def test_a_damaged_file_is_named(tmp_path: Path, damage: int) -> None:
    path = put(tmp_path, same_rows(10))
    data = bytearray(path.read_bytes())
    data[damage % len(data)] ^= 0xFF
    path.write_bytes(bytes(data))
    with suppress(FormatError):  # Nothing else: an error of Arrow's ends here.
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("summary", b'{"metrics": {"m": {"count": []}}}'),
        ("summary", b'{"rows": "x"}'),
        ("sources", b"[1]"),
        ("final", b'{"a": {"value": 1, "time": "x", "attempt": 0}}'),
        ("attempts", b'{"0": {"first": {"m": "x"}, "resumed": null, "named": {}}}'),
        ("attempts", b'{"x": 1}'),
        ("summary", b"[" * 10_000),
    ],
)
def test_a_footer_of_wrong_types_is_named(tmp_path: Path, key: str, value: bytes) -> None:
    path = TrialPaths(tmp_path).parquet
    metadata = {**Footer().encode(), f"hyperherd.{key}": value}
    pq.write_table(same_rows(3).replace_schema_metadata(metadata), path)
    with pytest.raises(FormatError, match=r"footer of .*metrics\.parquet cannot be read"):
        read_metrics(tmp_path)


def test_a_journal_of_holes_ends_soon(tmp_path: Path) -> None:
    writer = MetricWriter(tmp_path, 0)
    writer.log({"m": 1.0}, 0)
    writer.close()
    (journal,) = TrialPaths(tmp_path).metrics.glob("journal-*")
    os.truncate(journal, 1 << 40)
    began = time.process_time()
    with pytest.raises(FormatError, match=rf"a line of more than {LINE_BYTES:,} bytes"):
        read_metrics(tmp_path)
    assert time.process_time() - began < 5
    assert list(blocks(io.BytesIO(b"a\nb\nc"))) == [b"a\nb\n", b"c"]


def test_attempts_beyond_their_column_are_nobodys() -> None:
    assert SourceName.parse("journal-32767-h-1-a.jsonl") is not None
    assert SourceName.parse("journal-32768-h-1-a.jsonl") is None
    assert SourceName.parse(f"journal-{'9' * 100}-h-1-a.jsonl") is None


def test_an_array_is_no_larger_than_its_file(tmp_path: Path) -> None:
    save_array(tmp_path, "w", np.arange(6.0), 1)
    folder = TrialPaths(tmp_path).records / "arrays" / "w"
    good = (folder / "1.npy").read_bytes()
    (folder / "2.npy").write_bytes(good.replace(b"(6,)", b"(9,)"))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    (folder / "3.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header)
    (folder / "4.npy").write_bytes(b"PK\x03\x04")
    (folder / "5.npy").write_bytes(good.replace(b"<f8", b"|O"))
    os.mkfifo(folder / "6.npy")
    for name in ("x", "²", "1.5", "9" * 30):
        (folder / f"{name}.npy").touch()
    assert list_arrays(tmp_path) == {"w": [1, 2, 3, 4, 5, 6]}
    assert read_array(tmp_path, "w", 1).tolist() == [0, 1, 2, 3, 4, 5]
    for step in range(2, 7):
        with pytest.raises(FormatError, match=rf"{step}\.npy"):
            read_array(tmp_path, "w", step)


def test_nothing_is_logged_that_would_not_be_read(tmp_path: Path) -> None:
    def nested(depth: int) -> list[object]:
        return [nested(depth - 1)] if depth else []

    writer = MetricWriter(tmp_path, 0)
    writer.log({"deep": nested(180)}, 0)
    writer.log_final({"deep": nested(180)})
    with pytest.raises(TypeError, match="levels deep"):
        writer.log({"deep": nested(200)}, 1)
    with pytest.raises(TypeError, match="levels deep"):
        writer.log_final({"deep": nested(200)})
    with pytest.raises(TypeError, match="too large to log; save it with log_array"):
        writer.log({"large": "x" * LINE_BYTES}, 1)
    writer.close()
    found = read_metrics(tmp_path)
    assert (len(found), skipped(found)) == (1, 0)
    assert read_final(tmp_path) == {"deep": nested(180)}
    assert logged(None, found["json"][0].as_py()) == nested(180)
    merge(tmp_path, None)
    assert read_final(tmp_path) == {"deep": nested(180)}


def test_a_bare_nan_beside_an_integer_beyond_64_bits(tmp_path: Path) -> None:
    writer = MetricWriter(tmp_path, 0)
    writer.log({"a": 1.0}, 0)
    writer.close()
    (journal,) = TrialPaths(tmp_path).metrics.iterdir()
    mixed = b'{"deep": [NaN, 1180591620717411303424]}'
    lines = [
        b'{"ts": 1.0, "final": {"x": %b, "y": NaN}}' % mixed,
        b'{"ts": 1.0, "step": 1, "metrics": {}, "json": {"b": %b}}' % mixed,
    ]
    with journal.open("ab") as stream:
        stream.writelines(line + b"\n" for line in lines)
    (TrialPaths(tmp_path).metrics / "c.jsonl").write_bytes(b'{"step": 1, "value": %b}\n' % mixed)
    for _ in range(2):
        final, rows = read_final(tmp_path), read_metrics(tmp_path)
        texts = dict(zip(rows["metric"].to_pylist(), rows["json"].to_pylist(), strict=True))
        values = [final["x"], logged(None, texts["b"]), logged(None, texts["c"])]
        assert [repr(value) for value in values] == ["{'deep': [nan, 1180591620717411303424]}"] * 3
        assert repr(final["y"]) == "nan"
        merge(tmp_path)
