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
from hyperherd.paths import SweepPaths
from hyperherd.records.events import SUBMITTED, SUBMITTING, Event, read_events
from hyperherd.records.places import trial_dir_of
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, TrialStatus, derive_status
from hyperherd.records.sweep import PlannedTrial, SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.results.api import load
from hyperherd.sweep.planning.plan import UnnumberedTrial

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
        statuses: where each trial stood before this invocation, by number; empty for a new sweep.
    """

    trials: tuple[PlannedTrial, ...]
    to_run: tuple[PlannedTrial, ...]
    queued: tuple[QueuedTrial, ...] = ()
    statuses: Mapping[int, TrialStatus] = field(default_factory=dict)


@dataclass(frozen=True)
class QueuedTrial:
    """A trial whose job was, or was to be, put in a queue that outlives the sweep.

    Attributes:
        trial: which.
        attempt: which execution of it.
        launcher: whose queue.
        batch: the name of the batch it was submitted in, and of its jobs.
        job_id: the scheduler's; None if the sweep ended before it could be noted.
    """

    trial: PlannedTrial
    attempt: int
    launcher: str
    batch: str
    job_id: str | None


def reconcile(sweep_dir: Path, drafts: Sequence[UnnumberedTrial]) -> RunPlan:
    """Number `drafts`: a trial the directory knows keeps its number, others get the next ones in their order."""
    known = _with_directories(sweep_dir, read_planned(sweep_dir))
    numbered = {trial.key: trial for trial in known}
    following = max((trial.number for trial in known), default=-1) + 1
    planned = set()
    for draft in drafts:
        before = numbered.get(draft.key)
        number = before.number if before else following
        following += before is None
        planned.add(draft.key)
        numbered[draft.key] = PlannedTrial(
            number,
            draft.key,
            draft.name,
            draft.overrides,
            draft.params,
            dir=before.dir if before else None,
            resources=draft.resources,
        )
    trials = sorted(
        (replace(trial, orphan=trial.key not in planned) for trial in numbered.values()), key=lambda trial: trial.number
    )
    if not known:
        return RunPlan(tuple(trials), tuple(trials))
    return _run_plan(sweep_dir, trials)


def _run_plan(sweep_dir: Path, trials: list[PlannedTrial]) -> RunPlan:
    events = events_by_trial(sweep_dir)
    statuses = {trial.number: status_of(sweep_dir, trial, events[trial.number]) for trial in trials}
    to_run, queued = [], []
    for trial in trials:
        status, job = statuses[trial.number], queued_job(trial, events[trial.number])
        # An orphan's job as well: it is still in the queue, and its end has to be noted.
        if job is not None and status.state in (TrialState.SUBMITTED, TrialState.RUNNING, TrialState.STALLED):
            queued.append(job)
        elif not trial.orphan and _is_to_run(status):
            to_run.append(trial)
    return RunPlan(tuple(trials), tuple(to_run), tuple(queued), statuses)


def events_by_trial(sweep_dir: Path) -> Mapping[int, list[Event]]:
    """Return the events about each trial, by number, in their order."""
    events = defaultdict(list)
    for event in read_events(sweep_dir):
        events[event.number].append(event)
    return events


def queued_job(trial: PlannedTrial, events: Sequence[Event]) -> QueuedTrial | None:
    """Return the last job of `trial` that was put in a queue; what it was called comes before what its id is."""
    last = max((place for place, event in enumerate(events) if event.event == SUBMITTING), default=None)
    if last is None or events[last].launcher is None:
        return None
    intent = events[last]
    # An id noted before the last intent is that of an earlier attempt's job.
    ids = [event.job_id for event in events[last:] if event.event == SUBMITTED]
    return QueuedTrial(trial, intent.attempt, str(intent.launcher), intent.job_name or "", ids[-1] if ids else None)


def _is_to_run(status: TrialStatus) -> bool:
    """Return whether a trial is to be run: it is not done, and not still at it either."""
    if status.state is TrialState.STALLED:
        return status.silent > GIVEN_UP
    return not status.state.done and status.state is not TrialState.RUNNING


def _with_directories(sweep_dir: Path, trials: list[PlannedTrial]) -> list[PlannedTrial]:
    """Return trials whose directory only their launcher named with the one that was found to hold them."""
    if all(trial.dir is not None for trial in trials):
        return trials
    found = {trial.key: trial.dir for trial in load(sweep_dir) if trial.dir is not None}
    return [
        replace(trial, dir=os.path.relpath(found[trial.key], sweep_dir))
        if trial.dir is None and trial.key in found
        else trial
        for trial in trials
    ]


def status_of(sweep_dir: Path, trial: PlannedTrial, events: Sequence[Event]) -> TrialStatus:
    """Return where `trial` stands, from its directory and its events."""
    record = None
    if trial.dir is not None:
        try:
            record = TrialRecord.read(trial_dir_of(sweep_dir, trial.dir, trial.number))
        except FileNotFoundError:
            pass
        except (FormatError, OSError) as error:
            return TrialStatus(TrialState.UNREADABLE, reason=str(error))
    return derive_status(record, events, Observer())


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
