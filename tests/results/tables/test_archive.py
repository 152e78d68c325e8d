from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from results.builder import SweepBuilder, every_state, sweep24

from hyperherd import Trials, is_trial, load
from hyperherd.errors import ResultsError
from hyperherd.metrics.writer import MetricWriter
from hyperherd.results.tables import archive
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.records import to_text


def test_parquet_holds_what_the_tables_do(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = load(plain / "multirun")
    monkeypatch.setattr(archive, "_ROWS", 7)
    paths = trials.export(tmp_path / "new" / "out")
    assert [path.name for path in paths] == ["trials.parquet", "metrics.parquet", "schema.json"]
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {path.name for path in paths}
    assert pq.read_table(paths[0]).drop_columns(["test/acc"]) == trials.table().drop_columns(["test/acc"])  # NaN
    metrics = pq.ParquetFile(paths[1])
    assert metrics.num_row_groups == 3
    assert metrics.read().cast(metrics.schema_arrow).to_pylist() == trials.metrics().to_pylist()
    schema = json.loads(paths[2].read_text())
    assert [column["name"] for column in schema["trials.parquet"]] == trials.table().column_names
    assert [column["name"] for column in schema["metrics.parquet"]] == trials.metrics().column_names
    assert {column["role"] for column in schema["trials.parquet"]} == {"identity", "param", "metric"}
    assert schema["objective"] == {"metric": "val/acc", "direction": "maximize", "aggregate": None}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_is_exact(plain: Path, tmp_path: Path, form: str) -> None:
    trials = load(plain / "multirun")
    paths = trials.export(tmp_path, form)
    text = paths[0].read_text()
    if form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
    else:
        rows = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert [float(row["optim.lr"]) for row in rows] == [trial.params["optim.lr"] for trial in trials]
    assert [float(row["val/acc"]) for row in rows] == [trial.value("val/acc") for trial in trials]
    assert {str(row["test/acc"]).lower() for row in rows if row["model"] == "mlp"} <= {"nan", "", "none"}
    assert len(paths[1].read_text().splitlines()) == trials.metrics().num_rows + (form == "csv")
    assert f"metrics.{form}" in json.loads(paths[2].read_text())


def test_one_answer_to_what_a_value_is_in_csv(sweep: SweepBuilder, tmp_path: Path) -> None:
    """`herd-results -f csv` and `herd-results export -f csv` have the same cells, whatever stands in the column."""
    hard = [None, "", "null", "a\nb", 1, 1.0, 1e-300, True, [1, 2], {"a": None}, "\x1b[31m", 2**70, 'ä,"b"']
    for place, value in enumerate(hard):
        sweep.trial({"val/acc": math.nan if place else 0.5}, params={"x": value, "size": value if place % 2 else 1.0})
    sweep.trial(params={"x": 3})
    trials = load(sweep.dir)
    exported = {
        row["number"]: row for row in csv.DictReader(io.StringIO(trials.export(tmp_path / "o", "csv")[0].read_text()))
    }
    shown = list(csv.DictReader(io.StringIO(to_text(trials, "csv", View(everything=True)))))
    assert {row["number"] for row in shown} == set(exported)
    for row in shown:
        assert row == {name: exported[row["number"]][name] for name in row}
    assert [exported["0"]["x"], exported["1"]["x"], exported["13"]["size"]] == ["null", "''", ""]
    assert (exported["4"]["x"], exported["5"]["x"], exported["3"]["x"]) == ("1", "1.0", "a\\nb")


def test_nothing_is_overwritten(sweep: SweepBuilder, tmp_path: Path) -> None:
    sweep.trial({"val/acc": 0.5})
    (tmp_path / "metrics.parquet").write_text("mine")
    with pytest.raises(ResultsError, match=r"metrics.parquet already exists; choose another folder"):
        load(sweep.dir).export(tmp_path)
    assert (tmp_path / "metrics.parquet").read_text() == "mine"
    assert not (tmp_path / "trials.parquet").exists()
    load(sweep.dir).export(tmp_path / "new")
    with pytest.raises(ResultsError, match=r"trials.parquet and .*metrics.parquet and .*schema.json already exist"):
        load(sweep.dir).export(tmp_path / "new")


def test_someone_who_was_faster_wins(sweep: SweepBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made the file between our look and our writing keeps it, and nothing of ours is left."""
    sweep.trial()
    theirs = tmp_path / "out" / "trials.parquet"
    describe = archive._write_parquet

    def slowly(*arguments: Any) -> None:
        describe(*arguments)
        theirs.write_text("theirs")

    monkeypatch.setattr(archive, "_write_parquet", slowly)
    with pytest.raises(ResultsError, match="already exists"):
        load(sweep.dir).export(tmp_path / "out")
    assert [(path.name, path.read_text()) for path in theirs.parent.iterdir()] == [("trials.parquet", "theirs")]


def test_a_full_disk_leaves_nothing(sweep: SweepBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.trial()

    def full(path: Path, *_: Any) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "_write_parquet", full)
    with pytest.raises(OSError, match="No space"):
        load(sweep.dir).export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_form_that_is_none(sweep: SweepBuilder, tmp_path: Path) -> None:
    sweep.trial()
    with pytest.raises(ResultsError, match=r"'jsn' is not an export format \(did you mean 'jsonl'\?\)"):
        load(sweep.dir).export(tmp_path, "jsn")


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_trials_in_any_state(tmp_path: Path, form: str) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    paths = trials.export(tmp_path / "out", form)
    if form == "parquet":
        found = pq.read_table(paths[0])
        assert found["state"].to_pylist() == [trial.state.value for trial in trials]
        assert math.isnan(found["val/acc"][3].as_py())
        assert pq.read_table(paths[1]).num_rows == 0
        assert pq.read_schema(paths[1]).field("number").type == pa.int64()
    else:
        assert len(paths[0].read_text().splitlines()) == len(trials) + (form == "csv")


def test_no_trials_at_all(tmp_path: Path) -> None:
    assert pq.read_table(Trials([]).export(tmp_path)[0]).num_rows == 0


def test_what_was_exported_is_no_trial(tmp_path: Path) -> None:
    """People export into the sweep itself, above it, or into a folder in it; the trials are the same as before."""
    sweep = sweep24(tmp_path / "multirun" / "s").dir
    for folder in (sweep, sweep.parent, sweep / "exported"):
        load(sweep).export(folder)
        assert [trial.number for trial in load(sweep.parent)] == list(range(24))
        assert not is_trial(folder)


def test_formulas_and_control_bytes_in_csv(sweep: SweepBuilder, tmp_path: Path) -> None:
    """A spreadsheet computes `=...`; a terminal obeys control bytes."""
    hard = ["=1+1", "+A1", "-x", "@SUM(A1)", "\x1b[2J", "a\rb", -1.5, "plain"]
    for value in hard:
        sweep.trial({"val/acc": 0.5}, params={"x": value, "=cmd": 1})
    _metrics_named(sweep.dir / "0", "=evil\x1b")
    right = ["'=1+1", "'+A1", "'-x", "'@SUM(A1)", r"\x1b[2J", r"a\rb", "-1.5", "plain"]
    trials, metrics, _ = load(sweep.dir).export(tmp_path / "safe", "csv", escape_formulas=True)
    rows = list(csv.DictReader(io.StringIO(trials.read_text())))
    assert [row["x"] for row in rows] == right
    assert {row["'=cmd"] for row in rows} == {"1"}
    assert {row["metric"] for row in csv.DictReader(io.StringIO(metrics.read_text()))} == {r"'=evil\x1b"}
    assert b"\x1b" not in trials.read_bytes() + metrics.read_bytes()
    plain = load(sweep.dir).export(tmp_path / "plain", "csv")[0]
    assert [row["x"] for row in csv.DictReader(io.StringIO(plain.read_text()))] == [item.lstrip("'") for item in right]
    shown = csv.DictReader(io.StringIO(to_text(load(sweep.dir), "csv", View(escape_formulas=True))))
    assert sorted(row["x"] for row in shown) == sorted(right)


def _metrics_named(trial: Path, name: str) -> None:
    writer = MetricWriter(trial, 0)
    writer.log({name: 1.0}, 0)
    writer.close()
