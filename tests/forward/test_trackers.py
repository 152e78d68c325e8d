"""Trials in trackers, read back by the trackers' own readers: everything once, whatever killed an earlier export."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.test_main import pipe
from forward import killing, reading
from forward.sweeps import SECRET, START, Rows, expected, log, send, write_sweep
from hypothesis import example, given
from hypothesis import strategies as st
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError
from hyperherd.forward import forward, tracker
from hyperherd.forward.forwarding import follow
from hyperherd.forward.trackers import mlflow as mlflow_names
from hyperherd.forward.trackers.store import StoreTracker
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.annotations import add_tag
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord

# Older versions of W&B leave their socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

READERS = {"jsonl": reading.of_jsonl, "tensorboard": reading.of_tensorboard, "wandb": reading.of_wandb}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "s").dir


@pytest.fixture(params=["jsonl", "tensorboard", "wandb"])
def to(request: pytest.FixtureRequest) -> str:
    if request.param != "jsonl":
        pytest.importorskip(request.param)
    return str(request.param)


def test_all_is_there_once_and_a_second_export_adds_nothing(
    to: str, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(sweep), "--to", to, "-o", str(out)]) == 0
    assert ", 0 there already" in capsys.readouterr().out
    found = READERS[to](out)
    killing.assert_whole(sweep, found)
    assert main(["export", str(sweep), "--to", to, "-o", str(out)]) == 0
    assert "2 runs: 0 values delivered" in capsys.readouterr().out
    assert repr(READERS[to](out)) == repr(found)
    assert {name for name, *_ in next(iter(found.values()))} >= {"loss", "loss:test", "odd (name)", "nan"}


@pytest.mark.parametrize(
    ("name", "times"), [("jsonl", 4), ("tensorboard", 4), pytest.param("wandb", 3, marks=pytest.mark.slow)]
)
def test_killed_at_any_moment(name: str, times: int, sweep: Path, tmp_path: Path) -> None:
    if name != "jsonl":
        pytest.importorskip(name)
    killing.check(
        sweep, lambda place: tracker(name, tmp_path / place), lambda place: READERS[name](tmp_path / place), times, 1
    )


def test_secrets_stay_masked(to: str, sweep: Path, tmp_path: Path) -> None:
    send(sweep, to, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert SECRET.encode() not in content
    assert b"<masked>" in content
    assert not any(SECRET in str(path) for path in files)


def test_a_run_that_grows_gets_what_is_new(to: str, sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    send(sweep, to, out)
    log(sweep / "0", range(20, 25))
    sent = send(sweep, to, out)
    if to == "jsonl":  # The others write it again: how the run ended stands behind its rows.
        assert (sent.delivered, sent.failed) == (15, 0)
    killing.assert_whole(sweep, READERS[to](out))


def test_a_run_that_goes_back_is_replaced(to: str, sweep: Path, tmp_path: Path) -> None:
    """A newer attempt begins at an earlier step: what the older one logged from there on does not stand."""
    out = tmp_path / "out"
    send(sweep, to, out)
    log(sweep / "0", range(10, 15), number=3, attempt=1)
    merge(sweep / "0")
    send(sweep, to, out)
    killing.assert_whole(sweep, READERS[to](out))


def test_odd_names_stay_apart_and_what_wandb_does_not_take_is_counted(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({}, {"big": 10**400, "flag": True}, params={"d": "x\udc80", "huge": 10**400})
    writer = MetricWriter(sweep.dir / "0", 0)
    names = ["", "_step", "a//b", "../x", "/abs", "a.b", "é", "x" * 400, "tab\t", "tab\n", "#%:?", "_runtime"]
    writer.log_rows([(dict.fromkeys(names, 1.0), 0, START), ({"a": 1.0}, -3, START)])
    writer.close()
    sent = send(sweep.dir, "wandb", tmp_path / "out")
    assert (sent.delivered, sent.failed) == (len(names), 1)
    assert "no step below 0" in sent.problems[0]
    ((rows),) = reading.of_wandb(tmp_path / "out").values()
    assert len({name for name, *_ in rows} | {"_runtime"}) == len(names) + 1
    again = send(sweep.dir, "wandb", tmp_path / "out")
    assert (again.already, again.failed) == (len(names), 1)


@given(st.text(max_size=300), st.text(max_size=300))
@example("a(b", "a)b")
@example("a//b", "a/./b")
def test_names_are_mapped_to_names_that_are_taken_and_stay_apart(one: str, other: str) -> None:
    mapped = [mlflow_names._name(text) for text in (one, other)]
    assert all(map(mlflow_names._is_taken, mapped))
    assert all(0 < len(text) <= 250 for text in mapped)
    assert (mapped[0] == mapped[1]) == (one == other)


def test_nothing_of_the_trackers_is_imported_before() -> None:
    code = (
        "import sys, hyperherd.forward, hyperherd.cli.commands.export as e; e.make_parser();"
        "print([n for n in ('mlflow', 'wandb', 'tensorboard', 'pyarrow', 'google.protobuf') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("to", "module"), [("mlflow", "mlflow"), ("wandb", "wandb"), ("tensorboard", "tensorboard")])
def test_a_missing_package_is_named(
    to: str, module: str, sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["export", str(sweep), "--to", to, "-o", str(sweep / "out")]) == 2
    assert f"pip install 'hydra-hyperherd[{to}]'" in capsys.readouterr().err
    assert not (sweep / "out").exists()


def test_a_folder_with_something_else_is_left_alone(sweep: Path, tmp_path: Path) -> None:
    send(sweep, "jsonl", tmp_path / "out")
    for path in (tmp_path / "out").glob("*/run.json"):
        path.unlink()
    with pytest.raises(ResultsError, match="choose another folder"):
        send(sweep, "jsonl", tmp_path / "out")


def test_jsonl_says_what_the_run_is_and_goes_back_into_a_trial(sweep: Path, tmp_path: Path) -> None:
    add_tag(sweep / "1", "baseline")
    send(sweep, "jsonl", tmp_path / "out")
    folder = next((tmp_path / "out").glob("s-1-*"))
    run = json.loads((folder / "run.json").read_text())
    assert (run["sweep"], run["number"], run["state"], run["tags"]) == ("s", 1, "completed", ["baseline"])
    assert (run["started"], run["ended"], run["final"]["best"]) == (START, START + 99, "a")
    assert run["config"] == {"lr": 0.2, "hub.token": "<masked>"}
    assert run["links"]["directory"] == str(sweep / "1")
    other = write_sweep(tmp_path / "other", trials=1, steps=0).dir / "0"
    assert main(["import", str(folder), str(other)]) == 0
    (trial,) = load(other)
    assert len(trial.history()) == len(load(sweep)[1].history())
    assert trial.history("text")["json"].to_pylist() == ['"a text"']


def test_what_has_not_begun_is_not_sent_and_what_is_gone_keeps_what_was_sent(to: str, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s")
    sweep.plan(lr=0.9)
    assert send(sweep.dir, to, tmp_path / "out").runs == 2
    found = READERS[to](tmp_path / "out")
    shutil.rmtree(sweep.dir / "1")
    assert send(sweep.dir, to, tmp_path / "out").runs == 1
    killing.assert_same(READERS[to](tmp_path / "out"), found)


class Described(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.runs: list[dict[str, Any]] = []

    def log_run(self, *, run_id: str, run: dict[str, Any]) -> None:
        self.runs.append(run)


def test_a_store_of_ones_own_gets_each_row_once(sweep: Path) -> None:
    store = Described()
    sent = forward(load(sweep), store)
    wanted = expected(sweep)
    assert sent.delivered == sum(map(len, wanted.values()))
    assert sent.left_out == 2
    found = [(run_id, name, step) for run_id, step, metrics in store.rows for name in metrics]
    assert sorted(found) == sorted((run_id, name, step) for run_id, rows in wanted.items() for name, step, *_ in rows)
    assert [run["number"] for run in store.runs] == [0, 1]
    again = forward(load(sweep), store)
    assert (again.delivered, again.already, len(store.runs)) == (0, sent.delivered, 2)
    add_tag(sweep / "0", "x")
    forward(load(sweep), store)
    assert store.runs[2]["tags"] == ["x"]
    assert json.dumps(store.runs)


def test_a_failing_row_is_offered_again_with_pauses_then_counted_and_costs_no_other(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    monkeypatch.setattr("time.sleep", paused.append)
    flaky = {5: 2}

    def fails_twice(step: int) -> bool:
        flaky[step] = flaky.get(step, 0) - 1
        return flaky[step] >= 0

    store = Rows(fails_twice)
    target = StoreTracker(store, pauses=(1.0, 4.0))
    monkeypatch.setattr(target._retries, "_sleep", paused.append)
    assert forward(load(sweep), target).failed == 0
    assert paused == [1.0, 4.0]
    store, paused[:] = Rows(lambda step: step == 5), []
    store.identity = "another"
    target = StoreTracker(store, pauses=(1.0, 4.0))
    monkeypatch.setattr(target._retries, "_sleep", paused.append)
    sent = forward(load(sweep), target)
    assert (sent.failed, sent.runs) == (6, 2)
    assert sent.delivered == sum(map(len, expected(sweep).values())) - 6
    assert "step 5: ConnectionError: no answer" in sent.problems[0]
    store.fail = lambda step: False
    assert forward(load(sweep), target).delivered == 6


def test_a_store_that_is_away_is_not_asked_for_ever(sweep: Path) -> None:
    log(sweep / "0", range(20, 200))
    store = Rows(lambda step: True)
    sent = forward(load(sweep), StoreTracker(store, pauses=()))
    assert sent.delivered == 0
    assert sent.failed == sum(map(len, expected(sweep).values()))
    assert store.calls <= 25


def test_another_users_sweep_takes_no_ledger(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperherd.forward.trackers.store.is_own", lambda path: False)
    with pytest.raises(ResultsError, match="belongs to another user"):
        forward(load(sweep), Rows())
    with pytest.raises(ResultsError, match="no method log_metrics"):
        forward(load(sweep), object())  # type: ignore[arg-type]


def test_follow_sends_while_trials_run(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s", trials=1, steps=5)
    sweep.running({"loss": 0.5}, params={"lr": 0.7})
    log(sweep.dir / "1", range(3))
    store, rounds = Rows(), []

    def next_round(seconds: float) -> None:
        rounds.append(len(store.rows))
        if len(rounds) == 1:
            log(sweep.dir / "1", range(3, 6))
        else:
            record = TrialRecord.read(sweep.dir / "1")
            changed = {**vars(record), "state": TrialState.COMPLETED, "ended": START, "final": {"acc": 0.5}}
            TrialRecord(**changed).write(sweep.dir / "1")

    sent = follow(lambda: load(sweep.dir), StoreTracker(store), 7.0, lambda sent: None, sleep=next_round)
    assert len(rounds) == 2
    assert sent.runs == 2
    assert sent.delivered == sum(map(len, expected(sweep.dir).values()))
    found = sorted((run_id, step, name) for run_id, step, metrics in store.rows for name in metrics)
    assert len(set(found)) == len(found) == sent.delivered


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "jsonl"], "-o/--output"),
        (["-o", "x", "--follow"], "--follow is for an export with --to"),
        (["-o", "x", "--to", "jsonl", "-f", "csv"], "-f/--format is for an export without --to"),
        (["-o", "x", "--to", "mlflow", "--every", "3"], "--every is for --follow"),
        (["-o", "x", "--to", "jsonl", "--project", "p"], "jsonl has no projects"),
        (["-o", "x", "--to", "neptune"], "invalid choice"),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str], told: str, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["export", str(sweep), *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert told in capsys.readouterr().err


def test_values_that_fail_are_in_the_exit_code(sweep: Path, tmp_path: Path) -> None:
    (sweep / "0" / "metrics.parquet").write_bytes(b"broken")
    done = pipe("export", sweep, "--to", "jsonl", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "not delivered: s/0" in done.stderr
    assert len(reading.of_jsonl(tmp_path / "out")) == 1
