from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from results.builder import SweepBuilder, every_state

import hyperherd
from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.paths import TrialPaths
from hyperherd.records.states import FailureCause, TrialState


def test_one_row_per_trial_in_every_state(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    assert [trial.number for trial in trials] == list(range(13))
    assert [str(trial.state) for trial in trials] == [
        *["completed"] * 4,
        *["failed", "stalled", "running", "lost", "waiting", "submitted", "pruned", "cancelled", "unreadable"],
    ]
    reasons = {trial.number: trial.reason for trial in trials if trial.reason}
    assert reasons[4] == "ValueError: train/loss is nan"
    assert reasons[5].startswith("silent for 9")
    assert reasons[7] == "job 12_7 left the queue"
    assert "trial.json is not valid JSON" in reasons[12]
    assert reasons[11].startswith("it was interrupted")
    assert sorted(reasons) == [4, 5, 7, 11, 12]
    assert trials[4].cause is FailureCause.EXCEPTION


def test_what_a_trial_tells(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5, "loss": math.inf}, {"test/acc": math.nan, "n": 2**60}, params={"lr": 1e-4, "n": 2})
    trial = load(sweep.dir)[0]
    assert (trial.params, trial.key, trial.name) == ({"lr": 1e-4, "n": 2}, "key0", "lr=0.0001,n=2")
    assert trial.command == ["python", str(sweep.script), "lr=0.0001", "n=2"]
    assert (trial.seconds, trial.attempt, trial.dir) == (60.0, 0, sweep.dir / "0")
    assert (trial.sweep.name, trial.sweep.dir) == ("s", sweep.dir)
    assert trial.metrics["loss"]["last"] == math.inf
    assert math.isnan(trial.final["test/acc"])
    assert trial.final["n"] == 2**60


def test_where_the_sweep_lies_is_no_part_of_the_command(sweep: SweepBuilder) -> None:
    record = sweep.trial()
    record.with_(overrides=("lr=1", "hydra.sweep.dir=/x", "hydra.job.chdir=true")).write(sweep.dir / "0")
    assert load(sweep.dir)[0].command[2:] == ["lr=1", "hydra.job.chdir=true"]


def test_a_newer_attempt_that_has_not_started(sweep: SweepBuilder) -> None:
    sweep.failed({"val/acc": 0.5})
    sweep.event(0, "submitted", attempt=1)
    trial = load(sweep.dir)[0]
    assert (trial.state, trial.attempt, trial.error, trial.ended) == (TrialState.SUBMITTED, 1, None, None)


def test_a_verdict_on_a_trial_that_never_spoke(sweep: SweepBuilder) -> None:
    sweep.plan(lr=1)
    sweep.event(0, "oom", message="killed at 8 GiB")
    trial = load(sweep.dir)[0]
    assert (trial.state, trial.cause, trial.reason) == (TrialState.FAILED, FailureCause.OOM, "killed at 8 GiB")


def test_a_single_trial_of_a_sweep(tmp_path: Path) -> None:
    sweep = every_state(tmp_path / "s")
    (trial,) = load(sweep.dir / "7")
    assert (trial.state, trial.sweep.name) == (TrialState.LOST, "s")
    assert [trial.number for trial in load(sweep.dir / "7", sweep.dir / "2")] == [2, 7]
    assert len(load(sweep.dir / "7", sweep.dir)) == 13


def test_a_trial_whose_directory_the_plan_does_not_know(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5})
    (sweep.dir / "0").rename(sweep.dir / "elsewhere")
    (trial,) = load(sweep.dir)
    assert (trial.number, trial.dir) == (0, sweep.dir / "elsewhere")


def test_a_copied_trial_without_its_sweep(sweep: SweepBuilder, tmp_path: Path) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    shutil.copytree(sweep.dir / "0", tmp_path / "kept" / "0")
    (trial,) = load(tmp_path / "kept")
    assert (trial.params, trial.sweep.name, trial.command) == ({"lr": 1}, "kept", [])


def test_several_sweeps(tmp_path: Path) -> None:
    for name in ("b", "a"):
        SweepBuilder(tmp_path / name).trial()
    assert [sweep.name for sweep in load(tmp_path / "b", tmp_path / "a").sweeps] == ["b", "a"]
    assert [sweep.name for sweep in load(tmp_path).sweeps] == ["a", "b"]


def test_metrics_of_a_planned_trial_without_trial_json(sweep: SweepBuilder) -> None:
    from hyperherd.trial.log import enter, leave, log_result

    sweep.plan(lr=1)
    (sweep.dir / "0" / ".hydra").mkdir(parents=True)
    enter(sweep.dir / "0", 0)
    log_result("val/acc", 0.25, step=1)
    log_result("test/acc", math.inf)
    leave()
    trial = load(sweep.dir)[0]
    assert trial.metrics["val/acc"]["last"] == 0.25
    assert trial.final == {"test/acc": math.inf}


