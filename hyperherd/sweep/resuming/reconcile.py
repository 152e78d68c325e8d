"""Reconciling a plan with what its directory already holds: who keeps which number, and who is still to run."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.escape import one_line
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.clocks import FilesClock
from hyperherd.records.disk.files import read_json
from hyperherd.records.events import CONTINUED, POSTPONED, SUBMITTED, SUBMITTING, Event, read_events
from hyperherd.records.places import trial_dir_of
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, TrialStatus, derive_status
from hyperherd.records.sweep import PlannedTrial, SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.results.loading.load import load_trials
from hyperherd.sweep.planning.plan import UnnumberedTrial

IN_QUEUE = (TrialState.SUBMITTED, TrialState.RUNNING, TrialState.STALLED, TrialState.REQUEUED)
"""Where a trial stands whose job has not ended, as far as its records show."""

log = logging.getLogger("hyperherd")


GIVEN_UP = 900.0
"""Seconds of silence after which a stalled trial of another host is taken for dead, and run again."""


@dataclass(frozen=True)
class RunPlan:
    """All trials of a sweep in the order of their numbers, and which of them are to run now.

    Attributes:
        trials: planned ones and orphans, which an earlier invocation planned and this one does not.
        to_run: a part of `trials`.
        queued: trials whose jobs an earlier invocation left in a launcher's queue, and which have not ended.
        ended: trials of `to_run` whose last attempt has ended in a job that its scheduler may be running again.
        statuses: where each trial stood before this invocation, by number; empty for a new sweep.
        held: paused trials, which run on when they are among the best of their rung.
    """

    trials: tuple[PlannedTrial, ...]
    to_run: tuple[PlannedTrial, ...]
    queued: tuple[QueuedTrial, ...] = ()
    ended: tuple[QueuedTrial, ...] = ()
    statuses: Mapping[int, TrialStatus] = field(default_factory=dict)
    held: tuple[PlannedTrial, ...] = ()


@dataclass(frozen=True)
class QueuedTrial:
    """A trial whose job was, or was to be, put in a queue that outlives the sweep.

    Attributes:
        trial: which.
        attempt: which execution of it.
        launcher: whose queue.
        batch: the name of the batch it was submitted in, and of its jobs.
        job_id: the scheduler's; None if the sweep ended before it could be noted.
        cluster: the name of the cluster whose queue it is; None if it is not on record.
    """

    trial: PlannedTrial
    attempt: int
    launcher: str
    batch: str
    job_id: str | None
    cluster: str | None = None


def reconcile(sweep_dir: Path, drafts: Sequence[UnnumberedTrial], *, holds_paused: bool = False) -> RunPlan:
    """Number `drafts`: a trial the directory knows keeps its number, others get the next ones in their order.

    Args:
        sweep_dir: absolute.
        drafts: what is to be tried.
        holds_paused: whether a paused trial runs on only if its place at its rung says so; else it is to run.
    """
    problems: list[str] = []
    known = _with_directories(sweep_dir, read_planned(sweep_dir, problems))
    for problem in problems:
        log.warning("%s; the trial is planned anew", one_line(problem))
    numbered = {trial.key: trial for trial in known}
    following = max((trial.number for trial in known), default=-1) + 1
    planned = set()
    for draft in drafts:
        before = numbered.get(draft.key)
        number = before.number if before else following
        following += before is None
        planned.add(draft.key)
        # With the overrides of now: the same values may be written in another way than at the last start.
        numbered[draft.key] = PlannedTrial(
            number,
            draft.key,
            draft.name,
            draft.overrides,
            draft.params,
            dir=before.dir if before else None,
            resources=draft.resources,
            asked=draft.asked,
        )
    trials = sorted(
        (replace(trial, orphan=trial.key not in planned) for trial in numbered.values()), key=lambda trial: trial.number
    )
    # A new sweep: there are no events to read and no directories to look into.
    if not known:
        return RunPlan(tuple(trials), tuple(trials))
    return _run_plan(sweep_dir, trials, holds_paused=holds_paused)


def _run_plan(sweep_dir: Path, trials: list[PlannedTrial], *, holds_paused: bool) -> RunPlan:
    events = events_by_trial(sweep_dir)
    observer = Observer(is_held=False)  # this sweep holds it, and no earlier one
    clock = FilesClock(SweepPaths(sweep_dir).records)
    statuses = {trial.number: status_of(sweep_dir, trial, events[trial.number], observer, clock) for trial in trials}
    to_run, queued, ended, held = [], [], [], []
    for trial in trials:
        status, job = statuses[trial.number], queued_job(trial, events[trial.number])
        # An orphan's job as well: it is still in the queue, and its end has to be noted. And one that was only to be
        # submitted: the sweep may have died before it could note that it was.
        if job is not None and status.state in (*IN_QUEUE, TrialState.WAITING):
            queued.append(job)
        elif holds_paused and status.state is TrialState.PAUSED:
            held += [] if trial.orphan else [trial]
        elif not trial.orphan and _is_to_run(status):
            to_run.append(trial)
            if job is not None and may_be_requeued(job, status, events[trial.number]):
                ended.append(job)
    return RunPlan(tuple(trials), tuple(to_run), tuple(queued), tuple(ended), statuses, tuple(held))


def may_be_requeued(job: QueuedTrial, status: TrialStatus, events: Sequence[Event]) -> bool:
    """Return whether a scheduler may be running a job again whose attempt has ended: nobody saw the job's end."""
    if job.job_id is None or status.state.done:
        return False
    return not any(event.verdict and event.event != "lost" for event in events if event.attempt >= job.attempt)


