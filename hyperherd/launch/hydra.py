"""Any Hydra launcher behind our interface: basic, joblib, submitit, or an unknown one.

Such a launcher numbers the jobs of one call in a row. `hydra.job.num` is the trial's number if it gets numbers in a
row, which it does in a new sweep, and in every sweep whose config uses that number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.trial.ending import in_words

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

log = logging.getLogger("hyperherd")


_ONE_BY_ONE = "BasicLauncher"
"""Hydra's own."""


class HydraLauncher(TrialLauncher):
    """Runs trials through a Hydra launcher's ``launch``, which blocks until a whole block has ended.

    Args:
        launcher: Hydra's.
        has_started: whether a job ever started; when a launcher fails, the others are handed over again.
        max_block: how many jobs are handed over at once; None for all.
        contiguous: whether a block may only hold numbers in a row, because the config uses Hydra's count of jobs.
    """

    def __init__(
        self,
        launcher: Launcher,
        has_started: Callable[[TrialJob], bool],
        *,
        max_block: int | None = None,
        contiguous: bool = False,
    ) -> None:
        self._launcher = launcher
        self._has_started = has_started
        self._max_block = max_block
        self._contiguous = contiguous
        self._waiting: list[JobHandle] = []
        self._dropped: list[JobHandle] = []

    @property
    def name(self) -> str:
        """The launcher's name."""
        return type(self._launcher).__name__

    @property
    def slots(self) -> int | None:
        """How many jobs are handed over at once; one by one to the launcher that runs them so."""
        return self._max_block if self.takes_batches else 1

    @property
    def takes_batches(self) -> bool:
        """Whether all jobs of a block have ended before the next one begins, and more than one may run."""
        return self.name != _ONE_BY_ONE

    @property
    def shows_output(self) -> bool:
        """Whether trials may print where the sweep prints; that is not known, so yes."""
        return True

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Queue `jobs`; they start when :meth:`events` is iterated."""
        handles = [JobHandle(job) for job in jobs]
        self._waiting += handles
        return handles

    def events(self) -> Iterator[JobEnd]:
        """Launch block after block, yielding the jobs of each when it has ended."""
        # Asked anew for each block, because trials are added (retries) and cancelled while one runs.
        while self._waiting or self._dropped:
            dropped, self._dropped = self._dropped, []
            yield from (JobEnd(handle, verdict="cancelled") for handle in dropped)
            if self._waiting:
                yield from self._launch(self._next_block())

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Drop jobs that have not started; a running block cannot be stopped."""
        numbers = {handle.job.number for handle in handles}
        self._dropped += [handle for handle in self._waiting if handle.job.number in numbers]
        self._waiting = [handle for handle in self._waiting if handle.job.number not in numbers]

    def _next_block(self) -> list[JobHandle]:
        first = self._waiting[0].job.number
        size = 1
        while size < len(self._waiting) and size != self._max_block:
            if self._contiguous and self._waiting[size].job.number != first + size:
                break
            size += 1
        block, self._waiting = self._waiting[:size], self._waiting[size:]
        return block

    def _launch(self, block: list[JobHandle]) -> Iterator[JobEnd]:
        overrides = [list(handle.job.overrides) for handle in block]
        try:
            returned = self._launcher.launch(overrides, initial_job_idx=block[0].job.number)
        except Exception as error:  # noqa: BLE001 - the boundary to another plugin; trials record their own ends
            yield from self._given_up(block, error)
            return
        padded = [*returned, *[None] * (len(block) - len(returned))]
        for handle, job_return in zip(block, padded, strict=True):
            yield JobEnd(
                handle, job_return, reason="" if job_return else f"{self.name} returned no result for this trial"
            )

    def _given_up(self, block: list[JobHandle], error: Exception) -> Iterator[JobEnd]:
        """Yield the jobs that had started, and queue the others again; all end if none had, or it would never end."""
        reason = f"{self.name} failed: {in_words(error)}"
        log.warning(reason)
        started = [handle for handle in block if self._has_started(handle.job)] or block
        numbers = {handle.job.number for handle in started}
        self._waiting = [handle for handle in block if handle.job.number not in numbers] + self._waiting
        for handle in started:
            yield JobEnd(handle, reason=reason)
