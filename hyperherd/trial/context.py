"""The trial context: what surrounds the task function in a job, whichever launcher started it.

The order matters: the attempt is claimed before anything is written, output is copied before user code can print, and
the last state is written when everything else about the trial is on the disk.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hyperherd.errors import TrialPruned
from hyperherd.escape import one_line
from hyperherd.paths import TrialPaths
from hyperherd.pruning.of_sweep import judge_of, note_completed
from hyperherd.records.config import config_hash
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, find_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log
from hyperherd.trial.alerts import report_news
from hyperherd.trial.attempts import claim_attempt, scheduler_job
from hyperherd.trial.ending import Ending, TrialFailed, ending_of, raised_while_it_ended
from hyperherd.trial.isolation import restored_process_state
from hyperherd.trial.kept_config import chosen_groups, keep_config, written_config
from hyperherd.trial.logbook import Logbook
from hyperherd.trial.memory_kills import group_memory_kills
from hyperherd.trial.notes import TRAINING, note
from hyperherd.trial.output import copied_output
from hyperherd.trial.process_state import restored_streams
from hyperherd.trial.repeated_errors import log_error
from hyperherd.trial.signals import held_back, interruption, noted_signals
from hyperherd.trial.stopping.watch import standing_verdict
from hyperherd.trial.unobserved import unobserved_trainer

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("hyperherd")


@dataclass(frozen=True)
class TrialPlace:
    """Which trial is to run, and where."""

    trial: PlannedTrial
    sweep: SweepRecord
    sweep_dir: Path
    trial_dir: Path


def run_in_context(
    place: TrialPlace,
    config: DictConfig,
    task: Callable[[], Any],
    attempt: int | None = None,
    is_requeued: Callable[[], bool] = lambda: False,
    *,
    is_claimed: bool = False,
) -> Any:
    """Run `task` as an attempt of a trial and return what it returns.

    Args:
        place: which trial, and where.
        config: what it runs with, without Hydra's own; the trial keeps it.
        task: what it does.
        attempt: which execution this is meant to be; None for the next.
        is_requeued: called when the trial was asked to end: whether a scheduler is going to run its job again.
        is_claimed: whether this process' parent, a worker, has claimed the attempt for it.

    Raises:
        AttemptTaken: the trial is running or done, or that attempt was run.
        TrialFailed: the task called ``sys.exit`` with a failure, or raised something that is not an ``Exception``.
        KeyboardInterrupt, Terminated: it was interrupted; the trial is cancelled.
        Exception: whatever else the task raised, after it has been noted.
    """
    if attempt is None or not is_claimed:
        of_sweep = place.sweep_dir, place.trial.number
        attempt = claim_attempt(place.trial_dir, place.trial.key, attempt, of_sweep=of_sweep)
    logbook = Logbook(place.trial, place.trial_dir, attempt, place.sweep, place.sweep_dir)
    keep_config(config, place.trial_dir)  # before there are threads, because it may fork
    logbook.open(choices=chosen_groups(), config_hash=hash_of(place, config))
    paths = TrialPaths(place.trial_dir)
    with (
        noted_signals() as signals,
        restored_streams(),  # once more behind the copy, for a trial may have closed the copy's descriptors
        copied_output(paths.log(attempt, "out"), paths.log(attempt, "err")),
    ):
        outcome = _run(place, task, attempt, signals, logbook)
        with held_back() as late:  # the attempt has ended; a signal is for those after it
            trial_log.leave()
            ending = outcome.ending
            if ending.state is TrialState.CANCELLED and is_requeued():
                ending = replace(ending, requeued=True)
            if ending.state is TrialState.COMPLETED:
                # Before the record: killed in between it runs again, while a mark that is missing would never come.
                note_completed(place.sweep, place.sweep_dir, place.trial.number)
            record = logbook.close(ending)
        _log_end(record)
        if record.stop_reason and (also := raised_while_it_ended(outcome.error)):
            log.warning("trial %d (%s): while it ended: %s", record.number, record.name, one_line(also))
        report_news(place.trial_dir)
    if late and record.state is not TrialState.CANCELLED:
        raise interruption(late)
    if record.state is not TrialState.COMPLETED and not record.stop_reason:
        _raise(record, outcome.error, signals)
    return outcome.value


def ends_at_once(place: TrialPlace, attempt: int) -> bool:
    """Return whether an attempt ends before its task is called; a further rank of it must not wait for the first."""
    number = place.trial.number
    if standing_verdict(place.sweep_dir, number, attempt) is not None:
        return True
    judge = judge_of(place.sweep_dir, number, place.trial_dir, attempt) if place.sweep.pruner is not None else None
    return judge is not None and judge.verdict is not None


@dataclass(frozen=True)
class _Outcome:
    """What became of a task, and how the attempt ended as it looked at that moment."""

    value: Any
    error: BaseException | None
    ending: Ending


def _run(place: TrialPlace, task: Callable[[], Any], attempt: int, signals: list[int], logbook: Logbook) -> _Outcome:
    """Run the task in a process that is then as it was; whatever it raised is returned."""
    value, error, owner, kills = None, None, os.getpid(), group_memory_kills()
    with restored_process_state():
        os.environ.update(variables(place, attempt))
        of_sweep = place.sweep_dir, place.trial.number
        is_judged = place.sweep.pruner is not None
        stopping = trial_log.enter(place.trial_dir, attempt, of_sweep=of_sweep, is_judged=is_judged).stopping
        try:
            if standing := standing_verdict(*of_sweep, attempt) or stopping.verdict:
                stopping.decide(standing)
                raise TrialPruned(stopping.tell().reason)
            value = task()
            _note_unobserved()
            trial_log.log_returned(value)
        except BaseException as raised:  # noqa: BLE001 - the boundary of a trial: its end is recorded, then reported below
            error = raised
        # At once: a signal that comes later takes nothing away from an error that was there before.
        told, elsewhere = logbook.told()
        ending = _with_cause(ending_of(error, signals, told, elsewhere=elsewhere), kills)
        if os.getpid() != owner:
            _end_forked_child(error, ending)
    return _Outcome(value, error, ending)


def _with_cause(ending: Ending, kills_before: int | None) -> Ending:
    """Return how the attempt ended: memory ran out if the kernel killed processes of its job before the error.

    Outside of a scheduler's job the cgroup is not the trial's alone.
    """
    if ending.cause not in (FailureCause.EXCEPTION, FailureCause.EXIT) or kills_before is None or not scheduler_job():
        return ending
    return replace(ending, cause=FailureCause.OOM) if (group_memory_kills() or 0) > kills_before else ending


def _note_unobserved() -> None:
    """Note which framework has trained, if nothing at all was logged: the sweep then ends with a hint."""
    current = trial_log.entered_trial()
    if current is not None and not current.writer.has_begun and (framework := unobserved_trainer()):
        note(TRAINING, {"trainer": framework, "observed": False})


def hash_of(place: TrialPlace, config: DictConfig) -> str:
    """Return the hash of the config that a trial runs with (docs/format.md, `config_hash`)."""
    trial = place.trial
    params = [name for name in trial.params if name not in chosen_groups()]
    return config_hash(written_config(config), params, (str(place.trial_dir), str(place.sweep_dir), trial.name))


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


def _end_forked_child(error: BaseException | None, ending: Ending) -> NoReturn:
    """End a process that the task forked and did not end: the trial, and the sweep behind it, are its parent's."""
    if ending.error is not None and ending.cause is not FailureCause.EXIT:
        with suppress(Exception):  # user code may have put anything into sys.stderr
            sys.stderr.write(ending.error.traceback)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # as above
            stream.flush()
    # Without what is registered with atexit, which is the parent's to do.
    code = ending.exit_code if ending.exit_code is not None else int(error is not None and not ending.stop_reason)
    os._exit(code & 0xFF)


def _log_end(record: TrialRecord) -> None:
    seconds = (record.ended or 0) - (record.started or 0)
    what = f"trial {record.number} ({record.name}) {record.state} after {seconds:.1f} s"
    if record.stop_reason:
        log.info("%s: %s", what, one_line(record.stop_reason))
    elif record.state is not TrialState.FAILED or record.error is None:
        log.info(what)
    elif record.cause is FailureCause.EXIT:
        log.error("%s: %s", what, one_line(record.error.message))
    else:
        log_error(what, record.error, record.number, str(record.sweep))


def _raise(record: TrialRecord, error: BaseException | None, signals: list[int]) -> NoReturn:
    if record.state is TrialState.CANCELLED:
        raise interruption(signals)
    assert error is not None
    if issubclass(type(error), Exception):
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
