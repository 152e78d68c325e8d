"""Recovering: the jobs that an earlier invocation left in a queue are awaited, never doubled and never forgotten."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.plural import counted
from hyperherd.records.events import SUBMITTING, Event, EventLog, read_events, submitted_by_others
from hyperherd.records.workers.ledger import Roster
from hyperherd.records.workers.queue import is_in_queue, withdraw
from hyperherd.sweep.resuming.reconcile import (
    QueuedTrial,
    RunPlan,
    beats_of,
    check_cluster,
    continued,
    last_restart,
    status_of,
)

log = logging.getLogger("hyperherd")


def recover(run_plan: RunPlan, launcher: TrialLauncher, sweep_dir: Path) -> tuple[RunPlan, list[JobHandle]]:
    """Ask `launcher` for the queued trials of `run_plan`.

    Returns:
        the run plan with those that it no longer has, and that are not done, among the trials to run; and handles of
        those that it still has, whose ends will come as its events.
    """
    ours = [queued for queued in run_plan.queued if queued.launcher == launcher.name]
    ended = [one for one in run_plan.ended if one.launcher == launcher.name]
    here = launcher.awaited_cluster() if ours or ended else ""
    check_cluster(ours, here)
    if ours and not launcher.awaits_workers:
        _leave_workers(ours, launcher, sweep_dir)
    again = _requeued([one for one in ended if one.cluster in (None, here)], run_plan, launcher, sweep_dir)
    _report_left_alone([queued for queued in run_plan.queued if queued.launcher != launcher.name])
    adopted = launcher.adopt([*_noted(ours), *_found(ours, launcher, sweep_dir), *again]) if ours or again else []
    _note_ends(launcher.past_ends, run_plan, sweep_dir)
    numbers = {handle.job.number for handle in adopted}
    gone = [queued.trial for queued in _not_of_others(ours, numbers, sweep_dir) if not queued.trial.orphan]
    # By the trial's own record, unless somebody had it run on: the events still call it submitted.
    back = continued(read_events(sweep_dir)) if gone else {}
    lost = {one.number for one in gone if not status_of(sweep_dir, one, back.get(one.number, ())).state.done}
    to_run = ({trial.number for trial in run_plan.to_run} | lost) - numbers
    return replace(run_plan, to_run=tuple(trial for trial in run_plan.trials if trial.number in to_run)), adopted


def _leave_workers(ours: Sequence[QueuedTrial], launcher: TrialLauncher, sweep_dir: Path) -> None:
    """Take trials from the queue of an earlier sweep's workers, for a launcher that knows of none.

    Raises:
        SweepError: workers run some of them; they would run twice.
    """
    roster = Roster(sweep_dir)
    roster.news()
    running = {attempt.number for attempt, worker in roster.running.items() if not roster.is_dead(worker)}
    numbers = [
        one.trial.number
        for one in ours
        if one.trial.number in running and one.job_id is None and is_in_queue(sweep_dir, one.batch)
    ]
    if numbers:
        raise SweepError(
            f"workers run trials {', '.join(map(str, numbers))} of {sweep_dir}, which {launcher.name} cannot await "
            "without hydra.launcher.workers; set it, or end them with herd-results cancel"
        )
    withdraw(sweep_dir)


def _note_ends(ends: Sequence[JobEnd], run_plan: RunPlan, sweep_dir: Path) -> None:
    """Note how trials ended that could not record it, while no sweep watched: they run again, and the cause is kept."""
    verdicts = []
    trials = {trial.number: trial for trial in run_plan.trials}
    for end in ends:
        number = end.handle.job.number
        status = run_plan.statuses[number]
        if not status.state.ended:
            attempt = max(status.attempt, end.handle.job.attempt)
            verdict = Event(str(end.verdict), number, attempt, job_id=end.handle.job_id, message=end.reason)
            verdicts.append(replace(verdict, beats=beats_of(sweep_dir, trials[number], attempt)))
    EventLog(sweep_dir).write(verdicts)


def _requeued(
    ended: Sequence[QueuedTrial], run_plan: RunPlan, launcher: TrialLauncher, sweep_dir: Path
) -> list[JobHandle]:
    """Return handles of trials that would run again, and that their scheduler runs again by itself."""
    attempts = {one.trial.number: run_plan.statuses[one.trial.number].attempt for one in ended}
    restarts = {one.trial.number: last_restart(sweep_dir, one.trial, attempts[one.trial.number]) for one in ended}
    known = {number: restart for number, restart in restarts.items() if restart is not None}
    return launcher.requeued(_noted(ended), known)


def _report_left_alone(others: Sequence[QueuedTrial]) -> None:
    for launcher, count in Counter(queued.launcher for queued in others).items():
        log.warning(
            "left untouched: %s submitted earlier through %s, still queued or running; run again with "
            "hydra/launcher=%s to wait for completion, or cancel with herd-results cancel",
            counted(count, "trial"),
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
            "left untouched: trials %s, which another user submitted and whose ends are not recorded; that user can "
            "resume this sweep, or cancel them with herd-results cancel",
            ", ".join(map(str, others)),
        )
    return [queued for queued in missing if queued.trial.number not in others]


def _job(queued: QueuedTrial) -> TrialJob:
    return TrialJob(queued.trial.number, queued.attempt, queued.trial.overrides, queued.trial.resources)


def _noted(queued: Sequence[QueuedTrial]) -> list[JobHandle]:
    return [JobHandle(_job(one), one.job_id, one.batch) for one in queued if one.job_id is not None]


def _found(queued: Sequence[QueuedTrial], launcher: TrialLauncher, sweep_dir: Path) -> list[JobHandle]:
    """Return handles for trials of which only the intent was noted, and which the scheduler does have."""
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
            # Those that have ended too: a trial's place in the batch is what finds its job.
            job = _job(known) if known else TrialJob(event.number, event.attempt, ())
            batches[str(event.job_name)].append(job)
    return batches