def last_restart(sweep_dir: Path, trial: PlannedTrial, attempt: int) -> int | None:
    """Return how often the job of an attempt had been restarted when that began; None if it is not on record."""
    if trial.dir is None:
        return None
    try:
        claim = read_json(TrialPaths(sweep_dir / trial.dir).attempts / str(attempt))
    except (OSError, FormatError):
        return None
    restart = claim.get("restart")
    return restart if type(restart) is int else None


def events_by_trial(sweep_dir: Path) -> Mapping[int, list[Event]]:
    """Return the events about each trial, by number, in their order."""
    events = defaultdict(list)
    for event in read_events(sweep_dir):
        events[event.number].append(event)
    return events


def continued(events: Sequence[Event]) -> Mapping[int, list[Event]]:
    """Return which ends of trials somebody has taken back, by number."""
    found = defaultdict(list)
    for event in events:
        if event.event == CONTINUED:
            found[event.number].append(event)
    return found


def queued_job(trial: PlannedTrial, events: Sequence[Event]) -> QueuedTrial | None:
    """Return the last job of `trial` that was put in a queue; what it was called comes before what its id is."""
    last = max((place for place, event in enumerate(events) if event.event == SUBMITTING), default=None)
    if last is None or events[last].launcher is None:
        return None
    # The queue did not take it; or its job has ended, and the next one is to be put there.
    if any(event.event in (POSTPONED, CONTINUED) for event in events[last:]):
        return None
    intent = events[last]
    # An id noted before the last intent is that of an earlier attempt's job.
    submitted = [event for event in events[last:] if event.event == SUBMITTED]
    found = submitted[-1].job_id if submitted else None
    # While a scheduler does not answer the name of its cluster is not known; it is when it has taken the job.
    cluster = intent.cluster or (submitted[-1].cluster if submitted else None)
    return QueuedTrial(trial, intent.attempt, str(intent.launcher), intent.job_name or "", found, cluster)


