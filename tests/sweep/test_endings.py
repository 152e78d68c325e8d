"""What is left on the screen after each kind of end, and whether it is true."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence

import pytest
from conftest import App

from hyperherd import load
from hyperherd.records.events import Event
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.trial import TrialError, TrialRecord

POOL = ("-m", "hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.sweep.dir=s")


def _on_a_terminal(app: App, *arguments: str, interrupts: Sequence[str] = ()) -> tuple[str, int]:
    """Run the app on a terminal, and interrupt it each time that one of these texts has come; return what is to be read
    there in the end, and the exit code.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        app.command(*POOL, *arguments), cwd=app.folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    written, awaited = b"", [text.encode() for text in interrupts]
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
            if awaited and awaited[0] in written:
                del awaited[0]
                process.send_signal(signal.SIGINT)
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    return _left(written.decode().replace("\r\n", "\n")), process.wait(timeout=60)


def _left(written: str) -> str:
    lines = [""]
    for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", written):
        if part.startswith("\x1b["):
            del lines[len(lines) - 1 - int(part[2 : part.index("F")]) :]
            lines.append("")
        elif part == "\n":
            lines.append("")
        else:
            lines[-1] += part
    return "\n".join(lines)


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
    screen, code = _on_a_terminal(app, "lr=1,2,3", "hydra.launcher.max_parallel=2", interrupts=["2 running"])
    assert code == 130
    _says_the_end(screen, "3 cancelled")
    assert "go on:" in screen
    assert all(trial.reason for trial in load(app.folder / "s"))


def test_two_interrupts_leave_a_true_count(app: App) -> None:
    """Trials that ignore what they are told run until the second one kills them."""
    app.write("""
        import signal
        signal.signal(signal.SIGTERM, lambda *_: open(os.environ["ASKED"], "w").close())
        open(f"{os.environ['ASKED']}-{cfg.lr}", "w").close()
        while True: time.sleep(0.1)
    """)
    asked = app.folder / "asked"
    options = ("hydra.launcher.max_parallel=2", "hydra.launcher.grace_s=60", "lr=1,2,3")
    process = app.start(*POOL, *options, ASKED=str(asked))
    _await(lambda: len(list(app.folder.glob("asked-*"))) == 2)
    process.send_signal(signal.SIGINT)
    _await(asked.exists)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 130, told
    _says_the_end(told, "3 cancelled")
    assert [trial.state for trial in load(app.folder / "s")] == [TrialState.CANCELLED] * 3


def _await(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
