"""Rows of several phases of one trial: each is kept, read back as one, and one of them counts for a metric."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperherd.metrics.consolidate.compact import compact
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_metrics, read_summary, skipped
from hyperherd.metrics.rows.phases import is_evaluation, root_of
from hyperherd.metrics.store.parquet import SCHEMA
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths

OBJECTIVE = {"metric": "acc", "direction": "maximize"}


def log(
    trial: Path, attempt: int, *phases: tuple[str, dict[str, list[float]], int], resumed: int | None = None
) -> None:
    """Log the values of some metrics in each phase, from a first step on; `resumed` is announced for the first one."""
    writer = MetricWriter(trial, attempt)
    for place, (phase, metrics, first) in enumerate(phases):
        writer.phase = phase
        if resumed is not None and place == 0:
            writer.resumed(resumed)
        for name, values in metrics.items():
            for step, value in enumerate(values, first):
                writer.log({name: value}, step)
    writer.close()


def told(trial: Path) -> dict[str, list[float]]:
    """Return ``METRIC`` or ``METRIC:PHASE`` -> the values that stand."""
    found: dict[str, list[float]] = {}
    for row in read_metrics(trial).to_pylist():
        name = f"{row['metric']}:{row['phase']}" if row.get("phase") else row["metric"]
        found.setdefault(name, []).append(row["value"])
    return found


def summaries(trial: Path) -> list[dict]:
    """Return the summary as the rows tell it and as the running trial keeps it, before and after a merge."""
    found = []
    for _ in range(2):
        running = RunningSummary(trial, OBJECTIVE)
        running.refresh()
        kept = {"metrics": running.metrics, "phases": running.phases, "objective": running.objective}
        told_ = read_summary(trial, OBJECTIVE)
        found += [
            kept,
            {"metrics": told_["metrics"], "phases": told_.get("phases", {}), "objective": told_["objective"]},
        ]
        merge(trial, OBJECTIVE)
    return found


def test_two_phases_of_one_metric_and_step_lose_nothing(tmp_path: Path) -> None:
    log(tmp_path, 0, ("", {"acc": [0.1, 0.9]}, 1), ("fit-2", {"acc": [0.2, 0.3]}, 1))
    for _ in range(2):
        assert told(tmp_path) == {"acc": [0.1, 0.9], "acc:fit-2": [0.2, 0.3]}
        merge(tmp_path)


def test_the_last_phase_that_trained_counts(tmp_path: Path) -> None:
    log(
        tmp_path,
        0,
        ("fold0", {"acc": [0.1, 0.9], "loss": [3.0, 2.0]}, 1),
        ("fold1", {"acc": [0.2, 0.3], "loss": [1.0, 0.5]}, 1),
        ("fold1/validate", {"acc": [0.95], "test": [7.0]}, 9),
    )
    for summary in summaries(tmp_path):
        assert {name: item["last"] for name, item in summary["metrics"].items()} == {
            "acc": 0.3,
            "loss": 0.5,
            "test": 7.0,
        }
        assert list(summary["phases"]) == ["fold0", "fold1", "fold1/validate"]
        assert summary["phases"]["fold0"]["acc"]["max"] == 0.9
        assert (summary["objective"]["best"], summary["objective"]["phase"]) == (0.3, "fold1")
        assert summary["objective"]["at_best"] == {"loss": 0.5}
        assert summary["objective"]["curve"] == [[1, 0.2], [2, 0.3]]


def test_a_trial_of_one_phase_holds_what_it_always_held(tmp_path: Path) -> None:
    log(tmp_path, 0, ("", {"acc": [0.1, 0.9]}, 1))
    assert "phase" not in TrialPaths(tmp_path).metrics.joinpath(*_journals(tmp_path)).read_text()
    assert read_metrics(tmp_path).schema.names == SCHEMA.names
    merge(tmp_path, OBJECTIVE)
    schema = pq.read_schema(TrialPaths(tmp_path).parquet)
    assert schema.names == SCHEMA.names
    assert b"phase" not in b"".join(schema.metadata.values())


def _journals(trial: Path) -> list[str]:
    return [path.name for path in TrialPaths(trial).metrics.iterdir()]


def test_an_attempt_that_resumes_a_phase_cuts_that_phase_alone(tmp_path: Path) -> None:
    log(tmp_path, 0, ("", {"loss": [1.0, 2.0, 3.0]}, 1), ("fit-2", {"loss": [4.0, 5.0, 6.0]}, 1))
    log(tmp_path, 1, ("fit-2", {"loss": [7.0]}, 3), resumed=2)
    for _ in range(2):
        assert told(tmp_path) == {"loss": [1.0, 2.0, 3.0], "loss:fit-2": [4.0, 7.0]}
        merge(tmp_path)


def test_an_attempt_that_begins_a_phase_anew_leaves_the_others(tmp_path: Path) -> None:
    folds = [("fold0", {"acc": [1.0, 2.0]}, 0), ("fold1", {"acc": [3.0, 4.0], "extra": [9.0]}, 0)]
    log(tmp_path, 0, *folds)
    log(tmp_path, 1, ("fold1", {"acc": [5.0]}, 0))
    assert told(tmp_path) == {"acc:fold0": [1.0, 2.0], "acc:fold1": [5.0]}


def test_a_restart_of_a_training_supersedes_what_belongs_to_it(tmp_path: Path) -> None:
    log(tmp_path, 0, ("", {"acc": [1.0, 2.0]}, 0), ("fit-2", {"acc": [3.0]}, 0), ("test", {"t": [4.0]}, 2))
    log(tmp_path, 1, ("", {"acc": [5.0]}, 0))
    assert told(tmp_path) == {"acc": [5.0]}


def test_the_newer_attempt_says_which_phase_is_last(tmp_path: Path) -> None:
    log(tmp_path, 0, ("a", {"acc": [1.0]}, 0), ("b", {"acc": [2.0]}, 0))
    log(tmp_path, 1, ("a", {"acc": [3.0]}, 1))
    for summary in summaries(tmp_path):
        assert summary["metrics"]["acc"]["last"] == 3.0


def test_the_step_is_that_of_the_last_training(tmp_path: Path) -> None:
    running = RunningSummary(tmp_path, None)
    log(tmp_path, 0, ("", {"loss": [1.0] * 50}, 1), ("fit-2", {"loss": [1.0] * 3}, 1), ("test", {"t": [1.0]}, 60))
    running.refresh()
    assert running.step == 3


def test_phases_live_on_in_a_compacted_sweep(tmp_path: Path) -> None:
    (tmp_path / ".hyperherd").mkdir()
    for number, phase in enumerate(("", "fold0")):
        log(tmp_path / str(number), 0, (phase, {"acc": [1.0]}, 0), ("", {"acc": [2.0]}, 1))
        merge(tmp_path / str(number))
    before = [told(tmp_path / "0"), told(tmp_path / "1")]
    compact(tmp_path, delete=True)
    assert [told(tmp_path / "0"), told(tmp_path / "1")] == before
    assert pq.read_schema(tmp_path / ".hyperherd" / "metrics.parquet").names[-1] == "phase"


def test_a_phase_that_is_not_text_costs_its_line(tmp_path: Path) -> None:
    log(tmp_path, 0, ("", {"acc": [1.0]}, 0))
    [name] = _journals(tmp_path)
    with (TrialPaths(tmp_path).metrics / name).open("a") as stream:
        for phase in (3, None, "", "p"):
            stream.write(json.dumps({"ts": 1.5, "step": 1, "metrics": {"acc": 2.0}, "phase": phase}) + "\n")
    rows = read_metrics(tmp_path, raw=True)
    assert skipped(rows) == 1
    assert rows["phase"].to_pylist() == [None, None, None, "p"]


def test_a_file_of_another_program_with_phases(tmp_path: Path) -> None:
    table = SCHEMA.empty_table()
    rows = {"step": [1, 1], "metric": ["m", "m"], "value": [1.0, 2.0], "time": [None, None], "attempt": [0, 0]}
    table = pa.table({**rows, "json": [None, None], "phase": ["", "fold1"]})
    pq.write_table(table.cast(pa.schema([*SCHEMA, pa.field("phase", pa.string())])), TrialPaths(tmp_path).parquet)
    assert told(tmp_path) == {"m": [1.0], "m:fold1": [2.0]}


@pytest.mark.parametrize(("values", "is_said"), [([1.0, 2.0], True), ([1.0, 1.0], False), ([float("nan"), 1.0], True)])
def test_a_step_with_another_value_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, values: list[float], is_said: bool
) -> None:
    writer = MetricWriter(tmp_path, 0)
    for value in values:
        for step in range(3):
            writer.log({"acc": value, "same": 1.0}, step)
    writer.close()
    merge(tmp_path)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * is_said
    assert ("'acc' of " in caplog.text and "hyperherd.phase" in caplog.text) is is_said
    assert read_metrics(tmp_path, raw=True).num_rows == 12  # All are kept.


@pytest.mark.parametrize(
    ("phase", "evaluates", "root"),
    [("", False, ""), ("fit-2", False, ""), ("test", True, ""), ("fold0", False, "fold0"), ("a/b/test-3", True, "a/b")],
)
def test_what_the_name_of_a_phase_says(phase: str, evaluates: bool, root: str) -> None:
    assert (is_evaluation(phase), root_of(phase)) == (evaluates, root)
