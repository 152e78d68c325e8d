"""Trials as jobs of a cluster, as the sweep sees them, and as Hydra's other sweepers see them."""

from __future__ import annotations

import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, filter_overrides
from hydra.errors import CompactHydraException
from submitit.core.utils import JobPaths

from hyperherd.errors import SweepError
from hyperherd.launch.base import (
    JobEnd,
    JobHandle,
    JobRequeued,
    NotNow,
    SignOfLife,
    TrialJob,
    TrialLauncher,
    WaitingJob,
)
from hyperherd.launch.cluster.arrays import ConcurrencyCap
from hyperherd.launch.cluster.base import Cluster, Submission
from hyperherd.launch.cluster.earlier import EarlierJobs
from hyperherd.launch.cluster.ending import JobEnder
from hyperherd.launch.cluster.environment import check_handed_on, scrubbed_environment, without_secrets
from hyperherd.launch.cluster.job import ClusterJob, JobPayload
from hyperherd.launch.cluster.limits import ArrayLimits
from hyperherd.launch.cluster.settings import ClusterSettings, check_texts, read_cluster_settings
from hyperherd.launch.cluster.watch import Watch
from hyperherd.launch.commands import Outage, Outcome
from hyperherd.launch.pickles import keep_private, make_private
from hyperherd.launch.returned import failed
from hyperherd.launch.submission import NotSubmitted
from hyperherd.records.job_ids import batch_label, is_batch_name
from hyperherd.schedulers import SchedulerUnavailable, find_scheduler
from hyperherd.trial.ending import TrialFailed
from hyperherd.trial.signals import Terminated, undisturbed

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

log = logging.getLogger("hyperherd")


