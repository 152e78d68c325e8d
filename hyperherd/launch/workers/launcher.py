"""Trials run by workers, as the sweep sees it: it fills their queue, keeps enough of them, and reads their ledgers.

Who runs which trial is known from the ledgers, and whether a worker lives from its scheduler; of workers that somebody
started by hand, from their trials' signs of life. Invariant: a trial that was handed over is in the queue, claimed by a
worker that is not known to be dead, or its end has been reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.escape import one_line
from hyperherd.launch.base import (
    ROUTINE,
    JobEnd,
    JobHandle,
    JobRequeued,
    NotNow,
    SignOfLife,
    TrialJob,
    TrialLauncher,
    WaitingJob,
)
from hyperherd.launch.cluster.arrays import split
from hyperherd.launch.cluster.settings import ClusterSettings
from hyperherd.launch.workers.silence import Silence
from hyperherd.launch.workers.staff import Kind, Staff
from hyperherd.launch.workers.submission import WorkerJobs, is_worker
from hyperherd.records.states import FailureCause
from hyperherd.records.workers.ledger import BACK, BEGAN, CLAIMED, ENDED, NOTHING_LEFT, Entry, Roster, Verdict
from hyperherd.records.workers.queue import (
    Attempt,
    ask_to_end,
    following_name,
    is_in_queue,
    is_to_end,
    kind_of,
    put_in_queue,
    withdraw,
)

_PAUSE = 0.5
"""Seconds between two rounds while no job of a worker is watched, which takes its own time."""
_LOOK = 5.0
"""Seconds between two looks at workers that were not submitted here."""
_BARREN = 3
"""How many workers in a row may end without having started a trial before no more are submitted."""
_CANCELLED_BETWEEN = "cancelled when its worker ended"

log = logging.getLogger("hyperherd")


class WorkersLauncher(TrialLauncher):
    """Hands trials to workers.

    Args:
        jobs: submits and watches the workers.
        sweep_dir: absolute.
        settings: how many workers there are, and how many trials each runs at once.
    """

    def __init__(self, jobs: WorkerJobs, sweep_dir: Path, settings: ClusterSettings) -> None:
        assert settings.workers is not None
        self._jobs = jobs
        self._sweep_dir = sweep_dir
        self._staff = Staff(jobs, settings.workers, settings.trials_per_worker)
        self._roster = Roster(sweep_dir)
        self._open: dict[int, JobHandle] = {}
        self._attempts: dict[int, int] = {}
        self._ends: list[JobEnd] = []
        self._requeued: list[JobRequeued] = []
        self._job_events: Iterator[JobEnd | JobRequeued | None] | None = None
        self._silence = Silence(self._roster)
        self._looked = 0.0
        self._has_begun = False
        self._own_places = min(settings.workers, settings.parallelism) * settings.trials_per_worker

    @property
    def name(self) -> str:
        """The launcher's name."""
        return self._jobs.name

    @property
    def cluster(self) -> str:
        """The name of the cluster whose jobs the workers are."""
        return self._jobs.cluster

    def awaited_cluster(self) -> str:
        """Return the name of the cluster, when it answers."""
        return self._jobs.awaited_cluster()

    @property
    def resources(self) -> Mapping[str, object]:
        """What a kind of workers may have of its own."""
        return self._jobs.resources

    @property
    def waits(self) -> bool:
        """Whether the sweep waits for its trials."""
        return self._jobs.waits

    @property
    def has_queue(self) -> bool:
        """Workers outlive the sweep."""
        return True

    @property
    def slots(self) -> int:
        """What its workers run at once when all of them have begun, and those that were started by hand beside them."""
        return self._own_places + self._roster.places_by_hand()

    @property
    def awaits_workers(self) -> bool:
        """Whether it can await trials that workers of an earlier sweep run."""
        return True

    def listen(self, sign_of_life: SignOfLife) -> bool:
        """Hold no trial for dead that gives signs of life."""
        self._silence.sign_of_life = sign_of_life
        return self._jobs.listen(sign_of_life)

    @property
    def waiting(self) -> Mapping[int, WaitingJob]:
        """Why no worker has begun yet, for the trials that would be the first."""
        reasons = self._jobs.waiting
        found: dict[int, WaitingJob] = {}
        for kind in self._staff.kinds:
            known = [reasons[number] for number in kind.jobs if number in reasons]
            if known and len(known) == len(kind.jobs):
                first = sorted(kind.open - self._running)[: self._staff.places(kind)]
                found.update(dict.fromkeys(first, known[0]))
        return found

    def batches(self, jobs: Sequence[TrialJob]) -> list[list[TrialJob]]:
        """Divide `jobs` by the kind of workers that they need."""
        return split(jobs, max(len(jobs), 1))

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Put trials of one kind in the queue, and submit workers for them if there are not enough."""
        if not self._has_begun:  # all that is to run now is handed over again
            self._withdraw_earlier()
            self._has_begun = True
        kind = self._staff.kind_of(jobs[0].resources)
        self._staff.want_again(kind)
        put_in_queue(self._sweep_dir, name, kind.name, [Attempt(job.number, job.attempt) for job in jobs])
        handles = [JobHandle(job, None, name) for job in jobs]
        self._take_over(kind, handles)
        try:
            self._staff.hire(kind, kind.open - self._running, name)
        except NotNow as delay:
            if not self.waits:
                raise
            kind.outage.failed(str(delay))  # workers that run somewhere may claim them meanwhile
        except SweepError:
            withdraw(self._sweep_dir, name)
            self._forget(handles)
            raise
        return handles

    def events(self) -> Iterator[JobEnd | JobRequeued | None]:
        """Yield the trials as they end, until none is left, and None between two rounds."""
        while self._open:
            self._read_ledgers()
            yield from self._of_jobs()
            if time.monotonic() - self._looked > _LOOK:
                self._look_for_dead_workers()
            requeued, self._requeued = self._requeued, []
            yield from requeued
            while self._ends:
                end = self._ends.pop(0)
                if self._open.get(end.handle.job.number) is end.handle:
                    self._forget([end.handle])
                    yield end
            for kind in self._staff.kinds:
                self._hire(kind)
            yield None
            if self._job_events is None and self._open:
                time.sleep(_PAUSE)
        self._staff.dismiss({entry.job for entry in self._roster.workers.values() if entry.job})

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """End these trials and not their workers; one that has not begun ends at once."""
        self._jobs.cancel([handle for handle in handles if handle.job_id is not None])
        self._read_ledgers()
        for handle in handles:
            number = handle.job.number
            if handle.job_id is None and number in self._open:
                self._end(number, "cancelled before it began")

    def _end(self, number: int, reason: str) -> None:
        handle, attempt = self._open[number], Attempt(number, self._attempts[number])
        # First: whoever claims it at this moment finds the request.
        ask_to_end(self._sweep_dir, attempt)
        if attempt not in self._roster.running:
            self._ends.append(JobEnd(handle, None, reason, "cancelled"))

    def find(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Return those of a batch that a worker runs, after a sweep that had handed it over was ended."""
        if not is_in_queue(self._sweep_dir, name):
            return self._jobs.find(jobs, name)
        self._roster.news()
        return [JobHandle(job, None, name) for job in jobs if job.number in self._running]

    def adopt(self, handles: Sequence[JobHandle]) -> list[JobHandle]:
        """Await trials that workers of an earlier invocation run, and let these workers run more."""
        self._roster.news()
        for worker in self._jobs.earlier():
            self._staff.kind_of(worker.job.resources).jobs[worker.job.number] = worker
        of_workers = [handle for handle in handles if handle.job_id is None]
        living = [handle for handle in of_workers if self._is_run_by_the_living(handle.job.number)]
        for handle in living:
            self._take_over(self._staff.kind_of(handle.job.resources), [handle])
        others = self._jobs.adopt([handle for handle in handles if handle.job_id is not None])
        self._open.update({handle.job.number: handle for handle in others})
        return [*living, *others]

    @property
    def past_ends(self) -> Sequence[JobEnd]:
        """The ends of jobs of trials that ended while no sweep watched them."""
        return [end for end in self._jobs.past_ends if not is_worker(end.handle)]

    def requeued(self, handles: Sequence[JobHandle], restarts: Mapping[int, int]) -> list[JobHandle]:
        """Return those of an earlier sweep's jobs that the scheduler runs again, although their trials have ended."""
        return self._jobs.requeued(handles, restarts)

    # What the ledgers hold

    @property
    def _running(self) -> set[int]:
        return {attempt.number for attempt in self._roster.running if self._is_current(attempt)}

    def _is_current(self, attempt: Attempt) -> bool:
        """Return whether an attempt is not an earlier one, whose worker died and could not note its end."""
        return attempt.attempt >= self._attempts.get(attempt.number, 0)

    def _read_ledgers(self) -> None:
        for entry in self._roster.news():
            if entry.event == BEGAN:
                self._began(entry)
            elif entry.number in self._open and entry.attempt >= self._attempts.get(entry.number, 0):
                self._noted(entry, self._open[entry.number])

    def _noted(self, entry: Entry, handle: JobHandle) -> None:
        number = handle.job.number
        self._attempts[number] = entry.attempt
        if entry.event == CLAIMED:
            self._staff.kind_of(handle.job.resources).barren = 0
            log.info("trial %d claimed by worker %s", number, entry.worker, extra=ROUTINE)
        elif entry.event == BACK:
            self._attempts[number] = entry.attempt + 1
            if is_to_end(self._sweep_dir, Attempt(number, entry.attempt)):  # its worker had ended before it saw that
                self._end(number, _CANCELLED_BETWEEN)
                return
            log.info("trial %d is in the queue again: %s", number, one_line(entry.reason))
            if not is_in_queue(self._sweep_dir, following_name(entry.worker, Attempt(number, entry.attempt + 1))):
                self._put_again(number)
        elif entry.event == ENDED:
            self._ends.append(JobEnd(handle, None, entry.reason, entry.known_verdict))

    def _began(self, entry: Entry) -> None:
        """Take note of a worker; what the same job ran before it was started again was cut short."""
        for worker, before in self._roster.workers.items():
            if worker != entry.worker and before.job is not None and before.job == entry.job:
                self._put_back(worker, "the scheduler started its worker again")

    # What the scheduler reports of workers

    def _of_jobs(self) -> Iterator[JobEnd]:
        """Take in one round of the scheduler's answers; yield the ends of trials that are jobs of an earlier sweep."""
        if self._job_events is None and any(kind.jobs for kind in self._staff.kinds):
            self._job_events = self._jobs.events()
        while self._job_events is not None:
            event = next(self._job_events, self)
            if event is self:
                self._job_events = None
            if event is None or event is self:
                return
            assert isinstance(event, JobEnd | JobRequeued)
            if not is_worker(event.handle):
                if isinstance(event, JobEnd):
                    self._forget([event.handle])
                    yield event
                else:
                    self._requeued.append(event)
            elif isinstance(event, JobRequeued):
                self._job_requeued(event)
            else:
                self._job_ended(event)

    def _job_ended(self, end: JobEnd) -> None:
        """Take note of the end of a worker: what it ran has ended as it did, or is in the queue again."""
        kind = self._staff.kind_of(end.handle.job.resources)
        is_ours = kind.jobs.pop(end.handle.job.number, None) is not None
        if not is_ours:  # it was dismissed
            return
        self._read_ledgers()  # what it has noted itself counts
        names = self._roster.in_job(end.handle.batch, end.handle.job_id)
        reason = one_line(end.reason or "it ended")
        if end.verdict == "cancelled":
            kind.wanted -= 1
            for name in names:
                self._put_back(name, "the job of its worker was cancelled")
        else:
            for name in names:
                self._report_cut(name, end.verdict or "lost", f"job {end.handle.job_id} of its worker ended: {reason}")
        found_nothing = any(self._roster.left.get(name) == NOTHING_LEFT for name in names)
        if not found_nothing and not any(name in self._roster.claims for name in names):
            kind.barren += 1
            log.warning("worker job %s ended without having started a trial: %s", end.handle.job_id, reason)
        self._give_up(kind, reason)

    def _give_up(self, kind: Kind, reason: str) -> None:
        """End what waits for workers of a kind if there will be none: all were cancelled, or none of them works."""
        if kind.jobs:
            return
        if kind.wanted <= 0:
            self._end_waiting(kind, "cancelled", "the jobs of all its workers were cancelled")
        elif kind.barren >= _BARREN:
            kind.barren = 0
            why = f"{_BARREN} workers in a row ended without having started a trial: {reason}"
            self._end_waiting(kind, "lost", why)

    def _end_waiting(self, kind: Kind, verdict: Verdict, reason: str) -> None:
        for number in kind.open - self._running:
            ask_to_end(self._sweep_dir, Attempt(number, self._attempts[number]))
            self._ends.append(JobEnd(self._open[number], None, reason, verdict, outranks_record=True))

    def _job_requeued(self, event: JobRequeued) -> None:
        for name in self._roster.in_job(event.handle.batch, event.handle.job_id):
            self._put_back(name, event.reason)

    @property
    def _ours(self) -> set[str]:
        """The workers whose jobs are watched here."""
        return {name for kind in self._staff.kinds for job in kind.names for name in self._roster.in_job(*job)}

    def _cut(self, worker: str) -> list[Attempt]:
        """Return what a worker that is gone has not noted the end of, and forget that it runs."""
        cut = self._roster.cut_off(worker)
        return [attempt for attempt in cut if attempt.number in self._open and self._is_current(attempt)]

    def _report_cut(self, worker: str, verdict: Verdict, reason: str) -> None:
        for attempt in self._cut(worker):
            self._ends.append(JobEnd(self._open[attempt.number], None, reason, verdict, outranks_record=True))

    def _put_back(self, worker: str, reason: str) -> None:
        """Let other workers run what one that is gone ran: it did not end by itself, nor did its worker."""
        for attempt in self._cut(worker):
            self._attempts[attempt.number] = attempt.attempt + 1
            if is_to_end(self._sweep_dir, attempt):
                self._end(attempt.number, _CANCELLED_BETWEEN)
                continue
            self._put_again(attempt.number)
            self._requeued.append(JobRequeued(self._open[attempt.number], reason))

    def _put_again(self, number: int) -> None:
        """Put the next attempt of a trial in the queue."""
        handle, following = self._open[number], Attempt(number, self._attempts[number])
        name = following_name(handle.batch, following)
        put_in_queue(self._sweep_dir, name, kind_of(handle.job.resources), [following])

    def _withdraw_earlier(self) -> None:
        """Take out of the queue what an earlier invocation put there, but for trials that are awaited."""
        self._read_ledgers()
        withdraw(self._sweep_dir)
        for number, attempt in self._attempts.items():
            if self._open[number].job_id is None and Attempt(number, attempt) not in self._roster.running:
                self._put_again(number)  # its worker has put it there since it was adopted

    # Workers that somebody started by hand

    def _look_for_dead_workers(self) -> None:
        """End the trials of workers that no scheduler reports on, and that are gone."""
        self._looked = time.monotonic()
        ours = self._ours
        others = [(attempt, name) for attempt, name in self._roster.running.items() if name not in ours]
        for attempt, worker in others:
            if attempt.number in self._open and self._is_current(attempt) and self._silence.is_gone(attempt, worker):
                del self._roster.running[attempt]
                handle, reason = self._open[attempt.number], f"worker {worker} is gone"
                self._ends.append(JobEnd(handle, None, reason, FailureCause.SIGNAL, outranks_record=True))

    def _is_run_by_the_living(self, number: int) -> bool:
        running = {one.attempt: (one, name) for one, name in self._roster.running.items() if one.number == number}
        if not running:
            return False
        attempt, worker = running[max(running)]
        return worker in self._ours or self._silence.lives(attempt, worker)

    # What is handed over

    def _hire(self, kind: Kind) -> None:
        """Have enough workers for what is in the queue."""
        waiting = kind.open - self._running
        if waiting and (refusal := self._staff.try_to_hire(kind, waiting, self._open[min(waiting)].batch)):
            log.error("%s", one_line(refusal))
            if not kind.jobs:
                self._end_waiting(kind, "cancelled", refusal)

    def _take_over(self, kind: Kind, handles: Sequence[JobHandle]) -> None:
        running: dict[int, int] = {}
        for attempt in self._roster.running:
            running[attempt.number] = max(attempt.attempt, running.get(attempt.number, 0))
        for handle in handles:
            number = handle.job.number
            self._open[number] = handle
            self._attempts[number] = max(handle.job.attempt, running.get(number, 0))
            kind.open.add(number)

    def _forget(self, handles: Sequence[JobHandle]) -> None:
        for handle in handles:
            number = handle.job.number
            self._open.pop(number, None)
            self._attempts.pop(number, None)
            self._staff.kind_of(handle.job.resources).open.discard(number)
