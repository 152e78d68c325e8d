"""The loop of a worker: claim the next attempt in the queue, hand it to the pool, note its end.

It is the same in a job of a cluster and by hand. Invariant: an attempt that this worker has claimed is noted in its
ledger, as ended or as cut short, before the worker ends by itself; of one that is killed the claim and the heartbeat
of the trial are left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from hyperherd.errors import FormatError, SweepError
from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.overrides import place_overrides
from hyperherd.paths import SweepPaths
from hyperherd.records.events import REQUEUED, Event, EventLog
from hyperherd.records.places import Outside, below
from hyperherd.records.requests import stop_verdict
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.records.workers.ledger import NOTHING_LEFT, Ledger
from hyperherd.records.workers.queue import Attempt, Queue, following_name, is_to_end, put_in_queue
from hyperherd.trial.attempts import claim_for_worker, next_attempt, scheduler_job
from hyperherd.trial.signals import Terminated, undisturbed

_LOOK = 1.0
"""Seconds between two looks at the queue and at requests to end a trial, while there is nothing to claim."""

log = logging.getLogger("hyperherd")

Interruption = Literal["back", "timeout"]
"""What becomes of the trials of a worker that is told to end: they go back into the queue, or their time was up."""


@dataclass(frozen=True)
class Shift:
    """How long a worker may claim trials.

    Attributes:
        ends: when the worker has to be gone, by :func:`time.monotonic`; None for never.
        longest: seconds that a trial takes, as far as the user knows.
    """

    ends: float | None = None
    longest: float = 0.0

    def has_time(self, longest_so_far: float) -> bool:
        """Return whether there is time for another trial, as long as any before it."""
        return self.ends is None or time.monotonic() + max(self.longest, longest_so_far) < self.ends


@dataclass(frozen=True)
class _Running:
    attempt: Attempt
    handle: JobHandle
    began: float


class Worker:
    """One worker.

    Args:
        sweep_dir: absolute.
        pool: runs its trials; nothing else is submitted to it.
        kind: of the worker; None for one that takes every trial.
        batch: the name of its job, if a sweep has submitted it.
        at_once: how many trials it runs side by side.
        shift: how long it claims trials.
        may_claim: whether more may be started; what runs is not ended.
        lingers: whether more may come into the queue soon, asked while there is nothing to do.
        interruption: called when a signal has ended the worker: what becomes of its trials.
    """

    def __init__(
        self,
        sweep_dir: Path,
        pool: TrialLauncher,
        *,
        kind: str | None = None,
        batch: str = "",
        at_once: int = 1,
        shift: Shift | None = None,
        may_claim: Callable[[], bool] = lambda: True,
        lingers: Callable[[], bool] = lambda: False,
        interruption: Callable[[BaseException], Interruption] = lambda error: "back",
    ) -> None:
        self._sweep_dir = sweep_dir
        self._pool = pool
        self._queue = Queue(sweep_dir, kind)
        self._ledger = Ledger(sweep_dir)
        self._batch = batch
        self._at_once = at_once
        self._shift = shift or Shift()
        self._may_claim = may_claim
        self._lingers = lingers
        self._interruption = interruption
        self._trials: dict[int, PlannedTrial] = {}
        self._plan: tuple[int, int] = (0, 0)
        self._running: dict[int, _Running] = {}
        self._longest = 0.0
        self._looked = 0.0
        self._asked: set[int] = set()
        self.states: list[TrialState] = []
        """How the trials that it ran have ended."""

    def run(self) -> None:
        """Run trials until there is nothing left to claim or no time left for one.

        Raises:
            KeyboardInterrupt, Terminated: it was told to end; what ran is in the queue again, or its time was up.
        """
        self._ledger.began(scheduler_job(), self._batch, self._at_once)
        try:
            self._work()
        except (KeyboardInterrupt, Terminated) as error:
            self._wind_down(self._interruption(error))
            self._ledger.left("it was told to end")
            raise
        self._ledger.left(NOTHING_LEFT if self._has_time else "no time is left for another trial")

    def _work(self) -> None:
        while True:
            self._look()
            self._fill()
            if not self._running:
                if self._is_stopped or not (self._has_time and self._lingers()):
                    return
                time.sleep(_LOOK)
                continue
            for end in self._pool.events():
                if end is not None and isinstance(end, JobEnd):
                    self._ended(end)
                if time.monotonic() - self._looked > _LOOK:
                    self._look()
                self._fill()

    @property
    def _has_time(self) -> bool:
        return self._shift.has_time(self._longest)

    @property
    def _is_stopped(self) -> bool:
        """Whether nothing more is to start; a sweep that runs takes what waits out of the queue, but it may not run."""
        return stop_verdict(self._sweep_dir) is not None or not self._may_claim()

    def _look(self) -> None:
        """Read what is new in the queue, and end trials that somebody wants to end."""
        self._looked = time.monotonic()
        self._ledger.beat()
        self._queue.look()
        unwanted = [
            one
            for number, one in self._running.items()
            if number not in self._asked and is_to_end(self._sweep_dir, one.attempt)
        ]
        if unwanted:
            self._asked.update(one.attempt.number for one in unwanted)
            self._pool.cancel([one.handle for one in unwanted])

    def _fill(self) -> None:
        """Claim attempts for all free places."""
        # In the order of what they cost: this is asked at every event, and the last one reads files.
        while len(self._running) < self._at_once and self._has_time and not (self._queue.is_empty or self._is_stopped):
            # Or a signal could leave an attempt that is claimed, and that nobody runs.
            with undisturbed():
                if not any(map(self._begin, self._queue.take())):
                    return

    def _begin(self, attempt: Attempt) -> bool:
        """Run an attempt if this worker gets it; return False if it is another's, or is not to be run any more."""
        trial = self._planned(attempt.number)
        if trial is None:  # the plan of a search grows, and a network may show the queue before it
            self._queue.later(attempt)
            return False
        if trial.orphan or trial.trashed or attempt.number in self._running:
            return False
        if is_to_end(self._sweep_dir, attempt):
            return False
        try:
            directory = self._directory(trial)
        except SweepError as error:  # nobody can run it, so that nobody is to wait for it
            self._ledger.ended(attempt, "lost", str(error))
            return False
        if not claim_for_worker(directory, trial.key, attempt.attempt, (self._sweep_dir, attempt.number)):
            if next_attempt(directory) <= attempt.attempt:  # it is done, so that nobody will ever claim this one
                self._ledger.ended(attempt, None, "an earlier attempt is done")
            return False
        self._ledger.claimed(attempt)
        # With its place: the folder may be mounted at another path here than where the sweep was planned.
        overrides = (*trial.overrides, *place_overrides(self._sweep_dir, trial.dir))
        [handle] = self._pool.submit([TrialJob(attempt.number, attempt.attempt, overrides)], "worker")
        self._running[attempt.number] = _Running(attempt, handle, time.monotonic())
        return True

    def _directory(self, trial: PlannedTrial) -> Path:
        """Return where a trial runs.

        Raises:
            SweepError: the plan does not name it, or it is not in the sweep's folder.
        """
        if trial.dir is None:
            raise SweepError("the plan does not name the trial's directory, so no worker can claim it")
        try:
            return below(self._sweep_dir, trial.dir)
        except Outside as error:
            raise SweepError(f"no worker runs it: {error}") from None

    def _planned(self, number: int) -> PlannedTrial | None:
        found = SweepPaths(self._sweep_dir).trials.stat()
        if self._plan != (found.st_ino, found.st_mtime_ns):  # whoever goes on with the sweep plans anew
            self._plan = found.st_ino, found.st_mtime_ns
            self._trials = {trial.number: trial for trial in read_planned(self._sweep_dir)}
        return self._trials.get(number)

    def _ended(self, end: JobEnd) -> None:
        one = self._running[end.handle.job.number]
        self._longest = max(self._longest, time.monotonic() - one.began)
        record, reason = self._record(one.attempt), end.reason
        if one.attempt.number in self._asked:
            reason = "cancelled on request"
        elif record is not None and record.state is TrialState.CANCELLED:
            # A scheduler signals every process of a job: ours comes in a moment, and explains the trial's end.
            time.sleep(_LOOK)
        with undisturbed():
            del self._running[one.attempt.number]
            self._asked.discard(one.attempt.number)
            self._note_end(one.attempt, record, None if end.verdict is None else str(end.verdict), reason)

    def _note_end(self, attempt: Attempt, record: TrialRecord | None, verdict: str | None, reason: str) -> None:
        """Note how an attempt ended: in the events if it could not do so itself, and in the ledger."""
        state = record.state if record is not None else TrialState.LOST
        if not state.ended or (state is TrialState.CANCELLED and verdict == FailureCause.TIMEOUT):
            verdict = verdict or "lost"
            event = Event(
                verdict,
                attempt.number,
                attempt.attempt,
                job_id=scheduler_job(),
                message=reason,
                beats=record.beats if record else None,
            )
            self._events.write([event])
            state = event.verdict[0] if event.verdict else TrialState.LOST
        self.states.append(state)
        self._ledger.ended(attempt, verdict, reason)

    @cached_property
    def _events(self) -> EventLog:
        return EventLog(self._sweep_dir)  # made when it is needed, because it reads all events

    def _record(self, attempt: Attempt) -> TrialRecord | None:
        """Return the record of an attempt, or None if it has not begun."""
        with suppress(OSError, FormatError, SweepError):
            trial = self._planned(attempt.number)
            record = TrialRecord.read(self._directory(trial)) if trial else None
            return record if record and record.attempt == attempt.attempt else None
        return None

    def _wind_down(self, interruption: Interruption) -> None:
        """End what runs, and note what becomes of it; a second signal kills it."""
        unwanted = set(self._asked)
        with suppress(KeyboardInterrupt, Terminated):
            self._cancel_all()
        self._cancel_all()
        for number, one in self._running.items():
            record = self._record(one.attempt)
            if record is not None and record.state.ended and record.state is not TrialState.CANCELLED:
                self._note_end(one.attempt, record, None, "")
            elif number in unwanted:
                self._note_end(one.attempt, record, "cancelled", "cancelled on request")
            elif interruption == "timeout":
                self._note_end(one.attempt, record, str(FailureCause.TIMEOUT), "the time of its worker was up")
            else:
                self._put_back(one.attempt, record)
        self._running.clear()

    def _cancel_all(self) -> None:
        """Ask what runs to end, and wait for that; asked again, the pool kills it."""
        self._pool.cancel([one.handle for one in self._running.values()])
        for _ in self._pool.events():
            pass

    def _put_back(self, attempt: Attempt, record: TrialRecord | None) -> None:
        """Let another worker run a trial again: it has not ended by itself."""
        reason = "its worker was told to end, and another one runs it again"
        beats = record.beats if record else None
        self._events.write([Event(REQUEUED, attempt.number, attempt.attempt, message=reason, beats=beats)])
        following = Attempt(attempt.number, attempt.attempt + 1)
        name = following_name(self._ledger.worker, following)
        put_in_queue(self._sweep_dir, name, attempt.kind, [following])
        self._ledger.back(attempt, reason)
