"""Collecting: what became of each trial, read from its own directory, with a verdict for those that left no word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from hyperherd.compat.hydra import result_of
from hyperherd.errors import FormatError, SweepError
from hyperherd.escape import one_line
from hyperherd.launch.base import JobEnd, JobHandle, JobRequeued, TrialJob, WaitingJob
from hyperherd.overrides import place_overrides
from hyperherd.records.events import (
    ENDED,
    PENDING,
    POSTPONED,
    PRUNED,
    REQUEUED,
    RETRIED,
    SUBMITTED,
    SUBMITTING,
    Event,
    EventLog,
    read_events,
)
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.status import READMITTED, TrialStatus
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialError, TrialRecord
from hyperherd.sweep.resuming.reconcile import beats_of, continued, status_of
from hyperherd.trial.attempts import next_attempt
from hyperherd.trial.ending import in_words

log = logging.getLogger("hyperherd")

_PAUSED = TrialState.PAUSED
_NO_END = "its launcher reported its end, but the trial recorded none"
_REASONS_TO_END_IT = frozenset(
    {FailureCause.TIMEOUT, FailureCause.PREEMPTED, FailureCause.NODE_FAILURE, FailureCause.OOM}
)


class Collector:
    """Records one launch: intent before, ids after, verdicts at the end.

    Invariant: of every trial that was handed over, the directory or the events say how it ended once :meth:`close` has
    been called, however the launch ended; or they name the job in a queue that is still to run it.

    Args:
        sweep_dir: absolute.
        trials: those that may be launched, or were launched by an earlier sweep and are awaited.
        queue: the launcher, if its jobs outlive the sweep.
        cluster: returns the name of the cluster whose queue it is; empty as long as it is not known.
    """

    def __init__(
        self,
        sweep_dir: Path,
        trials: Sequence[PlannedTrial],
        queue: str | None = None,
        cluster: Callable[[], str] = str,
    ) -> None:
        self.sweep_dir = sweep_dir
        self._trials = {trial.number: trial for trial in trials}
        self._queue = queue
        self._cluster = cluster
        self._events = EventLog(sweep_dir)
        self._open: dict[int, JobHandle] = {}
        self._continued = continued(read_events(sweep_dir))
        self.statuses: dict[int, TrialStatus] = {}
        """How each trial ended, by number."""
        self.stopping = ""
        """Why trials that have not started are being cancelled."""
        self._pruned: dict[int, str] = {}
        self._retried: set[int] = set()
        self._held: dict[int, PlannedTrial] = {}
        self._joins: Callable[[PlannedTrial], object] = id

    def hold(
        self,
        trials: Sequence[PlannedTrial],
        statuses: Mapping[int, TrialStatus],
        joins: Callable[[PlannedTrial], object],
    ) -> None:
        """Take note of trials that an earlier sweep has paused, and that may be launched.

        Args:
            trials: which.
            statuses: where each trial stands, by number.
            joins: called with each that is going to be launched, before it is.
        """
        self.plan(trials)
        self.statuses.update({trial.number: statuses[trial.number] for trial in trials})
        self._held, self._joins = {trial.number: trial for trial in trials}, joins

    @property
    def paused(self) -> dict[int, Path]:
        """The trials that are paused, by number, with their directories."""
        found = {number: self._trials[number].dir for number, one in self.statuses.items() if one.state is _PAUSED}
        return {number: self.sweep_dir / where for number, where in found.items() if where is not None}

    def plan(self, trials: Sequence[PlannedTrial]) -> None:
        """Take note of further trials that may be launched."""
        self._trials.update({trial.number: trial for trial in trials})

    def job(self, number: int) -> TrialJob:
        """Return the next execution of a trial, as it is to be handed over."""
        trial = self._trials[number]
        # With its place, because the job composes its config anew, at another time and perhaps in another folder.
        overrides = (*trial.overrides, *place_overrides(self.sweep_dir, trial.dir))
        return TrialJob(number, self.next_attempt(number), overrides, trial.resources)

    def next_attempt(self, number: int) -> int:
        """Return which execution of a trial would be its next."""
        directory = self._trials[number].dir
        return 0 if directory is None else next_attempt(self.sweep_dir / directory)

    def handing_over(self, jobs: Sequence[TrialJob], name: str) -> None:
        """Note the intent to run these trials as the batch `name`, before the launcher may start them."""
        handles = [JobHandle(job) for job in jobs]
        try:
            # If the sweep dies before it learns the ids, the next invocation finds the jobs in the queue by this name.
            self._note(SUBMITTING, handles, name=name, first=self._queue is not None)
        except OSError as error:  # in a queue they could not be found again, and would run twice
            raise SweepError(f"nothing more is submitted, because it cannot be noted: {error}") from None
        self._open.update({handle.job.number: handle for handle in handles})

    def handed_over(self, handles: Sequence[JobHandle]) -> None:
        """Note which jobs these trials are, now that the launcher has them."""
        self._open.update({handle.job.number: handle for handle in handles})
        self._note(SUBMITTED, [handle for handle in handles if handle.job_id is not None])

    def awaiting(self, handles: Sequence[JobHandle]) -> None:
        """Take over trials that an earlier sweep has handed over."""
        self._open.update({handle.job.number: handle for handle in handles})

    def refused(self, jobs: Sequence[TrialJob], reason: str) -> None:
        """Note that these trials could not be handed over after all."""
        self._note("cancelled", [self._open.pop(job.number) for job in jobs], message=reason)
        for job in jobs:
            self.statuses[job.number] = TrialStatus(TrialState.CANCELLED, job.attempt, reason=reason)

    def postponed(self, jobs: Sequence[TrialJob], reason: str) -> None:
        """Note that these trials were not handed over, and wait."""
        self._note(POSTPONED, [self._open.pop(job.number) for job in jobs], message=reason)

    def retry_refused(self, job: TrialJob, reason: str) -> None:
        """Note that a failed trial cannot be run again: it has failed of what it failed of before."""
        self._open.pop(job.number, None)
        status = self.statuses[job.number]
        reason = f"{status.reason}; retry refused: {reason}" if status.reason else f"retry refused: {reason}"
        self.statuses[job.number] = replace(status, attempt=job.attempt, reason=reason)
        self._events.write([Event(str(status.cause or status.state), job.number, job.attempt, message=reason)])

    def waits(self, number: int, job: WaitingJob) -> None:
        """Note why the job of a trial waits in its queue."""
        if handle := self._open.get(number):
            self._note(PENDING, [handle], message=job.reason)

    def prune_unstarted(self, reasons: Mapping[int, str]) -> list[JobHandle]:
        """Note that trials which have not started are pruned, and return those of them that are to be cancelled.

        One that has failed, and was to be run again, is cancelled and not pruned: that it failed stands.

        Args:
            reasons: number of the trial -> why.
        """
        meant = [handle for handle in self.unstarted if handle.job.number in reasons]
        pruned = {handle.job.number for handle in meant} - self._retried
        self._pruned |= {number: reasons[number] for number in pruned}
        for number, reason in reasons.items():
            self.drop([number], reason, PRUNED)
        return meant

    def drop(self, numbers: Collection[int], reason: str, event: str = "cancelled") -> list[int]:
        """Note that those of these trials that were not handed over yet, or are paused, never will be; return them.

        Args:
            numbers: of the trials.
            reason: why.
            event: the verdict on them.
        """
        ended = {number for number, status in self.statuses.items() if status.state is not _PAUSED}
        waiting = self._trials.keys() - self._open.keys() - ended
        attempts = {number: self.next_attempt(number) for number in sorted(waiting.intersection(numbers))}
        self._events.write(Event(event, *of, message=reason) for of in attempts.items())
        for number, attempt in attempts.items():
            self.statuses[number] = TrialStatus(TrialState(event), attempt, reason=reason)
        return list(attempts)

    @property
    def unstarted(self) -> list[JobHandle]:
        """The trials that were handed over and have not begun, as far as can be seen."""
        statuses = {number: self._status(handle) for number, handle in self._open.items()}
        return [self._open[number] for number, status in statuses.items() if status.state is TrialState.SUBMITTED]

    @property
    def open(self) -> list[JobHandle]:
        """The trials that were handed over and have not ended."""
        return list(self._open.values())

    def ended(self, end: JobEnd) -> JobReturn:
        """Note the end of a trial that the launcher has let go of, and return what Hydra is to get for it."""
        job = end.handle.job
        self._learn_directory(job.number, end.returned)
        status = self._status(end.handle)
        # A trial that was asked to stop records that it was cancelled; its launcher may know why.
        knows_why = end.verdict in _REASONS_TO_END_IT or end.rank is not None or end.outranks_record
        if not status.state.ended or (status.state is TrialState.CANCELLED and knows_why):
            reason = self._pruned.get(job.number) or self._reason(end) or status.reason or _NO_END
            verdict = PRUNED if job.number in self._pruned else str(end.verdict or "lost")
            attempt = max(status.attempt, job.attempt)  # a scheduler that requeued the job made more of them
            beats = self._beats(job.number, attempt)
            event = replace(_event(verdict, end.handle), attempt=attempt, message=reason, beats=beats)
            self._events.write([event])
            state, cause = event.verdict or (TrialState.LOST, None)
            status = TrialStatus(state, event.attempt, cause, reason)
        else:  # so that it is known where its directory is deleted; the directory itself is what is durable
            event = replace(_event(ENDED, end.handle), attempt=status.attempt, message=str(status.state))
            self._events.write([event], durable=False)
        self._open.pop(job.number, None)
        self.statuses[job.number] = status
        return end.returned or _made_up(end, status)

    def requeued(self, back: JobRequeued) -> None:
        """Note that a trial which had begun waits in its scheduler's queue again: it cannot have recorded that itself.

        A heartbeat of its next attempt refutes it.
        """
        number = back.handle.job.number
        status = self._status(back.handle)
        if number not in self._open or status.state.done or status.state is TrialState.SUBMITTED:
            return
        if status.state is not TrialState.REQUEUED:
            log.info("trial %d requeued: %s", number, one_line(back.reason))
        beats = self._beats(number, status.attempt)
        event = replace(_event(REQUEUED, back.handle), attempt=status.attempt, message=back.reason, beats=beats)
        self._events.write([event])

    def retried(self, number: int) -> None:
        """Note that a trial which has failed is to be run again."""
        self._retried.add(number)
        status = self.statuses[number]
        message = f"{status.cause or status.state}: {status.reason}"
        self._events.write([Event(RETRIED, number, status.attempt, message=message)])

    def reopen(self, number: int) -> TrialJob | None:
        """Return the next execution of a trial that was pruned, paused, stopped or cancelled, to be run on."""
        status = self.statuses.get(number)
        if status is None or status.state not in READMITTED:
            return None
        del self.statuses[number]
        if (trial := self._held.pop(number, None)) is not None:
            self._joins(trial)
        self._continued = continued(read_events(self.sweep_dir))
        return self.job(number)

    def error_of(self, number: int) -> TrialError | None:
        """Return the exception that ended a trial, if it left one."""
        directory = self._trials[number].dir
        try:
            return None if directory is None else TrialRecord.read(self.sweep_dir / directory).error
        except (OSError, FormatError):
            return None

    def close(self, reason: str) -> None:
        """Note that the trials still open are cancelled, because the sweep ends before them.

        Of one that a launcher may still run nothing is noted; a sign of life of one that starts later refutes it.
        """
        if self._queue is None:
            self._note("cancelled", self.unstarted, message=reason)
        self._open.clear()

    def _reason(self, end: JobEnd) -> str:
        if end.verdict == "cancelled" and self.stopping:
            return self.stopping
        return end.reason or _raised(end.returned)

    def _beats(self, number: int, attempt: int) -> int | None:
        return beats_of(self.sweep_dir, self._trials[number], attempt)

    def _learn_directory(self, number: int, returned: JobReturn | None) -> None:
        trial = self._trials[number]
        # Where only the launcher could know the directory, the job's own config has it.
        if trial.dir is None and returned is not None and returned.hydra_cfg is not None:
            self._trials[number] = replace(trial, dir=str(returned.hydra_cfg.hydra.runtime.output_dir))

    def _status(self, handle: JobHandle) -> TrialStatus:
        number = handle.job.number
        events = [*self._continued.get(number, ()), _event(SUBMITTING, handle)]
        return status_of(self.sweep_dir, self._trials[number], events)

    def _note(
        self,
        event: str,
        handles: Sequence[JobHandle],
        *,
        name: str | None = None,
        message: str | None = None,
        first: bool = False,
    ) -> None:
        cluster = (self._cluster() or None) if event in (SUBMITTING, SUBMITTED) else None
        noted = (
            replace(_event(event, handle), launcher=self._queue, cluster=cluster, job_name=name, message=message)
            for handle in handles
        )
        self._events.write(noted, first=first)


def _event(event: str, handle: JobHandle) -> Event:
    return Event(event, handle.job.number, handle.job.attempt, job_id=handle.job_id)


def _raised(returned: JobReturn | None) -> str:
    """Return what a job raised before or around its trial, which so could not note it."""
    error = result_of(returned) if returned is not None and returned.status is JobStatus.FAILED else None
    return in_words(error) if isinstance(error, BaseException) else ""


def _made_up(end: JobEnd, status: TrialStatus) -> JobReturn:
    """Return the JobReturn of a trial that left none: without its value, or failed with what is known."""
    made_up = JobReturn(overrides=list(end.handle.job.overrides))
    if status.state.settled:
        made_up.status, made_up.return_value = JobStatus.COMPLETED, None
    else:
        made_up.status = JobStatus.FAILED
        made_up.return_value = SweepError(f"trial {end.handle.job.number} {status.state}: {status.reason}")
    return made_up
