"""What is left on the screen after each kind of end, and whether it is true."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from conftest import App
from terminal import left, on_a_terminal

from hyperherd import load
from hyperherd.records.events import Event
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.trial import TrialError, TrialRecord

POOL = ("-m", "hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.sweep.dir=s")


def _on_a_terminal(app: App, *arguments: str, interrupts: Sequence[Callable[[str], bool]] = ()) -> tuple[str, int]:
    written, code = on_a_terminal(app.command(*POOL, *arguments), app.folder, interrupts=interrupts)
    return left(written), code


def _says_the_end(screen: str, counts: str) -> None:
    """Check that the summary stands there once, nothing of the table does, and the way on is named."""
    assert len(re.findall(rf"sweep \S.*: {counts}\n", screen)) == 1, screen
    assert "table: herd-results s" in screen.splitlines()[-4:], screen
    assert not re.search(r"^\[[█░#.]+\] \d+ %", screen, re.M), screen


def test_all_completed(app: App) -> None:
    screen, code = _on_a_terminal(app, "lr=1,2")
    assert code == 0
    _says_the_end(screen, "2 completed")
    assert "go on:" not in screen


def test_equal_errors_are_one_traceback_and_their_numbers(app: App) -> None:
    app.write("if cfg.lr > 1: raise ValueError(f'boom {cfg.lr}')")
    screen, code = _on_a_terminal(app, "lr=range(0,10)")
    assert code == 1
    _says_the_end(screen, "2 completed, 8 failed")
    end = screen.rpartition("2 completed, 8 failed")[2]
    assert "✗ 8 trials (2, 3, 4, 5, 6, 7, 8, 9)  ValueError: boom 2" in end
    assert end.count("Traceback") == 1
    assert "why:   herd-results failures s" in end
    assert "go on: the same command with hydra.sweeper.resume=s" in end


def test_one_interrupt(app: App) -> None:
    app.write("time.sleep(60)")
    screen, code = _on_a_terminal(
        app, "lr=1,2,3", "hydra.launcher.max_parallel=2", interrupts=[lambda told: "2 running" in told]
    )
    assert code == 130
    _says_the_end(screen, "3 cancelled")
    assert "go on:" in screen
    assert all(trial.reason for trial in load(app.folder / "s"))


def test_two_interrupts_leave_a_true_count(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that ignore what they are told run until the second one kills them."""
    app.write("""
        import signal
        signal.signal(signal.SIGTERM, lambda *_: open(os.environ["ASKED"], "w").close())
        open(f"{os.environ['ASKED']}-{cfg.lr}", "w").close()
        while True: time.sleep(0.1)
    """)
    asked = app.folder / "asked"
    monkeypatch.setenv("ASKED", str(asked))
    options = ("hydra.launcher.max_parallel=2", "hydra.launcher.grace_s=60", "lr=1,2,3")
    interrupts = [lambda _: len(list(app.folder.glob("asked-*"))) == 2, lambda _: asked.exists()]
    screen, code = _on_a_terminal(app, *options, interrupts=interrupts)
    assert code == 130, screen
    _says_the_end(screen, "3 cancelled")
    assert [trial.state for trial in load(app.folder / "s")] == [TrialState.CANCELLED] * 3
    assert all(trial.reason for trial in load(app.folder / "s"))


def test_stopped_by_a_policy(app: App) -> None:
    """What had raised keeps its error; its second attempt comes before what has not begun."""
    app.write("""
        if cfg.lr == 1: raise ValueError("boom")
        if cfg.lr == 2: sys.exit(2)
        time.sleep(60)
    """)
    policy = (
        "hydra.sweeper.stop_after_failures=2",
        "hydra.sweeper.retry={exception: 1}",
        "hydra.launcher.max_parallel=1",
    )
    screen, code = _on_a_terminal(app, *policy, "lr=range(1,7)")
    assert code == 1
    _says_the_end(screen, "2 failed, 4 cancelled")
    assert "2 trials failed (hydra.sweeper.stop_after_failures); cancelled" in screen
    end = screen.rpartition("2 failed, 4 cancelled")[2]
    assert re.search(r"✗ 0 +lr=1 +ValueError: boom", end), end
    assert re.search(r"■ 4 trials \(2, 3, 4, 5\) +the sweep stopped: 2 trials failed", " ".join(end.split())), end
    assert "why:   herd-results failures s" in end
    assert all(trial.reason for trial in load(app.folder / "s"))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_equal_errors_are_one_traceback_while_it_runs(app: App, launcher: str) -> None:
    """The log files of each trial have it in full."""
    app.write("if cfg.lr > 1: raise ValueError(f'boom {cfg.lr}')")
    sweep = app.sweep("lr=range(0,10)", f"hydra/launcher={launcher}", code=1)
    running, _, end = sweep.done.stdout.rpartition("2 completed, 8 failed")
    assert running.count("Traceback (most recent call last)") == 1
    assert end.count("Traceback (most recent call last)") == 1
    first = re.search(r"trial (\d) \(lr-\d\) failed after \S+ s\n *Traceback", running)
    assert first is not None, running
    repeated = re.findall(
        r"trial (\d) \(lr-\d\) failed after .* s: ValueError: boom \d \(traceback: as in trial (\d)\)", running
    )
    assert {number for number, _ in repeated} == set("23456789") - {first[1]}
    assert {of for _, of in repeated} == {first[1]}
    for number in range(2, 10):
        assert "Traceback" in (sweep.dir / str(number) / "app.log").read_text()


def _record(**changes: object) -> TrialRecord:
    return TrialRecord(0, "k", "n", (), {}, 0, TrialState.RUNNING, started=1.0, heartbeat=2.0).with_(**changes)


def test_an_error_stands_when_the_attempt_after_it_never_began() -> None:
    failed = _record(state=TrialState.FAILED, error=TrialError("ValueError", "boom"))
    again = [Event("retried", 0, 0, 3.0), Event("submitting", 0, 1, 4.0)]
    assert derive_status(failed, again, Observer()).state is TrialState.SUBMITTED
    stopped = [*again, Event("cancelled", 0, 1, 5.0, message="the sweep stopped")]
    standing = derive_status(failed, stopped, Observer())
    assert (standing.state, standing.attempt, standing.reason) == (TrialState.FAILED, 0, "ValueError: boom")
    lost = derive_status(failed, [*again, Event("lost", 0, 1, 5.0, message="gone")], Observer())
    assert (lost.state, lost.reason) == (TrialState.LOST, "gone")


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "it was interrupted (Ctrl-C, or SIGTERM) while it ran"),
        ([Event("cancelled", 0, 0, 3.0, message="cancelled on request")], "cancelled on request"),
    ],
)
def test_an_interrupted_trial_has_a_reason(events: list[Event], reason: str) -> None:
    assert derive_status(_record(state=TrialState.CANCELLED), events, Observer()).reason == reason
