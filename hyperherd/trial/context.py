"""The trial context: what surrounds the task function in a job, whichever launcher started it.

The order matters: the attempt is claimed before anything is written, output is copied before user code can print, and
the last state is written when everything else about the trial is on the disk.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hyperherd.paths import TrialPaths
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, find_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log
from hyperherd.trial.attempts import claim_attempt
from hyperherd.trial.ending import TrialExited, ending_of
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


def run_in_context(place: TrialPlace, task: Callable[[], Any]) -> Any:
    """Run `task` as the next attempt of a trial and return what it returns.

    Raises:
        AttemptTaken: another process runs this trial.
        TrialExited: the task called ``sys.exit`` with a failure.
        KeyboardInterrupt, Terminated: it was interrupted; the trial is cancelled.
        BaseException: whatever else the task raised, after it has been noted.
    """
    attempt = claim_attempt(place.trial_dir)
    paths = TrialPaths(place.trial_dir)
    logbook = Logbook(place.trial, place.trial_dir, attempt, place.sweep.objective)
    with (
        _environment(place, attempt),
        noted_signals() as signals,
        copied_output(paths.log(attempt, "out"), paths.log(attempt, "err")),
    ):
        value, error = None, None
        trial_log.enter(place.trial_dir, attempt)
        logbook.open()
        try:
            value = task()
            trial_log.log_returned(value)
        except BaseException as raised:  # noqa: BLE001 - the boundary of a trial: its end is noted, then told below
            error = raised
        trial_log.leave()
        ending = ending_of(error, signals)
        record = logbook.close(ending)
        _tell(record, error)
    if record.state is not TrialState.COMPLETED:
        _raise(record, error, signals)
    return value


@contextmanager
def _environment(place: TrialPlace, attempt: int) -> Iterator[None]:
    """Set the trial's variables, and put the whole environment back afterwards.

    The whole of it, because what a trial leaves there decides about the next one in the same process: after a
    distributed fit Lightning leaves LOCAL_RANK behind, and would take the next trial for a child.
    """
    before = dict(os.environ)
    os.environ.update(
        {
            trial_log.WORKSPACE: str(place.sweep_dir),
            trial_log.SWEEP_NAME: place.sweep.name,
            trial_log.TRIAL_ID: str(place.trial.number),
            trial_log.TRIAL_NAME: place.trial.name,
            trial_log.TRIAL_DIR: str(place.trial_dir),
            trial_log.ATTEMPT: str(attempt),
        }
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _tell(record: TrialRecord, error: BaseException | None) -> None:
    seconds = (record.ended or 0) - (record.started or 0)
    what = f"trial {record.number} ({record.name}) {record.state} after {seconds:.1f} s"
    if record.state is not TrialState.FAILED:
        log.info(what)
    elif record.cause is FailureCause.EXIT and record.error is not None:
        log.error("%s: %s", what, record.error.message)
    else:
        log.error("%s\n%s", what, record.error.traceback if record.error else error)


def _raise(record: TrialRecord, error: BaseException | None, signals: list[int]) -> NoReturn:
    if record.state is TrialState.CANCELLED:
        raise Terminated if signal.SIGTERM in signals else KeyboardInterrupt
    if record.cause is FailureCause.EXIT and record.error is not None:
        raise TrialExited(record.error.message) from None
    assert error is not None
    raise error


def find_place(sweep_dir: Path, overrides: list[str], trial_dir: Path) -> TrialPlace:
    """Return the trial of the sweep in `sweep_dir` that the job with these overrides is to run in `trial_dir`.

    A job knows its overrides under every launcher, while its number depends on how the launcher counts.
    """
    return TrialPlace(
        trial=find_planned(sweep_dir, overrides),
        sweep=SweepRecord.read(sweep_dir),
        sweep_dir=sweep_dir,
        trial_dir=trial_dir,
    )