BROKEN = {
    "truncated": '{"format": 1, "number": 0, "key"',
    "empty": "",
    "newer": '{"format": 99}',
    "list": "[]",
    "wrong type": json.dumps({"number": "0", "key": "", "name": "", "overrides": [], "params": {}, "attempt": 0}),
    "deep": "[" * 200_000,
    "binary": "\x00\x01",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_trial_is_a_row_with_a_reason(sweep: SweepBuilder, content: str) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    sweep.trial({"val/acc": 0.5}, params={"lr": 2})
    sweep.file(0).write_text(content)
    broken, whole = load(sweep.dir)
    assert (broken.state, broken.number, broken.params) == (TrialState.UNREADABLE, 0, {"lr": 1})
    assert str(sweep.file(0)) in broken.reason
    assert whole.state is TrialState.COMPLETED


FIELDS = {
    "number": "1", "params": [], "metrics": {"a": 1}, "final": None, "started": "now", "heartbeat": {}, "pid": "1",
    "attempt": None, "overrides": [1], "state": "dreaming", "cause": "bad luck", "error": "oops", "step": "x",
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_wrong_type_is_named_or_ignored(sweep: SweepBuilder, field: str) -> None:
    sweep.running({"val/acc": 0.5})
    raw = json.loads(sweep.file(0).read_text())
    sweep.file(0).write_text(json.dumps({**raw, field: FIELDS[field]}))
    (trial,) = load(sweep.dir)
    assert trial.state is TrialState.UNREADABLE
    assert str(sweep.file(0)) in trial.reason


def test_a_process_number_beyond_all_processes(sweep: SweepBuilder) -> None:
    import socket

    record = sweep.running()
    record.with_(host=socket.gethostname(), pid=2**70).write(sweep.dir / "0")
    assert load(sweep.dir)[0].state is TrialState.LOST


def test_a_trial_json_that_is_a_folder(sweep: SweepBuilder) -> None:
    sweep.plan(lr=1)
    sweep.file(0).mkdir(parents=True)
    assert load(sweep.dir)[0].reason == f"{sweep.file(0)} is not a regular file but a folder; remove it"


def test_an_empty_hydra_folder(tmp_path: Path) -> None:
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (trial,) = load(tmp_path)
    assert trial.state is TrialState.UNREADABLE
    assert trial.reason.startswith("No such file or directory: ")


@pytest.mark.parametrize("garbage", ["a: [1", "just text", "- 1\n- {a: 2}", "\x00"])
@pytest.mark.parametrize("name", ["overrides.yaml", "config.yaml"])
def test_garbage_from_hydra(tmp_path: Path, name: str, garbage: str) -> None:
    folder = tmp_path / "run" / ".hydra"
    folder.mkdir(parents=True)
    (folder / "overrides.yaml").write_text("- lr=1\n")
    (folder / "config.yaml").write_text("lr: 1\n")
    (folder / name).write_text(garbage)
    (trial,) = load(tmp_path)
    assert trial.state is TrialState.UNREADABLE
    assert str(folder / name) in trial.reason


def test_broken_metrics_of_a_plain_trial_keep_its_parameters(tmp_path: Path) -> None:
    folder = tmp_path / "run" / ".hydra"
    folder.mkdir(parents=True)
    (folder / "overrides.yaml").write_text("- lr=1e-4\n")
    (folder / "config.yaml").write_text("lr: 1e-4\n")
    TrialPaths(tmp_path / "run").parquet.write_bytes(b"PAR1 nothing")
    (trial,) = load(tmp_path)
    assert (trial.state, trial.params) == (TrialState.UNREADABLE, {"lr": 1e-4})
    assert "metrics.parquet" in trial.reason


@pytest.mark.parametrize("book", ["sweep.json", "trials.jsonl"])
@pytest.mark.parametrize("content", ['{"format": 99}', "{", '{"number": "a", "overrides": []}'])
def test_broken_books_of_a_sweep_cost_no_trial_its_row(sweep: SweepBuilder, book: str, content: str) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    (sweep.dir / ".hyperherd" / book).write_text(content)
    (trial,) = load(sweep.dir)
    assert (trial.state, trial.params) == (TrialState.COMPLETED, {"lr": 1})
    if content != "{" or book == "sweep.json":  # A torn line of trials.jsonl is skipped.
        assert book in trial.sweep.problem


def test_events_that_are_none_are_skipped(sweep: SweepBuilder) -> None:
    sweep.plan(lr=1)
    sweep.event(0, "submitted")
    lines = ['{"event": 1, "number": 0, "attempt": 0, "time": 5}', '{"event": "oom"}', "x", "[]"]
    lines += ['{"event": "oom", "number": 0, "attempt": 0, "time": "late"}']
    lines += ['{"event": "oom", "number": [0], "attempt": 0, "time": 5}']
    (sweep.dir / ".hyperherd" / "events" / "other.jsonl").write_text("\n".join(lines))
    assert load(sweep.dir)[0].state is TrialState.SUBMITTED


def test_a_sweep_without_trials_says_so(sweep: SweepBuilder) -> None:
    with pytest.raises(ResultsError, match="no trial is planned there"):
        load(sweep.dir)


def test_without_paths_it_reads_multirun_here(sweep: SweepBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.trial()
    monkeypatch.chdir(sweep.dir.parent.parent)
    assert [str(trial.dir) for trial in hyperherd.load()] == ["multirun/s/0"]
    monkeypatch.chdir("/")
    with pytest.raises(ResultsError, match="multirun does not exist"):
        hyperherd.load()


@pytest.mark.parametrize("value", ["abc", [], {}, True])
def test_a_summary_that_is_no_number_is_a_broken_file(tmp_path: Path, value: object) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5})
    record = json.loads(sweep.file(0).read_text())
    record["metrics"]["val/acc"]["last"] = value
    sweep.file(0).write_text(json.dumps(record))
    (trial,) = load(sweep.dir)
    assert trial.state is TrialState.UNREADABLE
    assert "the summary of metric 'val/acc' cannot be" in trial.reason
