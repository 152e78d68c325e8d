"""Collecting: what became of each trial, read from its own directory, with a verdict for those that left no word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobEnd, JobHandle
from hyperherd.records.events import SUBMITTING, Event, EventLog
from hyperherd.records.fold import Standing
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.reconcile import standing_of

_REASONS_TO_END_IT = frozenset(
    {FailureCause.TIMEOUT, FailureCause.PREEMPTED, FailureCause.NODE_FAILURE, FailureCause.OOM}
)


class Collector:
    """Keeps the books of one launch: intent before, verdicts after.

    Invariant: of every trial that was handed over, the directory or the events say how it ended once :meth:`close` has
    been called, however the launch ended.
    """

    def __init__(self, sweep_dir: Path, trials: Sequence[PlannedTrial]) -> None:
        self._sweep_dir = sweep_dir
        self._trials = {trial.number: trial for trial in trials}
        self._events = EventLog(sweep_dir)
        self._open: dict[int, JobHandle] = {}
        self.standings: dict[int, Standing] = {}
        """How each trial ended, by number."""

    def handing_over(self, handles: Sequence[JobHandle]) -> None:
        """Note the intent to run these trials, before the launcher may start them."""
        self._events.write(_event(SUBMITTING, handle) for handle in handles)
        self._open.update({handle.job.number: handle for handle in handles})

    def ended(self, end: JobEnd) -> JobReturn:
        """Note the end of a trial that the launcher has let go of, and return what Hydra is to get for it."""
        job = end.handle.job
        standing = self._standing(end.handle, end.returned)
        # A trial that was told to end says that it was cancelled; its launcher may know why.
        if not standing.state.ended or (standing.state is TrialState.CANCELLED and end.verdict in _REASONS_TO_END_IT):
            reason = end.reason or _raised(end.returned) or standing.reason or "its launcher let go before it ended"
            event = _event(str(end.verdict or "lost"), end.handle, reason)
            self._events.write([event])
            state, cause = event.verdict or (TrialState.LOST, None)
            standing = Standing(state, job.attempt, cause, reason)
        self._open.pop(job.number, None)
        self.standings[job.number] = standing
        return end.returned or _made_up(end, standing)

    def close(self, reason: str) -> None:
        """Note that the trials still open are cancelled, because the sweep ends before them.

        Of one that a launcher may still run nothing is noted; a sign of life of one that starts later refutes it.
        """
        standings = [(handle, self._standing(handle, None)) for handle in self._open.values()]
        alive = (TrialState.RUNNING, TrialState.STALLED)
        unended = [handle for handle, standing in standings if not standing.state.ended and standing.state not in alive]
        self._events.write(_event("cancelled", handle, reason) for handle in unended)
        self._open.clear()

    def _standing(self, handle: JobHandle, returned: JobReturn | None) -> Standing:
        trial = self._trials[handle.job.number]
        if trial.dir is None and returned is not None and returned.hydra_cfg is not None:
            trial = replace(trial, dir=str(returned.hydra_cfg.hydra.runtime.output_dir))
        return standing_of(self._sweep_dir, trial, [_event(SUBMITTING, handle)])


def _event(event: str, handle: JobHandle, message: str | None = None) -> Event:
    return Event(event, handle.job.number, handle.job.attempt, job_id=handle.job_id, message=message)


def _raised(returned: JobReturn | None) -> str:
    """Return what a job raised before or around its trial, which so could not note it."""
    error = returned._return_value if returned is not None and returned.status is JobStatus.FAILED else None
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else ""


def _made_up(end: JobEnd, standing: Standing) -> JobReturn:
    """Return the JobReturn of a trial that left none: completed without its value, or failed with what is known."""
    made_up = JobReturn(overrides=list(end.handle.job.overrides))
    if standing.state.done:
        made_up.status, made_up.return_value = JobStatus.COMPLETED, None
    else:
        made_up.status = JobStatus.FAILED
        made_up.return_value = SweepError(f"trial {end.handle.job.number} {standing.state}: {standing.reason}")
    return made_up
