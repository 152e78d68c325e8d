"""Ending trials of workers while no sweep runs: each worker finds the request, and goes on with its other trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hyperherd.launch.cluster.base import Cluster
from hyperherd.launch.commands import Outage
from hyperherd.paths import SweepPaths
from hyperherd.records.events import Event, EventLog
from hyperherd.records.job_ids import is_batch_name
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.workers.ledger import Roster
from hyperherd.records.workers.queue import Attempt, ask_to_end, is_in_queue
from hyperherd.sweep.resuming.reconcile import IN_QUEUE, QueuedTrial, events_by_trial, status_of
from hyperherd.trial.attempts import next_attempt

_LOOK = 0.5


def of_workers(
    sweep_dir: Path, trials: Sequence[PlannedTrial], jobs: Mapping[int, QueuedTrial | None]
) -> list[PlannedTrial]:
    """Return those of these trials that a worker runs, or that are in the queue of workers."""
    running = _running(sweep_dir)
    return [trial for trial in trials if trial.number in running or _waits(sweep_dir, jobs[trial.number])]


def _waits(sweep_dir: Path, job: QueuedTrial | None) -> bool:
    return job is not None and job.job_id is None and is_in_queue(sweep_dir, job.batch)


def _running(sweep_dir: Path) -> set[int]:
    roster = Roster(sweep_dir)
    roster.news()
    return {attempt.number for attempt in roster.running}


def end_in_workers(sweep_dir: Path, trials: Sequence[PlannedTrial], message: str, patience: float) -> set[int]:
    """Ask workers to end trials, and return the numbers of those that still run after some time.

    Args:
        sweep_dir: of the sweep.
        trials: which.
        message: noted about those that had not begun.
        patience: seconds that the others get.
    """
    running = _running(sweep_dir)
    following = {trial.number: next_attempt(sweep_dir / str(trial.dir)) for trial in trials}
    for number, attempt in following.items():
        # Both where it runs: it may end at this moment, and the next attempt be put in the queue.
        for one in {max(attempt - 1, 0), attempt} if number in running else {attempt}:
            ask_to_end(sweep_dir, Attempt(number, one))
    meant = [trial for trial in trials if trial.number in running]
    deadline = time.monotonic() + patience
    while (living := _living(sweep_dir, meant)) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    EventLog(sweep_dir).write(
        Event("cancelled", number, attempt, message=message)
        for number, attempt in following.items()
        if number not in running
    )
    return living


def _living(sweep_dir: Path, trials: Sequence[PlannedTrial]) -> set[int]:
    """Return the numbers of those of these trials that a worker runs."""
    if not trials:
        return set()
    events, running = events_by_trial(sweep_dir), _running(sweep_dir)
    states = {trial.number: status_of(sweep_dir, trial, events[trial.number]).state for trial in trials}
    return {number for number, state in states.items() if number in running and state in IN_QUEUE}


def dismiss_workers(sweep_dir: Path, cluster: Cluster, outage: Outage) -> None:
    """Cancel the jobs of workers that have not begun; to be called when nothing is left in their queue."""
    for path in (SweepPaths(sweep_dir).workers / "jobs").glob("*.json"):
        if not is_batch_name(path.stem):
            continue
        ids = outage.wait_for(partial(cluster.find, path.stem), cluster.name)
        states = outage.wait_for(partial(cluster.query, ids), cluster.name) if ids else {}
        if pending := sorted(job_id for job_id, state in states.items() if state.phase == "pending"):
            outage.wait_for(partial(cluster.cancel, pending, path.stem), cluster.name)
