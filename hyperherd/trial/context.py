"""The trial context: what surrounds the task function in a job, whichever launcher started it.

The order matters: the attempt is claimed before anything is written, output is copied before user code can print, and
the last state is written when everything else about the trial is on the disk.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hyperherd.inert import inert_lines, one_line
from hyperherd.paths import TrialPaths
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, find_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log
from hyperherd.trial.attempts import claim_attempt
from hyperherd.trial.ending import TrialFailed, ending_of
from hyperherd.trial.isolation import restored_process_state
from hyperherd.trial.logbook import Logbook
from hyperherd.trial.output import copied_output
from hyperherd.trial.signals import Terminated, noted_signals

log = logging.getLogger("hyperherd")


@dataclass(frozen=True)
class TrialPlace:
    """Which trial is to run, and where."""

    trial: PlannedTrial
    sweep: SweepRecord
    sweep_dir: Path
    trial_dir: Path


def run_in_context(place: TrialPlace, task: Callable[[], Any], attempt: int | None = None) -> Any:
    """Run `task` as an attempt of a trial and return what it returns.

    Args:
        place: which trial, and where.
        task: what it does.
        attempt: which execution this is meant to be; None for the next.

    Raises:
        AttemptTaken: the trial is running or done, or that attempt was run.
        TrialFailed: the task called ``sys.exit`` with a failure, or raised something that is not an ``Exception``.
        KeyboardInterrupt, Terminated: it was interrupted; the trial is cancelled.
        Exception: whatever else the task raised, after it has been noted.
    """
    attempt = claim_attempt(place.trial_dir, place.trial.key, attempt)
    logbook = Logbook(place.trial, place.trial_dir, attempt, place.sweep, place.sweep_dir)
    logbook.open()
    owner = os.getpid()
    paths = TrialPaths(place.trial_dir)
    with (
        restored_process_state(),
        noted_signals() as signals,
        copied_output(paths.log(attempt, "out"), paths.log(attempt, "err")),
    ):
        value, error = None, None
        os.environ.update(variables(place, attempt))
        trial_log.enter(place.trial_dir, attempt)
        try:
            value = task()
            trial_log.log_returned(value)
        except BaseException as raised:  # noqa: BLE001 - the boundary of a trial: its end is recorded, then reported below
            error = raised
        if os.getpid() != owner:
            _end_forked_child(error)
        trial_log.leave()
        record = logbook.close(ending_of(error, signals))
        _tell(record, error)
    if record.state is not TrialState.COMPLETED:
        _raise(record, error, signals)
    return value


def variables(place: TrialPlace, attempt: int) -> dict[str, str]:
    """Return the environment variables that describe a trial to itself; the names are those of the first HyperHerd."""
    return {
        trial_log.WORKSPACE: str(place.sweep_dir),
        trial_log.SWEEP_NAME: place.sweep.name,
        trial_log.TRIAL_ID: str(place.trial.number),
        trial_log.TRIAL_NAME: place.trial.name,
        trial_log.TRIAL_DIR: str(place.trial_dir),
        trial_log.ATTEMPT: str(attempt),
    }


def _end_forked_child(error: BaseException | None) -> NoReturn:
    """End a process that the task forked and did not end: the trial, and the sweep behind it, are its parent's."""
    if error is not None and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    code = ending_of(error, ()).exit_code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code if code is not None else int(error is not None))


def _tell(record: TrialRecord, error: BaseException | None) -> None:
    seconds = (record.ended or 0) - (record.started or 0)
    what = f"trial {record.number} ({record.name}) {record.state} after {seconds:.1f} s"
    if record.state is not TrialState.FAILED:
        log.info(what)
    elif record.cause is FailureCause.EXIT and record.error is not None:
        log.error("%s: %s", what, one_line(record.error.message))
    else:
        log.error("%s\n%s", what, inert_lines(record.error.traceback if record.error else str(error)))


def _raise(record: TrialRecord, error: BaseException | None, signals: list[int]) -> NoReturn:
    if record.state is TrialState.CANCELLED:
        raise Terminated if signal.SIGTERM in signals else KeyboardInterrupt
    assert error is not None
    if isinstance(error, Exception):
        raise error
    assert record.error is not None
    raise TrialFailed(f"{record.error.type}: {record.error.message}") from None


def find_place(sweep_dir: Path, overrides: list[str], trial_dir: Path, likely: int | None = None) -> TrialPlace:
    """Return the trial of the sweep in `sweep_dir` that the job with these overrides is to run in `trial_dir`.

    A job knows its overrides under every launcher, while its number (`likely`) depends on how the launcher counts.
    """
    return TrialPlace(
        trial=find_planned(sweep_dir, overrides, likely),
        sweep=SweepRecord.read(sweep_dir),
        sweep_dir=sweep_dir,
        trial_dir=trial_dir,
    )
