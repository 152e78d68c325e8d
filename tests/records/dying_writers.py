"""Writers that are killed, or meet a full disk, at one operation on files; run as a program, in a process of its own.

    python tests/records/dying_writers.py events|last_state kill|full FOLDER FIRST STRIDE

Each writer is a forked child. A line of JSON says what came of every STRIDE-th operation, from FIRST on, until a writer
got through. The checks are those of test_killed_writers.py beside this file.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet  # noqa: F401

from hyperherd.metrics.reader import read_metrics
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.events import Event, EventLog, read_events
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.sweep import PlannedTrial, SweepRecord
from hyperherd.records.trial import TrialRecord
from hyperherd.trial.attempts import claim_attempt
from hyperherd.trial.ending import Ending
from hyperherd.trial.logbook import Logbook

OPERATIONS = ("open", "write", "fsync", "ftruncate", "link", "replace", "rename", "unlink", "mkdir")
EVENTS = 4
STEPS = 5


def arm(left: int, kind: str, count: Callable[[], None]) -> None:
    """Let operation number `left` on files of this process be its end, or fail as on a full disk, half done."""
    state, synced = {"left": left}, dict[int, int]()

    def armed(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            state["left"] -= 1
            if state["left"] != -1:
                done = real(*arguments, **options)
                if name == "fsync":
                    about = os.fstat(arguments[0])
                    synced[about.st_ino] = about.st_size
                return done
            count()
            if name == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if name == "fsync" and kind == "kill":
                _lose(arguments[0], synced)
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return operation

    for name in OPERATIONS:
        setattr(os, name, armed(name, getattr(os, name)))


def _lose(descriptor: int, synced: dict[int, int]) -> None:
    """Take half of what the disk was not yet known to have, as a machine that loses its power does."""
    about = os.fstat(descriptor)
    if stat.S_ISREG(about.st_mode):
        safe = synced.get(about.st_ino, 0)
        os.truncate(f"/proc/self/fd/{descriptor}", safe + (about.st_size - safe) // 2)


def write_events(folder: Path, acknowledge: Callable[[object], None], start: Callable[[], None]) -> None:
    """Write events one by one, each acknowledged when that has returned."""
    log = EventLog(folder)
    start()
    for number in range(EVENTS):
        log.write([Event("submitting", number, 0, time=float(number))])
        acknowledge(number)
    log.write([Event("cancelled", EVENTS, 0, time=float(EVENTS))])


def check_events(folder: Path) -> dict[str, Any]:
    """Return what a reader finds, before and after the next writer has added its own."""
    found = [event.number for event in read_events(folder)]
    EventLog(folder).write([Event("cancelled", 99, 0, time=99.0)])
    return {"found": found, "later": [event.number for event in read_events(folder)]}


def _logbook(trial_dir: Path, attempt: int) -> Logbook:
    sweep = SweepRecord("s", 0.0, "app.py", "app", {}, {}, objective={"metric": "loss", "direction": "minimize"})
    return Logbook(PlannedTrial(0, "k", "n", (), {}), trial_dir, attempt, sweep, trial_dir.parent)


def _attempt(trial_dir: Path, start: Callable[[], None]) -> None:
    attempt = claim_attempt(trial_dir, "k")
    book = _logbook(trial_dir, attempt)
    book.open(choices={}, config_hash="")
    writer = MetricWriter(trial_dir, attempt)
    for step in range(attempt * STEPS, (attempt + 1) * STEPS):
        writer.log({"loss": 1.0 / (1 + step)}, step)
    writer.close()
    start()
    book.close(Ending(TrialState.COMPLETED if attempt else TrialState.CANCELLED))


def write_last_state(folder: Path, acknowledge: Callable[[object], None], start: Callable[[], None]) -> None:
    """End a trial: merge its metrics, and write its last state."""
    _attempt(folder / "0", start)
    acknowledge("closed")


def check_last_state(folder: Path) -> dict[str, Any]:
    """Return what a reader finds, before and after the next attempt."""
    trial_dir = folder / "0"
    record = TrialRecord.read(trial_dir)
    found = {
        "state": record.state.value,
        "status": derive_status(record, (), Observer()).state.value,
        "steps": read_metrics(trial_dir, ["loss"])["step"].to_pylist(),
    }
    _attempt(trial_dir, lambda: None)
    last = TrialRecord.read(trial_dir)
    later = {"state": last.state.value, "steps": read_metrics(trial_dir, ["loss"])["step"].to_pylist()}
    leftovers = sorted(path.name for path in trial_dir.rglob(".*.tmp"))
    return {**found, "later": later, "attempt": last.attempt, "leftovers": leftovers}


WRITERS = {"events": (write_events, check_events), "last_state": (write_last_state, check_last_state)}


def in_child(act: Callable[[Callable[[object], None]], None]) -> tuple[int, list[Any]]:
    """Run `act` in a forked child; return its exit status and what it acknowledged."""
    ours, theirs = os.pipe()
    if not (pid := os.fork()):
        raw_write, raw_exit = os.write, os._exit
        try:
            act(lambda value: raw_write(theirs, (json.dumps(value) + "\n").encode()))
            raw_exit(0)
        except BaseException as error:  # noqa: BLE001 - the boundary of a process
            raw_write(2, f"{type(error).__name__}: {error}\n".encode())
            raw_exit(1)
    os.close(theirs)
    with os.fdopen(ours) as stream:
        told = [json.loads(line) for line in stream]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told


def main(what: str, kind: str, root: Path, first: int, stride: int) -> None:
    write, check = WRITERS[what]
    operation, reached = first, True
    while reached:
        folder = root / str(operation)
        folder.mkdir()

        def act(acknowledge: Callable[[object], None], at: int = operation, folder: Path = folder) -> None:
            write(folder, acknowledge, lambda: arm(at, kind, lambda: acknowledge("reached")))

        status, told = in_child(act)
        reached = "reached" in told
        checked, found = in_child(lambda acknowledge, folder=folder: acknowledge(check(folder)))  # type: ignore[misc]
        told = [item for item in told if item != "reached"]
        outcome = {"at": operation, "reached": reached, "status": status, "told": told, "checked": checked}
        print(json.dumps({**outcome, "found": found[0] if found else None}), flush=True)
        operation += stride


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
