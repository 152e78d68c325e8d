"""The jobs of an earlier sweep: which of them their scheduler still has, asked for as long as it does not answer.

Without that answer a trial could run twice, so a sweep that resumes another one starts nothing before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob
from hyperherd.launch.cluster.base import Cluster, JobState, place_in_array
from hyperherd.launch.cluster.ending import by_batch, cancel
from hyperherd.launch.commands import Outage
from hyperherd.records.job_ids import is_batch_name


class EarlierJobs:
    """Asks one scheduler about jobs that another sweep has submitted.

    Args:
        cluster: the scheduler.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._outage = Outage(
            "jobs that were submitted earlier may be queued or running, so nothing is started until it answers"
        )
        self.past_ends: list[JobEnd] = []
        """How those ended that :meth:`known` was asked about."""

    def cluster_name(self) -> str:
        """Return the name of the scheduler's cluster; empty if it has none."""
        return self._outage.wait_for(self._cluster.cluster_name, self._cluster.name)

    def found(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Return handles for those of a batch that the scheduler has, ended or not."""
        if not is_batch_name(name):
            return []
        ids = self._outage.wait_for(lambda: self._cluster.find(name), self._cluster.name)
        places = [(place_in_array(job_id, self._cluster.first_index), job_id) for job_id in ids]
        return [JobHandle(jobs[place], job_id, name) for place, job_id in places if place < len(jobs)]

    def known(self, handles: Sequence[JobHandle]) -> list[tuple[JobHandle, JobState]]:
        """Return those of these jobs that the scheduler knows under their names, with their states; notes the ends."""
        by_id = {handle.job_id: handle for handle in handles if handle.job_id is not None}
        if not by_id:
            return []
        states = self._outage.wait_for(lambda: self._states(by_id), self._cluster.name)
        known = [(by_id[job_id], state) for job_id, state in states.items()]
        self.past_ends += [
            JobEnd(handle, None, state.reason, state.verdict) for handle, state in known if state.verdict
        ]
        return known

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Cancel jobs that are not to run.

        Raises:
            SweepError: the scheduler refuses.
        """
        self._outage.wait_for(lambda: cancel(self._cluster, handles), self._cluster.name)

    def _states(self, by_id: Mapping[str, JobHandle]) -> dict[str, JobState]:
        # Ids are reused (LSF after 999999, Slurm after MaxJobId): a job of another sweep could be adopted.
        batches = by_batch(by_id.values())
        confirmed = {job_id for name, ids in batches.items() for job_id in self._cluster.confirmed(ids, name)}
        return self._cluster.query([job_id for job_id in by_id if job_id in confirmed])
