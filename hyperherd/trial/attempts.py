"""Which execution of a trial this is: attempts are claimed by creating a file, so no two processes run the same one."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperherd import schedulers
from hyperherd.errors import AttemptTaken, FormatError
from hyperherd.paths import TrialPaths
from hyperherd.records.clocks import FilesClock
from hyperherd.records.disk.files import create, read_json
from hyperherd.records.places import in_place
from hyperherd.records.requests import is_readmitted
from hyperherd.records.states import TrialState
from hyperherd.records.status import (
    SILENCE,
    Observer,
    TrialStatus,
    derive_status,
    process_started,
    same_process,
)
from hyperherd.records.trial import TrialRecord


def next_attempt(trial_dir: Path) -> int:
    """Return the number the next attempt of the trial in `trial_dir` will have."""
    claimed = [int(path.name) for path in TrialPaths(trial_dir).attempts.glob("*") if path.name.isdecimal()]
    return max(claimed, default=-1) + 1


def claimed_keys(trial_dir: Path) -> set[str]:
    """Return the identities of the trials whose attempts were claimed in `trial_dir`; unreadable claims are skipped."""
    keys = set()
    for path in TrialPaths(trial_dir).attempts.glob("*"):
        with suppress(OSError, FormatError):
            keys.add(str(read_json(in_place(path, trial_dir)).get("key")))
    return keys


def claim_attempt(
    trial_dir: Path,
    key: str,
    meant: int | None = None,
    *,
    again: bool = False,
    of_sweep: tuple[Path, int] | None = None,
) -> int:
    """Claim an attempt for this process and return its number.

    A job that its scheduler has requeued is the next attempt after the one it was meant to be.

    Args:
        trial_dir: the trial's directory.
        key: the trial's identity, so that the claim alone identifies the trial of the directory.
        meant: which attempt this is to be; None for the next.
        again: whether it is one although the trial is running or done: nobody but the user starts a single run.
        of_sweep: the directory of its sweep, and its number; there somebody may have a pruned trial run on.

    Raises:
        AttemptTaken: the trial is running or done, or someone claimed this attempt first; nothing was touched.
    """
    following = next_attempt(trial_dir)
    status = None
    if following and TrialPaths(trial_dir).trial.exists():
        record, written = TrialRecord.read(trial_dir), TrialPaths(trial_dir).trial.stat().st_mtime
        status = derive_status(record, (), Observer(), FilesClock(TrialPaths(trial_dir).attempts).since(written))
    is_requeued = _is_requeued(trial_dir, following - 1, status)
    if meant is not None and meant < following and not is_requeued:
        raise AttemptTaken(f"attempt {meant} of the trial in {trial_dir} was already run by another job")
    # Greater than the next one where a job of an earlier attempt never began.
    attempt = max(following, meant or 0)
    if status is not None and not again:
        # A job with a given attempt got it from a sweep or a scheduler that saw the previous attempt end.
        is_running = status.state is TrialState.RUNNING and meant is None and not is_requeued
        if (status.state.done and not _is_readmitted(status.state, status.attempt, of_sweep)) or is_running:
            raise AttemptTaken(f"attempt {status.attempt} of the trial in {trial_dir} is already {status.state}")
    # Created exclusively: of two processes that come this far at once, one gets the attempt.
    if not create(TrialPaths(trial_dir).attempts / str(attempt), _claim(key)):
        raise AttemptTaken(f"attempt {attempt} of the trial in {trial_dir} was claimed by another process")
    return attempt


def claim_for_worker(trial_dir: Path, key: str, attempt: int, of_sweep: tuple[Path, int] | None = None) -> bool:
    """Claim an attempt that is in the queue of workers, for a trial that this process starts; return whether it got it.

    The trial that gets it runs as that attempt without a claim of its own. One that is done is never run again, unless
    it was pruned and somebody wants it to be (`of_sweep`: as in :func:`claim_attempt`), nor is an attempt claimed while
    a later one was.
    """
    if next_attempt(trial_dir) > attempt or _is_done(trial_dir, of_sweep):
        return False
    return create(TrialPaths(trial_dir).attempts / str(attempt), _claim(key))


def is_abandoned(trial_dir: Path) -> bool:
    """Return whether the last attempt was claimed by somebody who is gone, and who left no record of it."""
    last = next_attempt(trial_dir) - 1
    path = TrialPaths(trial_dir).attempts / str(last)
    with suppress(OSError, FormatError):
        if TrialRecord.read(trial_dir).attempt >= last:
            return False
    try:
        claim = read_json(in_place(path, trial_dir))
        silent = FilesClock(path.parent).since(path.stat().st_mtime)
    except (OSError, FormatError):  # nobody has claimed it, or is about to
        return False
    pid, started = claim.get("pid"), claim.get("pid_started")
    if claim.get("host") == socket.gethostname() and isinstance(pid, int):
        return not same_process(pid, started if isinstance(started, float) else None)
    return silent > SILENCE


def _is_done(trial_dir: Path, of_sweep: tuple[Path, int] | None) -> bool:
    try:
        record = TrialRecord.read(trial_dir)
    except (OSError, FormatError):  # no attempt has begun, or the last one was cut short
        return False
    return record.state.done and not _is_readmitted(record.state, record.attempt, of_sweep)


def _is_readmitted(state: TrialState, attempt: int, of_sweep: tuple[Path, int] | None) -> bool:
    return state is TrialState.PRUNED and of_sweep is not None and is_readmitted(*of_sweep, attempt)


def _claim(key: str) -> dict[str, Any]:
    return {
        "key": key,
        "time": time.time(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_started": process_started(os.getpid()),
        "job_id": scheduler_job(),
        "restart": scheduler_restart(),
    }


def _is_requeued(trial_dir: Path, last: int, status: TrialStatus | None) -> bool:
    """Return whether the last attempt was made by the scheduler's job that this process runs in, before its restart.

    Where restarts are not counted, as inside ``bsub -Is``, all sweeps of a session run in one job: an attempt that has
    ended by itself, or still runs, was not cut off by a restart.
    """
    job = scheduler_job()
    with suppress(OSError, FormatError):
        claim = read_json(in_place(TrialPaths(trial_dir).attempts / str(last), trial_dir))
        restart = scheduler_restart()
        if job is None or claim.get("job_id") != job:
            return False
        if restart is None:
            return status is None or status.state in (TrialState.STALLED, TrialState.LOST)
        return bool(claim.get("restart") != restart)
    return False


def attempt_of_job(trial_dir: Path) -> int | None:
    """Return the attempt that another process of this scheduler's job has claimed, or None if none has yet."""
    for path in TrialPaths(trial_dir).attempts.glob("*"):
        with suppress(OSError, FormatError):
            claim = read_json(in_place(path, trial_dir))
            if claim.get("job_id") == scheduler_job() and claim.get("restart") == scheduler_restart():
                return int(path.name) if path.name.isdecimal() else None
    return None


def scheduler_job() -> str | None:
    """Return the id of the scheduler's job this process runs in (``123_4`` for an array's task), or None."""
    return schedulers.job_id(os.environ)


def scheduler_restart() -> int | None:
    """Return how often its scheduler has started this process's job again, or None if it is not known."""
    return schedulers.restarts(os.environ)
