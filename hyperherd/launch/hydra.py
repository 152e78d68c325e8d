"""Any Hydra launcher behind our seam: basic, joblib, submitit, or one we have never heard of.

Such a launcher numbers the jobs of one call in a row, so it gets contiguous blocks of trial numbers: then
`hydra.job.num` is the trial's number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher

log = logging.getLogger("hyperherd")


class HydraLauncher(TrialLauncher):
    """Runs trials through a Hydra launcher's ``launch``, which blocks until a whole block has ended."""

    def __init__(self, launcher: Launcher, max_block: int | None = None) -> None:
        self._launcher = launcher
        self._max_block = max_block
        self._waiting: list[JobHandle] = []

    def submit(self, jobs: Sequence[TrialJob]) -> list[JobHandle]:
        """Queue `jobs`; they start when :meth:`events` is iterated."""
        handles = [JobHandle(job) for job in jobs]
        self._waiting += handles
        return handles

    def events(self) -> Iterator[JobEnd]:
        """Launch block after block, yielding the jobs of each when it has ended."""
        while self._waiting:
            block = self._next_block()
            yield from self._launch(block)

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Forget jobs that have not started; a block that runs cannot be reached."""
        self._waiting = [handle for handle in self._waiting if handle not in handles]

    def _next_block(self) -> list[JobHandle]:
        first = self._waiting[0].job.number
        size = 1
        while size < len(self._waiting) and self._waiting[size].job.number == first + size and size != self._max_block:
            size += 1
        block, self._waiting = self._waiting[:size], self._waiting[size:]
        return block

    def _launch(self, block: list[JobHandle]) -> Iterator[JobEnd]:
        overrides = [list(handle.job.overrides) for handle in block]
        try:
            returned = self._launcher.launch(overrides, initial_job_idx=block[0].job.number)
        except Exception as error:  # noqa: BLE001 - a foreign plugin's boundary: the truth lies in the trials
            reason = f"{type(self._launcher).__name__} gave up: {type(error).__name__}: {error}"
            log.warning(reason)
            for handle in block:
                yield JobEnd(handle, reason=reason)
            return
        for handle, job_return in zip(block, self._padded(returned, len(block)), strict=True):
            yield JobEnd(handle, job_return, reason="" if job_return else "the launcher returned nothing for it")

    @staticmethod
    def _padded(returned: Sequence[JobReturn], size: int) -> list[JobReturn | None]:
        return [*returned, *[None] * (size - len(returned))]
