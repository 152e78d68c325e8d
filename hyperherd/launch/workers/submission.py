"""The jobs of workers, submitted and watched as any jobs are; their numbers are below 0, where no trial's is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.launch.base import JobHandle, TrialJob
from hyperherd.launch.cluster.launcher import ClusterLauncher, LauncherParts
from hyperherd.launch.workers.job import WorkerJob, WorkerTimes
from hyperherd.paths import FORMAT, SweepPaths
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.records.job_ids import is_batch_name
from hyperherd.records.workers.queue import kind_of


def is_worker(handle: JobHandle) -> bool:
    """Return whether a handle is that of a worker's job, and not of a trial."""
    return handle.job.number < 0


class WorkerJobs(ClusterLauncher):
    """Submits workers as jobs.

    Args:
        parts: of a launcher of jobs.
        sweep_dir: absolute.
        options: `hydra.launcher`.

    Raises:
        SweepError: workers cannot run with these options.
    """

    def __init__(self, parts: LauncherParts, sweep_dir: Path, options: Mapping[str, Any]) -> None:
        super().__init__(parts.work, parts.cluster, parts.settings, parts.secrets)
        self._sweep_dir = sweep_dir
        self._folder = SweepPaths(sweep_dir).workers / "jobs"
        seconds, minutes = options.get("signal_delay_s"), options.get("signal_delay_min")
        self._warned = float(seconds if seconds is not None else 60 * (minutes or 0))
        self._count = 0
        self._batch = ""
        self._check({})

    def jobs(self, count: int, resources: Mapping[str, Any]) -> list[TrialJob]:
        """Return jobs of workers that have these resources, to be submitted.

        Raises:
            SweepError: a worker cannot have them.
        """
        self._check(resources)
        self._count += count
        numbers = range(self._count - count + 1, self._count + 1)
        return [TrialJob(-number, 0, (), resources) for number in numbers]

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Submit workers; the intent is noted before, so that whoever goes on with the sweep finds them by it."""
        noted = {"format": FORMAT, "count": len(jobs), "resources": dict(jobs[0].resources)}
        replace_json(self._folder / f"{name}.json", noted)
        self._batch = name
        return super().submit(jobs, name)

    def earlier(self) -> list[JobHandle]:
        """Return the jobs of workers of earlier invocations that are still queued or running, watched from now on."""
        found: list[JobHandle] = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                noted = read_json(path)
            except (OSError, FormatError):  # its workers claim trials even so; their ledgers show which
                continue
            count, resources = noted.get("count"), noted.get("resources")
            if type(count) is int and isinstance(resources, dict) and is_batch_name(path.stem):
                found += self.find(self.jobs(count, resources), path.stem)
        adopted = self.adopt(found)
        living = {handle.batch for handle in adopted}
        for name in {handle.batch for handle in found} - living:
            (self._folder / f"{name}.json").unlink(missing_ok=True)  # all of them have ended
        return adopted

    def _run_of(self, work: Path, job: TrialJob) -> WorkerJob:
        settings = self._settings
        return WorkerJob(
            work,
            self._sweep_dir,
            kind_of(job.resources),
            self._batch,
            settings.trials_per_worker,
            self._given("cpus_per_task", job.resources),
            self._times(job.resources),
            self._cluster.is_preempting,
            settings.max_num_preempted,
        )

    def _given(self, name: str, resources: Mapping[str, Any]) -> Any:
        return resources.get(name, self.resources.get(name))

    def _times(self, resources: Mapping[str, Any]) -> WorkerTimes:
        minutes = self._given("timeout_min", resources)
        return WorkerTimes(
            None if minutes is None else 60.0 * minutes, self._warned, 60.0 * (self._settings.trial_time_min or 0.0)
        )

    def _check(self, resources: Mapping[str, Any]) -> None:
        for name in ("nodes", "tasks_per_node"):
            if (self._given(name, resources) or 1) != 1:
                raise SweepError(
                    f"hydra.launcher.workers: a worker is one process, so {name} has to be 1; use one job per trial "
                    "(workers=null) for trials of several"
                )
        shift = self._times(resources).shift(0.0)
        if shift.ends is not None and shift.longest >= shift.ends:
            raise SweepError(
                f"hydra.launcher.trial_time_min: a worker claims trials for {shift.ends / 60:.1f} of its "
                f"{self._given('timeout_min', resources)} minutes (timeout_min, less the time before which it is "
                f"warned), which is not enough for one of {self._settings.trial_time_min:g} minutes"
            )