class ClusterLauncher(TrialLauncher):
    """Submits each batch as one array of jobs, and watches them.

    Args:
        work: what the jobs run.
        cluster: where.
        settings: how.
        secrets: variables that reach jobs in the environment of the submission alone.

    Raises:
        SweepError: jobs cannot be submitted from here, or not with these options.
    """

    def __init__(
        self, work: JobPayload, cluster: Cluster, settings: ClusterSettings, secrets: Mapping[str, str] | None = None
    ) -> None:
        cluster.check()
        self._secrets = secrets or {}
        check_handed_on(cluster, self._secrets)
        self._work = work
        self._cluster = cluster
        self._settings = settings
        self._watch = Watch(cluster, settings.poll_s)
        self._cap = ConcurrencyCap(settings.parallelism)
        self._limits = ArrayLimits(cluster, self._cap, self._watch)
        self._ender = JobEnder(cluster)
        self._earlier = EarlierJobs(cluster)
        self._uncertain: set[str] = set()

    @property
    def name(self) -> str:
        """The launcher's name."""
        return self._cluster.name

    @property
    def cluster(self) -> str:
        """The name of the cluster whose queue it is."""
        with suppress(SchedulerUnavailable):
            return self._cluster.cluster_name()
        return ""

    def awaited_cluster(self) -> str:
        """Return the name of the cluster, when it answers."""
        return self._earlier.cluster_name()

    @property
    def resources(self) -> Mapping[str, Any]:
        """The options of `hydra.launcher` that each trial may have of its own, with what all get."""
        return self._cluster.resources

    @property
    def waits(self) -> bool:
        """Whether the sweep waits for its jobs."""
        return self._settings.wait

    @property
    def slots(self) -> int:
        """How many jobs of the sweep run at once, if the cluster lets them."""
        return self._settings.parallelism

    @property
    def has_queue(self) -> bool:
        """Jobs outlive the sweep."""
        return True

    def batches(self, jobs: Sequence[TrialJob]) -> list[list[TrialJob]]:
        """Divide `jobs` by the resources they get, and by how many one array can hold."""
        for job in jobs:
            check_texts(job.resources)
        largest = self._cluster.max_array_size()
        return self._cap.plan(jobs, min(largest, self._settings.max_array_size or largest))

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Submit a batch as one array, called `name`."""
        folder = self._settings.folder
        files = JobPaths.get_first_id_independent_folder(folder)
        try:
            make_private(files)
        except OSError as error:
            raise SweepError(
                f"hydra.launcher.submitit_folder: {files} cannot be closed to other users: {error}"
            ) from None
        # Before the submission: a job may start before that returns, and reads this file first.
        work = self._work.save(files)
        parallelism, after = self._cap.of(jobs)
        submission = Submission(folder, name, jobs[0].resources, parallelism, after)
        with scrubbed_environment(self._cluster, self._secrets):
            runs = [self._run_of(work, job) for job in jobs]
            ids = self._submitted(submission, runs)
        self._limits.room_is_used()
        self._cap.submitted(jobs, ids[0].partition("_")[0])
        handles = [JobHandle(job, job_id, name) for job, job_id in zip(jobs, ids, strict=True)]
        for handle in handles:
            self._watch.add(handle, folder)
        paths = [self._paths(handle) for handle in handles]
        # submitit writes both with the user's umask; the script holds hydra.launcher.env, which may name secrets.
        keep_private(file for one in paths for file in (one.submitted_pickle, one.submission_file))
        log.info("%s: submitted %s", self.name, _span(ids))
        return handles

    def room(self, wanted: int) -> int:
        """Return `wanted` if more jobs may run now, else 0; an array that has many jobs then makes room for some."""
        if not self.waits or self._cap.is_idle or self._cap.free >= 1:
            return wanted
        self._limits.make_room(wanted)
        return 0

    @property
    def waiting(self) -> Mapping[int, WaitingJob]:
        """Why jobs in the queue do not run yet, as the scheduler last reported it."""
        return {
            handle.job.number: WaitingJob(str(handle.job_id), state.waits_for, state.is_stuck)
            for handle, state in self._watch.states
            if state.phase == "pending" and state.waits_for
        }

    def listen(self, sign_of_life: SignOfLife) -> bool:
        """Hold no trial for dead that gives signs of life, whatever the scheduler reports."""
        self._watch.sign_of_life = sign_of_life
        return True

    def events(self) -> Iterator[JobEnd | JobRequeued | None]:
        """Yield each job when it has ended or is requeued, until none is left, and None between two polls."""
        while not self._watch.is_over:
            for end in self._watch.poll():
                self._watch.close(end.handle)
                self._ender.ended(end.handle)
                self._cap.ended(end.handle.job)
                yield end
            yield from self._watch.take_requeued()
            if self._watch.has_polled:
                self._limits.balance()
            self._ender.ask()
            yield None
            if not self._watch.is_over:
                time.sleep(self._watch.pause)

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Cancel these jobs, again until they are gone; when they have ended, :meth:`events` yields their ends."""
        self._ender.add(handle for handle in handles if handle.job_id and self._watch.knows(handle.job_id))
        for handle in handles:
            self._watch.cancelled(handle)

    def find(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Return those of a batch's jobs that the scheduler has and that can run; waits for its answer.

        A job whose submission was interrupted before it got its pickle cannot: it would wait for that for a minute and
        fail. It is cancelled, so that the trial can be submitted again.
        """
        handles = self._earlier.found(jobs, name)
        # submitit renames the pickle to the job's id after sbatch has returned; without it the job cannot run.
        able = [handle for handle in handles if self._paths(handle).submitted_pickle.exists()]
        self._earlier.cancel([handle for handle in handles if handle not in able])
        return able

    def adopt(self, handles: Sequence[JobHandle]) -> list[JobHandle]:
        """Watch those of an earlier sweep's jobs that are still queued or running, and return them.

        It waits for the scheduler's answer. A trial that gives signs of life is watched although the scheduler does not
        know its job; any other such job is cancelled, because one that was only not listed must not run as well.
        """
        known = self._earlier.known(handles)
        adopted = [handle for handle, state in known if state.phase != "ended"]
        arrays: dict[str, list[TrialJob]] = defaultdict(list)
        for handle in adopted:
            self._watch.add(handle, self._settings.folder)
            arrays[str(handle.job_id).partition("_")[0]].append(handle.job)
        for array_id, jobs in arrays.items():
            if width := self._cap.adopted(jobs, array_id):
                self._limits.change(array_id, width)
        found = {handle.job_id for handle, _ in known}
        unknown = [handle for handle in handles if handle.job_id is not None and handle.job_id not in found]
        speaking = self._watch.speaking(unknown)
        for handle in speaking:
            self._watch.add(handle, self._settings.folder, is_known=False)
            self._cap.adopted([handle.job], str(handle.job_id))
        self._earlier.cancel([handle for handle in unknown if handle not in speaking])
        return adopted + speaking

    @property
    def past_ends(self) -> Sequence[JobEnd]:
        """The ends of jobs given to :meth:`adopt` and :meth:`requeued` that ended while no sweep watched them."""
        return self._earlier.past_ends

    def requeued(self, handles: Sequence[JobHandle], restarts: Mapping[int, int]) -> list[JobHandle]:
        """Return those of an earlier sweep's jobs that the scheduler runs again, although their trials have ended."""
        known = self._earlier.known(handles)
        return [handle for handle, state in known if state.is_back(restarts.get(handle.job.number))]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run jobs as any Hydra launcher does, for sweepers of others; see `hydra.plugins.launcher`."""
        if not self.waits:
            raise CompactHydraException(
                "hydra.launcher.wait=false needs hydra/sweeper=herd, because this sweeper needs the results of its "
                "jobs; add hydra/sweeper=herd, or set hydra.launcher.wait=true"
            )
        jobs = [TrialJob(initial_job_idx + index, 0, tuple(texts)) for index, texts in enumerate(job_overrides)]
        for job in jobs:
            log.info("\t#%d : %s", job.number, " ".join(filter_overrides(job.overrides)))
        handles: list[JobHandle] = []
        returned: dict[int, JobReturn] = {}
        try:
            for batch in self.batches(jobs):
                handles += self._patiently(batch, f"{batch_label(self._settings.name)}-{secrets.token_hex(3)}")
            for end in self.events():
                if isinstance(end, JobEnd):
                    returned[end.handle.job.number] = end.returned or _made_up(end)
        except BaseException:  # Ctrl-C, SIGTERM: no job may keep running after the user ended the sweep
            self.cancel(handles)
            if self._ender.unasked:
                log.warning(
                    "jobs may still run, because they could not be cancelled: %s", " ".join(self._ender.unasked)
                )
            raise
        return [returned[job.number] for job in jobs]

    def _patiently(self, batch: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Submit a batch, again until the scheduler takes it."""
        outage = Outage("the jobs are submitted later")
        while True:
            try:
                return self.submit(batch, name)
            except NotNow as delay:
                outage.failed(str(delay))
                time.sleep(outage.seconds_left)

    def _run_of(self, work: Path, job: TrialJob) -> Any:
        """Return what a job runs; `work` is the file of the payload."""
        asks = self._cluster.is_preempting, self._cluster.is_requeued
        return ClusterJob(work, job, *asks, self._settings.max_num_preempted)

    def _submitted(self, submission: Submission, runs: Sequence[Any]) -> list[str]:
        """Submit `runs` and return the jobs' ids.

        Raises:
            NotNow: it can be tried again later, under the same name.
            SweepError: the scheduler refuses them.
        """
        # sbatch may have reported a timeout for jobs that the controller has queued: they would run twice.
        self._cancel_half_submitted(submission.name)
        executor, is_submitted = self._cluster.executor(submission), False
        try:
            # A Ctrl-C between the scheduler's answer and its note would leave jobs that no record names.
            with undisturbed():
                with executor.batch():
                    submitted = [executor.submit(run) for run in runs]
                is_submitted = True
            return [job.job_id for job in submitted]
        except (KeyboardInterrupt, Terminated):  # it was put off until now
            if not is_submitted:  # the command hung, and was stopped: the scheduler may have heard it
                self._uncertain.add(submission.name)
                with suppress(NotNow, SweepError):
                    self._cancel_half_submitted(submission.name)
            raise
        except NotSubmitted as failure:
            if failure.outcome is Outcome.LATER:
                self._uncertain.add(submission.name)
                raise NotNow(f"{self.name}: {failure.message}") from None
            if failure.outcome is Outcome.FULL:
                raise NotNow(f"{self.name}: {failure.message}", is_full=True) from None
            error: Exception = failure
        except (RuntimeError, OSError) as other:  # submitit's errors are RuntimeErrors
            error = other
        raise SweepError(f"{self.name}: {_jobs(len(runs))} cannot be submitted: {error}")

    def _cancel_half_submitted(self, job_name: str) -> None:
        """Cancel jobs that the scheduler accepted without reporting it; they have no pickles and could never run.

        Raises:
            NotNow: it does not answer, so that there may be such jobs.
        """
        if job_name not in self._uncertain or not is_batch_name(job_name):  # `a,b` would select jobs called `a`
            return
        try:
            if ids := self._cluster.find(job_name):
                self._cluster.cancel(ids)
        except SchedulerUnavailable as silence:
            raise NotNow(f"{self.name}: {silence}") from None
        self._uncertain.discard(job_name)

    def _paths(self, handle: JobHandle) -> JobPaths:
        return JobPaths(self._settings.folder, handle.job_id, 0)


@dataclass(frozen=True)
class LauncherParts:
    """What a launcher of jobs is made of; see :class:`ClusterLauncher`."""

    work: JobPayload
    cluster: Cluster
    settings: ClusterSettings
    secrets: Mapping[str, str]


def launcher_parts(
    name: str, context: HydraContext, task_function: TaskFunction, config: DictConfig, options: Mapping[str, Any]
) -> LauncherParts:
    """Return the parts of the launcher called `name` for what Hydra hands to every launcher, and `hydra.launcher`.

    Raises:
        SweepError: jobs cannot be submitted from here, or not with these options.
    """
    scheduler = find_scheduler(name)
    assert scheduler is not None, name
    settings, rest = read_cluster_settings(name, options, Path(config.hydra.sweep.dir).absolute())
    rest, secrets = without_secrets(rest)
    cluster = scheduler.cluster_class()(rest, settings.folder)
    return LauncherParts(JobPayload(context, task_function, config), cluster, settings, secrets)


def cluster_launcher(
    name: str, context: HydraContext, task_function: TaskFunction, config: DictConfig, options: Mapping[str, Any]
) -> ClusterLauncher:
    """Return the launcher called `name`, of one job for each trial; see :func:`launcher_parts`."""
    parts = launcher_parts(name, context, task_function, config, options)
    return ClusterLauncher(parts.work, parts.cluster, parts.settings, parts.secrets)


def _span(ids: Sequence[str]) -> str:
    return f"job {ids[0]}" if len(ids) == 1 else f"{len(ids)} jobs, {ids[0]} to {ids[-1]}"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _made_up(end: JobEnd) -> JobReturn:
    job = end.handle.job
    return failed(filter_overrides(job.overrides), TrialFailed(f"job {job.number} ({end.handle.job_id}): {end.reason}"))
