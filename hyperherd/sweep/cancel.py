"""Cancelling trials of a sweep from outside: through the sweep while it runs, else by the scheduler's own command."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hyperherd.errors import NothingFound, SweepError
from hyperherd.launch.cluster.base import Cluster, place_in_array
from hyperherd.launch.commands import Outage
from hyperherd.paths import SweepPaths
from hyperherd.records.events import SUBMITTING, Event, EventLog, read_events
from hyperherd.records.job_ids import is_batch_name, same_job
from hyperherd.records.lock import LockHolder, lock_holder
from hyperherd.records.places import check_records_inside
from hyperherd.records.requests import ask_to_cancel, is_heeded
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, TrialStatus
from hyperherd.records.sweep import PlannedTrial, read_planned
from hyperherd.results.api import load
from hyperherd.schedulers import find_scheduler
from hyperherd.sweep.resuming.reconcile import (
    IN_QUEUE,
    QueuedTrial,
    beats_of,
    check_cluster,
    events_by_trial,
    last_restart,
    may_be_requeued,
    queued_job,
    status_of,
)
from hyperherd.sweep.working.ending import dismiss_workers, end_in_workers, of_workers

PENDING = "pending"
_MESSAGE = "cancelled by herd-results cancel"
_NOT_YET = "nothing more is cancelled until it answers"
_PATIENCE = 60.0
"""Seconds until whoever was asked must have reacted."""
_ASKED_AGAIN = 10.0
"""Seconds after which a job that still runs is cancelled again."""


@dataclass(frozen=True)
class Cancelled:
    """What came of it.

    Attributes:
        numbers: of the trials that were cancelled, and do not run any more.
        passed_over: of those that were meant and have ended already, or never started.
        asked: of those whose end was asked for, and that still run as far as is known.
    """

    numbers: tuple[int, ...]
    passed_over: tuple[int, ...]
    asked: tuple[int, ...] = ()


def cancel(sweep_dir: Path, only: str | Set[int | str] | None = None) -> Cancelled:
    """Cancel trials of the sweep in `sweep_dir`.

    Args:
        sweep_dir: of one of our sweeps.
        only: ``pending`` for those that have not started, or numbers and ids of jobs; None for all.

    Raises:
        NothingFound: there is no sweep, or it has no such trial or job.
        Outside: the sweep's files lead elsewhere.
        SweepError: nothing that could do it can be reached; the message explains what can be done by hand.
    """
    if not SweepPaths(sweep_dir).sweep.exists():
        raise NothingFound(f"{sweep_dir} does not contain a sweep; give the directory of a sweep")
    check_records_inside(sweep_dir)
    planned = read_planned(sweep_dir)
    events = events_by_trial(sweep_dir)
    wanted = only if isinstance(only, str | None) else _numbers(sweep_dir, only, events)
    if not isinstance(wanted, str | None) and (unknown := wanted - {trial.number for trial in planned}):
        raise NothingFound(
            f"{sweep_dir} has no trial {', '.join(map(str, sorted(unknown)))}; herd-results lists its trials"
        )
    holder = lock_holder(sweep_dir)
    observer = Observer(is_held=holder is not None)
    statuses = {trial.number: status_of(sweep_dir, trial, events[trial.number], observer) for trial in planned}
    meant = [trial for trial in planned if _is_meant(trial, statuses[trial.number], wanted)]
    jobs = {trial.number: queued_job(trial, events[trial.number]) for trial in meant}
    alive = [trial for trial in meant if _is_alive(statuses[trial.number].state, holder, jobs[trial.number])]
    ended = [trial for trial in meant if trial not in alive]
    again = set() if holder is not None else _run_again(sweep_dir, ended, statuses, events)
    alive = [trial for trial in meant if trial not in ended or trial.number in again]
    asked: Collection[int] = ()
    if alive and holder is not None:
        asked = _ask_the_sweep(sweep_dir, alive, holder)
    elif alive:
        in_workers = of_workers(sweep_dir, alive, jobs)
        others = [trial for trial in alive if trial not in in_workers]
        asked = end_in_workers(sweep_dir, in_workers, _MESSAGE, _PATIENCE) if in_workers else ()
        if in_workers and only is None:
            _dismiss(sweep_dir, {job.launcher for trial in in_workers if (job := jobs[trial.number])})
        if others:
            asked = {*asked, *_ask_the_schedulers(sweep_dir, others, [jobs[one.number] for one in others], statuses)}
    numbers = [trial.number for trial in alive]
    passed_over = tuple(trial.number for trial in meant if trial.number not in numbers)
    return Cancelled(tuple(number for number in numbers if number not in asked), passed_over, tuple(sorted(asked)))


def _dismiss(sweep_dir: Path, launchers: Collection[str]) -> None:
    """Cancel the workers that have not begun, now that nothing is left for them."""
    for launcher in launchers:
        with suppress(SweepError):  # its commands are not here: the workers find nothing to do, and end
            cluster = _cluster(launcher)
            dismiss_workers(sweep_dir, cluster, Outage(_NOT_YET))


def _numbers(sweep_dir: Path, only: Set[int | str], events: Mapping[int, Sequence[Event]]) -> set[int]:
    """Return the numbers of trials that are given by number or by the id of a job."""
    numbers = {item for item in only if isinstance(item, int)}
    for job_id in (item for item in only if isinstance(item, str)):
        found = {number for number, own in events.items() if any(same_job(job_id, event.job_id) for event in own)}
        # A launcher of others leaves no event about its jobs; the trial's own record has the id.
        known = load(sweep_dir) if not found else ()
        found = found or {
            trial.number for trial in known if trial.number is not None and same_job(job_id, trial.job_id)
        }
        if not found:
            raise NothingFound(f"{sweep_dir} has no trial of job {job_id}; `herd-results -c job_id` lists the jobs")
        numbers |= found
    return numbers


def _is_meant(trial: PlannedTrial, status: TrialStatus, only: str | Set[int] | None) -> bool:
    if only is None:
        return True
    if only == PENDING:
        return status.state in (TrialState.SUBMITTED, TrialState.REQUEUED, TrialState.WAITING)
    assert not isinstance(only, str)
    return trial.number in only


def _is_alive(state: TrialState, holder: LockHolder | None, job: QueuedTrial | None) -> bool:
    """Return whether a trial may still run, as far as the records show."""
    if state is TrialState.WAITING:
        # While the sweep runs a trial may be waiting for its turn; nobody else would ever start it. After that, one
        # that was to be submitted may be in the queue all the same: the sweep died before it could note that.
        return holder is not None or job is not None
    # A lost trial's job may be in the queue again, and awaited.
    return state in IN_QUEUE or (state is TrialState.LOST and holder is not None)


def _run_again(
    sweep_dir: Path,
    ended: Sequence[PlannedTrial],
    statuses: Mapping[int, TrialStatus],
    events: Mapping[int, Sequence[Event]],
) -> set[int]:
    """Return the numbers of trials that have ended by their records, and whose jobs their scheduler runs again."""
    jobs = [(queued_job(trial, events[trial.number]), statuses[trial.number]) for trial in ended]
    known = [(job, status) for job, status in jobs if job and may_be_requeued(job, status, events[job.trial.number])]
    numbers = set()
    for launcher in {job.launcher for job, _ in known}:
        with suppress(SweepError):  # its commands are not here: what the records show stands
            cluster, outage = _cluster(launcher), Outage(_NOT_YET)
            here = outage.wait_for(cluster.cluster_name, cluster.name)
            for job, status in known:
                if job.launcher == launcher and job.cluster in (None, here):
                    restart = last_restart(sweep_dir, job.trial, status.attempt)
                    if outage.wait_for(partial(_is_back, cluster, job, restart), cluster.name):
                        numbers.add(job.trial.number)
    return numbers


def _is_back(cluster: Cluster, job: QueuedTrial, restart: int | None) -> bool:
    """Return whether a scheduler runs a job again; `restart` counts how often it had done so when its run began."""
    known = cluster.confirmed([str(job.job_id)], job.batch)
    return any(state.is_back(restart) for state in cluster.query(known).values())


def _ask_the_sweep(sweep_dir: Path, trials: Sequence[PlannedTrial], holder: LockHolder) -> set[int]:
    """Ask the sweep that runs, and return the trials that have not ended in a minute."""
    if holder.is_silent:  # it would not answer
        raise SweepError(f"nothing was cancelled in {sweep_dir}: {holder}, and cancel again")
    if not is_heeded(sweep_dir):
        raise SweepError(
            f"nothing was cancelled in {sweep_dir}: the sweep that runs there is another user's ({holder})"
        )
    request = ask_to_cancel(sweep_dir, [trial.number for trial in trials])
    if not _comes_true(lambda: not request.exists()):
        # Else the sweep would carry it out later, after we reported that it did not.
        request.unlink(missing_ok=True)
        raise SweepError(
            f"the sweep in {sweep_dir} is running but cannot react until its current trials finish ({holder}). "
            f"To stop it now, press Ctrl-C where it runs"
        )
    _comes_true(lambda: not _alive_of(sweep_dir, trials))
    return _alive_of(sweep_dir, trials)


def _alive_of(sweep_dir: Path, trials: Sequence[PlannedTrial]) -> set[int]:
    events = events_by_trial(sweep_dir)
    return {trial.number for trial in trials if status_of(sweep_dir, trial, events[trial.number]).state in IN_QUEUE}


def _ask_the_schedulers(
    sweep_dir: Path,
    trials: Sequence[PlannedTrial],
    queued: Sequence[QueuedTrial | None],
    statuses: dict[int, TrialStatus],
) -> set[int]:
    """Cancel jobs of a sweep that nobody waits for, note the ends that are confirmed, and return the other trials."""
    orphans = [trial.number for trial, job in zip(trials, queued, strict=True) if job is None]
    if orphans:
        raise SweepError(
            f"their sweep has ended, and they are not in a queue, but these trials still run: "
            f"{', '.join(map(str, orphans))}. Kill them by process id (see `herd-results show`)"
        )
    by_launcher: dict[str, list[QueuedTrial]] = defaultdict(list)
    for job in queued:
        if job is not None:
            by_launcher[job.launcher].append(job)
    log = EventLog(sweep_dir)
    asked: set[int] = set()
    for launcher, jobs in by_launcher.items():
        cluster, outage = _cluster(launcher), Outage(_NOT_YET)
        check_cluster(jobs, outage.wait_for(cluster.cluster_name, cluster.name))
        ids = {job.trial.number: job.job_id or _find(job, cluster, outage, sweep_dir) for job in jobs}
        known = [replace(job, job_id=ids[job.trial.number]) for job in jobs]
        strange = outage.wait_for(partial(_strangers, cluster, known), cluster.name)
        submitted = {job.job_id: job.batch for job in known if job.job_id is not None and job.job_id not in strange}
        living = _end(cluster, outage, submitted)
        # Before the error about other jobs: these are cancelled.
        log.write(
            _cancelled(sweep_dir, job.trial, statuses[job.trial.number].attempt, ids[job.trial.number])
            for job in jobs
            if ids[job.trial.number] not in strange and ids[job.trial.number] not in living
        )
        asked |= {number for number, job_id in ids.items() if job_id in living}
        if strange:
            raise SweepError(
                f"not cancelled: {cluster.name} lists job {', '.join(strange)}, but not as yours under the name "
                f"recorded in "
                f"{sweep_dir}. If it belongs to this sweep, cancel it as the user who submitted it"
            )
    return asked


def _cancelled(sweep_dir: Path, trial: PlannedTrial, attempt: int, job_id: str | None) -> Event:
    beats = beats_of(sweep_dir, trial, attempt)
    return Event("cancelled", trial.number, attempt, job_id=job_id, message=_MESSAGE, beats=beats)


def _end(cluster: Cluster, outage: Outage, batches: Mapping[str, str]) -> set[str]:
    """Cancel jobs, again until they are gone, for a minute; return those that are not gone then.

    A scheduler that does not answer is waited for; the minute begins when it has taken the request.

    Args:
        cluster: the scheduler.
        outage: of it.
        batches: the names of the jobs by their ids.

    Raises:
        SweepError: it refuses.
    """
    deadline, living, failure = float("inf"), set(batches), ""
    while living and time.monotonic() < deadline:
        try:
            for name in {batches[job_id] for job_id in living}:
                job_ids = sorted(job_id for job_id in living if batches[job_id] == name)
                outage.wait_for(partial(cluster.cancel, job_ids, name), cluster.name)
            failure = ""
        except SweepError as error:
            failure = str(error)
        deadline = min(deadline, time.monotonic() + _PATIENCE)
        again = min(time.monotonic() + _ASKED_AGAIN, deadline)
        while living and time.monotonic() < again:
            time.sleep(0.5)
            living = outage.wait_for(partial(_living, cluster, living), cluster.name)
    if living and failure:
        raise SweepError(f"not cancelled: {cluster.name}: {failure}. The jobs may still run; try again later")
    return living


def _strangers(cluster: Cluster, jobs: Sequence[QueuedTrial]) -> list[str]:
    """Return the ids of jobs that have not ended and that the scheduler does not know as this user's by their name."""
    batches: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        if job.job_id is not None:
            batches[job.batch].append(job.job_id)
    unknown = [
        job_id
        for batch, job_ids in batches.items()
        for known in [cluster.confirmed(job_ids, batch)]
        for job_id in job_ids
        if job_id not in known
    ]
    # A job that has ended needs no cancelling, whoever it belongs to.
    states = cluster.query(unknown) if unknown else {}
    return [job_id for job_id in unknown if job_id in states and states[job_id].phase != "ended"]