def check_cluster(queued: Sequence[QueuedTrial], here: str) -> None:
    """Check that jobs are those of the cluster whose commands are here: on another one their ids are other jobs.

    Args:
        queued: that would be awaited or cancelled.
        here: the name of the cluster; empty if it is not known.

    Raises:
        SweepError: some were submitted to another one.
    """
    for there in {one.cluster for one in queued} - {None, here} if here else ():
        numbers = ", ".join(str(one.trial.number) for one in queued if one.cluster == there)
        raise SweepError(
            f"trials {numbers} were submitted to the cluster {there!r} and have not ended, but the scheduler's "
            f"commands here are those of the cluster {here!r}; give the command where those of {there!r} are in force "
            "(SLURM_CONF, LSF_ENVDIR, PATH)"
        )


def _is_to_run(status: TrialStatus) -> bool:
    """Return whether a trial is to be run: it is not done, and not still at it either."""
    if status.state is TrialState.STALLED:
        return status.silent > GIVEN_UP
    return not status.state.done and status.state is not TrialState.RUNNING


def _with_directories(sweep_dir: Path, trials: list[PlannedTrial]) -> list[PlannedTrial]:
    """Return trials whose directory only their launcher named with the one that was found to hold them."""
    if all(trial.dir is not None for trial in trials):
        return trials
    found = {trial.key: trial.dir for trial in load_trials([sweep_dir]) if trial.dir is not None}
    return [
        replace(trial, dir=os.path.relpath(found[trial.key], sweep_dir))
        if trial.dir is None and trial.key in found
        else trial
        for trial in trials
    ]


def status_of(
    sweep_dir: Path,
    trial: PlannedTrial,
    events: Sequence[Event],
    observer: Observer | None = None,
    clock: FilesClock | None = None,
) -> TrialStatus:
    """Return where `trial` stands, from its directory and its events.

    Args:
        sweep_dir: absolute.
        trial: which.
        events: all about it, in their order.
        observer: who asks; without one its sweep runs.
        clock: by which it is judged whether it is silent; without one, by the clock of its host.
    """
    record, silent = None, None
    if trial.dir is not None:
        try:
            directory = trial_dir_of(sweep_dir, trial.dir, trial.number)
            record = TrialRecord.read(directory)
            silent = clock.since(TrialPaths(directory).trial.stat().st_mtime) if clock else None
        except FileNotFoundError:
            # It never started, or its directory is gone: the events decide.
            pass
        except (FormatError, OSError) as error:
            return TrialStatus(TrialState.UNREADABLE, reason=str(error))
    return derive_status(record, events, observer or Observer(), silent)


def beats_of(sweep_dir: Path, trial: PlannedTrial, attempt: int) -> int | None:
    """Return how many signs of life an attempt has given; None if it has not begun, or its record cannot be read."""
    if trial.dir is None:
        return None
    try:
        record = TrialRecord.read(trial_dir_of(sweep_dir, trial.dir, trial.number))
    except (FormatError, OSError):
        return None
    return record.beats if record.attempt == attempt else None


def check_base(sweep_dir: Path, base: dict[str, Any], *, allow_drift: bool = False) -> SweepRecord | None:
    """Return the record of the sweep that `sweep_dir` holds, or None if it holds none.

    Raises:
        SweepError: it is a sweep of another script, or with other fixed overrides, and drift is not allowed.
    """
    if not SweepPaths(sweep_dir).sweep.exists():
        return None
    record = SweepRecord.read(sweep_dir)
    if record.base.get("hash") == base["hash"]:
        return record
    drift = f"{sweep_dir} contains a different sweep: {_describe(record.base)} there, {_describe(base)} here."
    if allow_drift:
        log.warning("%s Mixing them because hydra.sweeper.allow_drift=true.", drift)
        return record
    raise SweepError(
        f"{drift} Their trials cannot be compared. Choose another hydra.sweep.dir, run the command it was "
        f"started with, or set hydra.sweeper.allow_drift=true."
    )


def _describe(base: dict[str, Any]) -> str:
    if not base.get("command"):
        return "a command that is not on record"
    return f"`{' '.join(base['command'])}` with {' '.join(base.get('overrides', ())) or 'no fixed overrides'}"
