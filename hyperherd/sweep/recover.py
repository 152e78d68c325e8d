"""Recovering: the jobs that an earlier invocation left in a queue are awaited, never doubled and never forgotten."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from hyperherd.launch.base import JobHandle, TrialJob, TrialLauncher
from hyperherd.records.events import SUBMITTING, read_events, submitted_by_others
from hyperherd.sweep.reconcile import QueuedTrial, RunPlan, standing_of

log = logging.getLogger("hyperherd")


def recover(agenda: RunPlan, launcher: TrialLauncher, sweep_dir: Path) -> tuple[RunPlan, list[JobHandle]]:
    """Ask `launcher` for the queued trials of `agenda`.

    Returns:
        the agenda with those that it no longer has, and that are not done, among the trials to run; and handles of
        those that it goes on with, whose ends will come as its events.
    """
    ours = [queued for queued in agenda.queued if queued.launcher == launcher.name]
    _tell_left_alone([queued for queued in agenda.queued if queued.launcher != launcher.name])
    if not ours:
        return agenda, []
    adopted = launcher.adopt([*_noted(ours), *_found(ours, launcher, sweep_dir)])
    numbers = {handle.job.number for handle in adopted}
    gone = [queued.trial for queued in _not_of_others(ours, numbers, sweep_dir) if not queued.trial.orphan]
    again = {trial.number for trial in gone if not standing_of(sweep_dir, trial, ()).state.done}
    to_run = {trial.number for trial in agenda.to_run} | again
    return replace(agenda, to_run=tuple(trial for trial in agenda.trials if trial.number in to_run)), adopted


def _tell_left_alone(others: Sequence[QueuedTrial]) -> None:
    for launcher, count in Counter(queued.launcher for queued in others).items():
        log.warning(
            "%d trials are in the hands of %s since an earlier invocation, and left alone; run again with "
            "hydra/launcher=%s to await them, or cancel them with herd-results cancel",
            count,
            launcher,
            launcher,
        )


def _not_of_others(ours: Sequence[QueuedTrial], adopted: Set[int], sweep_dir: Path) -> list[QueuedTrial]:
    """Return those that are not adopted because they are gone; a scheduler does not let one user await another's."""
    missing = [queued for queued in ours if queued.trial.number not in adopted]
    foreign = submitted_by_others(sweep_dir) if missing else set()
    others = [queued.trial.number for queued in missing if (queued.trial.number, queued.batch or None) in foreign]
    if others:
        log.warning(
            "trials %s were submitted by another user, and no end of them is recorded: they are left alone. Who "
            "submitted them can go on with this sweep, or end them with herd-results cancel",
            ", ".join(map(str, others)),
        )
    return [queued for queued in missing if queued.trial.number not in others]


def _job(queued: QueuedTrial) -> TrialJob:
    return TrialJob(queued.trial.number, queued.attempt, queued.trial.overrides, queued.trial.resources)


def _noted(queued: Sequence[QueuedTrial]) -> list[JobHandle]:
    return [JobHandle(_job(one), one.job_id, one.batch) for one in queued if one.job_id is not None]


def _found(queued: Sequence[QueuedTrial], launcher: TrialLauncher, sweep_dir: Path) -> list[JobHandle]:
    """Return handles for trials of which only the intent was noted, and which the scheduler has all the same."""
    unnoted = {one.trial.number: one for one in queued if one.job_id is None}
    found: list[JobHandle] = []
    for name, jobs in _batches(unnoted, sweep_dir).items():
        found += [handle for handle in launcher.find(jobs, name) if handle.job.number in unnoted]
    return found


def _batches(unnoted: dict[int, QueuedTrial], sweep_dir: Path) -> dict[str, list[TrialJob]]:
    """Return the batches these trials belong to as they were submitted: whole, and in their order."""
    names = {one.batch for one in unnoted.values()}
    batches: dict[str, list[TrialJob]] = defaultdict(list)
    for event in read_events(sweep_dir):
        if event.event == SUBMITTING and event.job_name in names:
            known = unnoted.get(event.number)
            job = _job(known) if known else TrialJob(event.number, event.attempt, ())
            batches[str(event.job_name)].append(job)
    return batches