def _find(job: QueuedTrial, cluster: Cluster, outage: Outage, sweep_dir: Path) -> str | None:
    """Return the id of a job whose submission was not noted, or None if the scheduler never got it."""
    if not is_batch_name(job.batch):
        return None
    ids = outage.wait_for(partial(cluster.find, job.batch), cluster.name)
    # A batch is submitted in the order of its intents, so a trial's place among these is its place in the array.
    intents = [event for event in read_events(sweep_dir) if event.event == SUBMITTING]
    place = [event.number for event in intents if event.job_name == job.batch].index(job.trial.number)
    return next((job_id for job_id in ids if place_in_array(job_id, cluster.first_index) == place), None)


def _living(cluster: Cluster, job_ids: Collection[str]) -> set[str]:
    """Return those of these jobs that have not ended."""
    states = cluster.query(list(job_ids))
    return {job_id for job_id in job_ids if job_id in states and states[job_id].phase != "ended"}


def _cluster(launcher: str) -> Cluster:
    """Return the scheduler behind a launcher of ours, as this machine's commands show it.

    Raises:
        SweepError: it is not known, or its commands are not here.
    """
    scheduler = find_scheduler(launcher)
    if scheduler is None:
        raise SweepError(
            f"the trials were submitted through {launcher}, which this version does not support; cancel them "
            f"with the version that "
            f"submitted them"
        )
    cluster = scheduler.cluster_class()({})
    cluster.check()
    return cluster


def _comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
