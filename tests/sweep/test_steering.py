"""`herd-results prune`, `stop` and `continue`, while a sweep runs and when none does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import starting
from conftest import App
from waiting import PATIENCE, until

import hyperherd
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.events import CONTINUED, Event
from hyperherd.records.requests import (
    TrialRequest,
    Wish,
    ask_to_cancel,
    ask_to_run_on,
    ask_trial,
    go_on,
    read_request,
    request_path,
    take_requests,
)
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.trial import TrialRecord

SWEEP = ["-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s"]
LOCAL = [*SWEEP, "hydra/launcher=herd_local", "hydra.launcher.max_parallel=2"]
LOOP = """
    # Goes on from its checkpoint; ends after step 5 once there is a file `go`.
    import hyperherd
    out = HydraConfig.get().runtime.output_dir
    go = os.path.join(HydraConfig.get().runtime.cwd, "go")
    found, step = hyperherd.checkpoint(), 0
    if found:
        step = int(found.read_text()) + 1
        hyperherd.resumed(step)
    while not (step > 5 and os.path.exists(go)):
        open(os.path.join(out, "state.ckpt"), "w").write(str(step))
        hyperherd.log_result("loss", cfg.lr, step)
        step += 1
        time.sleep(0.02)
    return cfg.lr
"""


def herd_results(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyperherd.cli", *map(str, arguments)]
    return starting.run(command, text=True)


def states(sweep_dir: Path) -> dict[int, str]:
    return {trial.number: str(trial.state) for trial in hyperherd.load(sweep_dir) if trial.number is not None}


def until_logged(sweep: subprocess.Popen[str], sweep_dir: Path, number: int) -> None:
    until((sweep_dir / str(number) / "state.ckpt").exists, sweep)


@pytest.mark.slow
def test_trials_of_a_sweep_that_runs_are_pruned_stopped_and_continued(app: App) -> None:
    app.write(LOOP)
    sweep_dir = app.folder / "multirun/s"
    sweep = app.start(*LOCAL, "lr=1,2,3,4", "hydra.sweeper.retry=2")
    until_logged(sweep, sweep_dir, 1)
    done = herd_results("prune", sweep_dir, "1,3")
    assert (done.returncode, done.stdout.partition(";")[0]) == (1, "pruned at the next log call: trial 1"), done.stderr
    assert "trial 3: it is submitted, and has not begun" in done.stderr
    until_logged(sweep, sweep_dir, 2)  # it gets the place
    assert states(sweep_dir)[1] == "pruned"
    assert "pruned by hand" in herd_results("show", sweep_dir, "1").stdout
    done = herd_results("stop", sweep_dir, "0")
    assert done.returncode == 0, done.stderr
    until_logged(sweep, sweep_dir, 3)
    assert states(sweep_dir)[0] == "cancelled"
    done = herd_results("continue", sweep_dir, "0,1,2")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("continued at once where they belong to what the sweep runs")
    assert done.stdout.endswith(": trials 0, 1\n")
    assert "trial 2: it is running, neither pruned, paused nor stopped" in done.stderr
    (app.folder / "go").touch()
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, told
    assert set(states(sweep_dir).values()) == {"completed"}
    for number in (0, 1):  # from the checkpoint: no step is missing, and none was done twice
        trial_dir = sweep_dir / str(number)
        assert TrialRecord.read(trial_dir).attempt == 1
        rows = hyperherd.load(sweep_dir).filter(f"number={number}").metrics("loss")
        steps = sorted(rows["step"].to_pylist() if hasattr(rows["step"], "to_pylist") else rows["step"])
        assert steps == list(range(len(steps)))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["herd_local", "basic"])
def test_a_whole_sweep_stops_and_is_gone_on_with(app: App, launcher: str) -> None:
    app.write(LOOP)
    sweep_dir = app.folder / "multirun/s"
    options = [f"hydra/launcher={launcher}"]
    sweep = app.start(*SWEEP, "lr=1,2,3", *options)
    until_logged(sweep, sweep_dir, 0)
    done = herd_results("stop", sweep_dir)
    assert done.returncode == 0, done.stderr
    assert "the sweep that runs starts nothing more" in done.stdout
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, told
    assert set(states(sweep_dir).values()) == {"cancelled"}
    assert "stopped by hand" in told
    assert not (sweep_dir / "2" / "state.ckpt").exists()  # what had not begun did not run user code
    (app.folder / "go").touch()
    again = app.run(*SWEEP, "lr=1,2,3", *options)
    assert again.returncode == 0, again.stdout
    assert set(states(sweep_dir).values()) == {"completed"}


@pytest.mark.slow
def test_a_trial_killed_between_request_and_end_is_pruned_when_it_begins_again(app: App) -> None:
    app.write(LOOP)
    sweep_dir = app.folder / "multirun/s"
    sweep = app.start(*LOCAL, "lr=1,2", "hydra.sweeper.retry={signal: {times: 1}}")
    until_logged(sweep, sweep_dir, 1)
    pid = TrialRecord.read(sweep_dir / "1").pid
    assert pid is not None
    os.kill(pid, 19)  # so that it does not see the request
    assert herd_results("prune", sweep_dir, "1").returncode == 0
    os.kill(pid, 9)
    (app.folder / "go").touch()
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, told
    record = TrialRecord.read(sweep_dir / "1")
    assert (record.state, record.attempt, record.stop_reason) == (TrialState.PRUNED, 1, "pruned by hand")
    # Done: the same command does not run it again, until somebody wants that.
    assert "0 to run" in app.run(*LOCAL, "lr=1,2").stdout
    assert herd_results("continue", sweep_dir, "1").stdout.startswith("continued when the same sweep command")
    assert states(sweep_dir)[1] == "waiting"
    assert app.run(*LOCAL, "lr=1,2").returncode == 0
    assert states(sweep_dir) == {0: "completed", 1: "completed"}


def test_what_cannot_be_meant_is_refused_by_name(app: App, tmp_path: Path) -> None:
    app.write("import hyperherd; hyperherd.log_result('loss', 1.0, 1)")
    sweep = app.sweep("lr=1")
    for arguments, code, message in (
        (["prune", sweep.dir, "0"], 1, "trial 0: it is completed, and does not run"),
        (["stop", sweep.dir, "0"], 1, "trial 0: it is completed, and does not run"),
        (["continue", sweep.dir, "0"], 1, "trial 0: it is completed, neither pruned, paused nor stopped"),
        (["prune", sweep.dir, "0,7"], 3, "has no trial 7"),
        (["prune", sweep.dir, "first"], 2, "'first' is no list of trial numbers such as 3,7-9"),
        (["prune", sweep.dir], 2, "the following arguments are required: NUMBERS"),
        (["stop", tmp_path / "nowhere"], 3, "does not contain a sweep of HyperHerd"),
    ):
        done = herd_results(*arguments)
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert not SweepPaths(sweep.dir).requests.exists()
    done = herd_results("stop", sweep.dir)
    assert (done.returncode, done.stdout) == (0, "no trial runs or is queued: there is nothing to stop\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_sweep_of_somebody_else_is_left_alone(app: App) -> None:
    sweep = app.sweep("lr=1")
    os.chown(sweep.dir, 12345, -1)
    done = herd_results("stop", sweep.dir)
    assert done.returncode == 2
    assert "belongs to user 12345, and its trials heed nobody else" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_request_of_somebody_else_is_none(tmp_path: Path) -> None:
    ask_trial(tmp_path, 3, TrialRequest(Wish.PRUNE, 0, "a\x1b[31m"))
    request = read_request(tmp_path, 3)
    assert request is not None
    verdict = request.verdict(0)
    assert verdict is not None
    assert verdict.reason == "a\\x1b[31m"
    os.chown(request_path(tmp_path, 3), 12345, -1)
    assert read_request(tmp_path, 3) is None
    for ask, what in ((ask_to_run_on, "continue"), (ask_to_cancel, "cancel")):
        os.chown(ask(tmp_path, [3]), 12345, -1)
        ask(tmp_path, [4])
        assert list(take_requests(tmp_path, what)) == [4]
        assert list(take_requests(tmp_path, what)) == []


@pytest.mark.parametrize(
    "content",
    ["", "5", "{", "[]", '{"want": "prune"}', '{"want": "prune", "attempt": true, "reason": ""}', '{"want": ["stop"]}'],
)
def test_what_is_no_request_is_passed_over(tmp_path: Path, content: str) -> None:
    path = request_path(tmp_path, 0)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert read_request(tmp_path, 0) is None
    go_on(tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert read_request(tmp_path, 0) is None


def test_going_on_takes_back_what_was_to_stop_alone(tmp_path: Path) -> None:
    for number, wish in enumerate(Wish):
        ask_trial(tmp_path, number, TrialRequest(wish, 0))
    go_on(tmp_path)
    left = [read_request(tmp_path, number) for number in range(3)]
    assert [request and request.wish for request in left] == [Wish.PRUNE, None, Wish.CONTINUE]


def test_a_trial_that_was_continued_and_then_stopped_is_still_one_that_was_continued(tmp_path: Path) -> None:
    continued = TrialRequest(Wish.CONTINUE, 0)
    ask_trial(tmp_path, 0, continued)
    for attempt in (1, 2):
        ask_trial(tmp_path, 0, TrialRequest(Wish.STOP, attempt))
        request = read_request(tmp_path, 0)
        assert request is not None
        assert request.verdict(attempt) is not None
    go_on(tmp_path)
    assert read_request(tmp_path, 0) == continued


def test_what_was_to_be_continued_by_a_sweep_that_has_ended_waits_for_no_other(tmp_path: Path) -> None:
    ask_to_run_on(tmp_path, [3])
    go_on(tmp_path)
    assert list(take_requests(tmp_path, "continue")) == []


def _record(**changes: object) -> TrialRecord:
    given = {"state": TrialState.PRUNED, "beats": 4, "heartbeat": 1.0, "stop_reason": "why", **changes}
    return TrialRecord(0, "k", "n", (), {}, 1, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "event", "state"),
    [
        ({}, None, TrialState.PRUNED),
        ({}, (1, 4), TrialState.WAITING),
        ({"state": TrialState.CANCELLED}, (1, 4), TrialState.WAITING),
        ({}, (0, 9), TrialState.PRUNED),  # that was about an earlier attempt
        ({"beats": 5}, (1, 4), TrialState.PRUNED),  # and that about an attempt of this number that had not ended so
        ({"state": TrialState.COMPLETED}, (1, 4), TrialState.COMPLETED),
        ({"state": TrialState.FAILED}, (1, 4), TrialState.FAILED),
    ],
)
def test_a_trial_that_somebody_continues_waits(
    record: Mapping[str, object], event: tuple[int, int] | None, state: TrialState
) -> None:
    events = [] if event is None else [Event(CONTINUED, 0, event[0], beats=event[1])]
    assert derive_status(_record(**record), events, Observer(now=2.0)).state is state


def test_the_reason_is_that_of_the_record() -> None:
    assert derive_status(_record(), [], Observer(now=2.0)).reason == "why"


def test_a_record_of_an_earlier_version_has_no_reason(tmp_path: Path) -> None:
    _record().write(tmp_path)
    path = TrialPaths(tmp_path).trial
    raw = json.loads(path.read_text())
    del raw["stop_reason"]
    path.write_text(json.dumps(raw))
    assert TrialRecord.read(tmp_path).stop_reason == ""


def test_what_is_continued_before_it_began_waits() -> None:
    events = [Event("cancelled", 0, 0), Event(CONTINUED, 0, 0)]
    assert derive_status(None, events, Observer()).state is TrialState.WAITING
