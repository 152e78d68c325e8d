"""Ending jobs: they are cancelled by id and name together, and again until they are gone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobHandle
from hyperherd.launch.cluster.base import Cluster
from hyperherd.launch.commands import Outage
from hyperherd.schedulers import SchedulerUnavailable

_ASKED_AGAIN = 60.0
"""Seconds after which a job that was cancelled and still runs is cancelled again."""


class JobEnder:
    """The jobs of one launcher that are to end.

    Args:
        cluster: whose jobs they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._handles: dict[str, JobHandle] = {}
        self._outage = Outage("jobs are not cancelled yet; that is repeated until they are gone")
        self._ask_again = 0.0

    @property
    def unasked(self) -> list[str]:
        """The ids of those whose end the scheduler was asked for without success, when it was last asked."""
        return [] if self._outage.is_due else list(self._handles)

    def add(self, handles: Iterable[JobHandle]) -> None:
        """Ask for the end of jobs now."""
        self._handles.update({handle.job_id: handle for handle in handles if handle.job_id is not None})
        self._ask_again = 0.0
        self.ask()

    def ended(self, handle: JobHandle) -> None:
        """Note that a job is gone."""
        self._handles.pop(str(handle.job_id), None)

    def ask(self) -> None:
        """Ask for the end of all of them, if it is time to."""
        if not self._handles or not self._outage.is_due or time.monotonic() < self._ask_again:
            return
        try:
            cancel(self._cluster, self._handles.values())
        except (SchedulerUnavailable, SweepError) as failure:
            self._outage.failed(f"{self._cluster.name}: {failure}")
        else:
            self._outage.over()
            self._ask_again = time.monotonic() + _ASKED_AGAIN


def cancel(cluster: Cluster, handles: Iterable[JobHandle]) -> None:
    """Ask for the end of those of these jobs that have the name of their batch.

    Raises:
        SchedulerUnavailable: the scheduler cannot be asked at the moment.
        SweepError: it refuses.
    """
    for name, job_ids in by_batch(handles).items():
        cluster.cancel(sorted(job_ids), name)


def by_batch(handles: Iterable[JobHandle]) -> dict[str, list[str]]:
    """Return the ids of jobs by the names of their batches."""
    batches: dict[str, list[str]] = defaultdict(list)
    for handle in handles:
        if handle.job_id is not None:
            batches[handle.batch].append(handle.job_id)
    return batches
