"""Trials that are to be handed over to the launcher, and wait until it can take them.

Invariant: a trial that is here has no job that can run. What the launcher cannot be asked about stays under the name of
its batch, so that a job which it took without saying so is found; what does not fit is noted as waiting again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass

from hyperherd.errors import SweepError
from hyperherd.launch.base import NotNow, TrialJob, TrialLauncher
from hyperherd.launch.commands import Outage
from hyperherd.plural import counted
from hyperherd.sweep.running.collect import Collector

_PAUSE = 0.2


@dataclass(frozen=True)
class Refusal:
    """A trial that the launcher will never take.

    Attributes:
        job: of it.
        reason: the launcher's.
        is_retry: whether the trial has failed before; if not, it has not run.
    """

    job: TrialJob
    reason: str
    is_retry: bool


class Backlog:
    """Hands trials over, those that failed and run again first.

    Args:
        launcher: to it.
        collector: notes every submission before and after.
        label: prefix of their jobs' names.
    """

    def __init__(self, launcher: TrialLauncher, collector: Collector, label: str) -> None:
        self._launcher = launcher
        self._collector = collector
        self._label = label
        self._first: list[TrialJob] = []
        self._again: list[TrialJob] = []
        self._unsure: tuple[str, Sequence[TrialJob]] | None = None
        self._outage = Outage("trials are submitted when it answers")
        self._limit = Outage("the trials that do not fit are submitted as room comes", short=0.0)
        self._most = 0
        self.is_full = ""
        """Why the scheduler takes no more of them until some have ended."""

    def add(self, jobs: Sequence[TrialJob]) -> None:
        """Put trials at the end."""
        self._first += jobs

    def retry(self, job: TrialJob) -> None:
        """Put a trial that failed before those that have not run."""
        self._again.append(job)

    @property
    def numbers(self) -> Set[int]:
        """The trials that wait here."""
        return {job.number for job in (*self._first, *self._again)}

    @property
    def retries(self) -> Set[int]:
        """Those of them that have run before."""
        return {job.number for job in self._again}

    @property
    def seconds_left(self) -> float:
        """Seconds until the launcher is to be asked again."""
        return max(self._outage.seconds_left, self._limit.seconds_left, _PAUSE)

    def drop(self, numbers: Set[int]) -> None:
        """Forget trials."""
        if self._unsure and numbers & {job.number for job in self._unsure[1]}:
            self._collector.postponed(self._unsure[1], "the scheduler did not answer")
            self._unsure = None
        self._forget(numbers)

    def room_came(self) -> None:
        """Note that a job has ended, so that more may fit."""
        self._limit.hurry()

    def hand_over(self) -> list[Refusal]:
        """Hand over what the launcher takes now; returns what it refuses for good.

        Raises:
            SweepError: it refuses trials that have not run, and has taken none.
        """
        refused: list[Refusal] = []
        while self.numbers and self._outage.is_due and self._limit.is_due:
            if self._unsure is not None:
                self._submit(*self._unsure, refused)
                continue
            if not (jobs := self._next()):
                break
            for batch in self._launcher.batches(jobs):
                if not self._submit(None, batch, refused):
                    break
        if not self.numbers:
            self._limit.over()
            self._most, self.is_full = 0, ""
        return refused

    def _next(self) -> Sequence[TrialJob]:
        waiting = self._again or self._first
        jobs = waiting[: self._launcher.room(len(waiting))]
        return jobs[: self._most] if self._most else jobs

    def _submit(self, name: str | None, batch: Sequence[TrialJob], refused: list[Refusal]) -> bool:
        """Submit a batch; returns whether to go on with the next one."""
        if name is None:
            # Unlike that of any other batch: a later sweep finds these jobs in the queue by it.
            name = f"{self._label}-{secrets.token_hex(3)}"
            self._collector.handing_over(batch, name)
        try:
            handles = self._launcher.submit(batch, name)
        except NotNow as delay:
            self._delayed(name, batch, delay)
            return False
        except SweepError as error:
            self._refuse(batch, str(error), refused)
            return True
        self._unsure, self.is_full = None, ""
        self._most *= 2  # 0 is no limit
        self._outage.over(self._launcher.name)
        self._forget({job.number for job in batch})
        self._collector.handed_over(handles)
        return True

    def _delayed(self, name: str, batch: Sequence[TrialJob], delay: NotNow) -> None:
        if not delay.is_full:
            self._unsure = name, batch
            self._outage.failed(str(delay))
            return
        self._unsure = None
        self._collector.postponed(batch, str(delay))
        self._most = len(batch) // 2
        if not self._most:
            self.is_full = str(delay)
            self._most = 1
            self._limit.failed(f"{delay}; {counted(len(self.numbers), 'trial')} not submitted yet")

    def _refuse(self, batch: Sequence[TrialJob], reason: str, refused: list[Refusal]) -> None:
        is_retry = batch[0] in self._again
        self._unsure = None
        self._forget({job.number for job in batch})
        if is_retry:
            refused += [Refusal(job, reason, is_retry=True) for job in batch]
            return
        self._collector.refused(batch, reason)
        if not self._collector.open:
            raise SweepError(reason)
        refused += [Refusal(job, reason, is_retry=False) for job in batch]

    def _forget(self, numbers: Set[int]) -> None:
        self._first = [job for job in self._first if job.number not in numbers]
        self._again = [job for job in self._again if job.number not in numbers]
