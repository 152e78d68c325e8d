"""What runs in a job: it becomes a process of the user's script, composes the trial's config and runs it.

Everything jobs have in common is pickled once, into a file of its own; a job's own pickle names it. Hydra's
JobReturn is saved beside submitit's result, because the job of a failed trial fails too, and then has no result.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import submitit
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import open_dict
from submitit.core.utils import DelayedSubmission, UncompletedJobError

from hyperherd.compat.hydra import Callbacks
from hyperherd.compat.submitit import may_time_out_again, requeue, warning_signal
from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialJob
from hyperherd.launch.commands import FIRST_PAUSE
from hyperherd.launch.payload import Payload
from hyperherd.launch.pickles import PRIVATE_UMASK, read_own
from hyperherd.launch.returned import failed, pickled, raised
from hyperherd.launch.worker import TrialTask, snapshot_of
from hyperherd.records.disk.files import replace_bytes
from hyperherd.records.states import FailureCause
from hyperherd.schedulers import hide_from_lightning, restarts
from hyperherd.trial.ending import Evicted, TrialFailed, in_words
from hyperherd.trial.signals import EXIT_CODES, Terminated, noted_signals

if TYPE_CHECKING:
    from hydra.types import TaskFunction
    from omegaconf import DictConfig


PATIENCE = 30.0
"""Seconds that a warned trial gets to write its last records, and a scheduler to requeue its job."""


class PreemptedTooOften(TrialFailed):
    """The job went back into the queue as often as it may, and does not run again."""


@dataclass(frozen=True)
class JobPayload:
    """What all jobs of a sweep have in common.

    Attributes:
        context: Hydra's.
        task_function: what they run.
        config: of the sweep.
    """

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    def save(self, folder: Path) -> Path:
        """Write it into `folder` for jobs to read, and return its file.

        Raises:
            SweepError: it cannot be pickled.
        """
        try:
            content = pickle.dumps(Payload.pack(self, snapshot_of(self.task_function)))
        except Exception as error:  # noqa: BLE001 - user code: pickling runs methods of their classes
            raise SweepError(
                f"the task function cannot be sent to jobs, because it cannot be pickled: {in_words(error)}"
            ) from None
        path = folder / f"work-{_digest(content)}.pkl"
        if not (path.is_file() and path.read_bytes() == content):
            # Named by its hash: batches of a sweep share one file, and a job detects a file that was replaced.
            replace_bytes(path, content, private=True)
        return path

    @classmethod
    def load(cls, path: Path) -> JobPayload:
        """Return what :meth:`save` wrote, in the job.

        Raises:
            NotTrusted: another user could have written it.
            SweepError: it is not what the sweep wrote.
        """
        content = read_own(path)
        if path.name != f"work-{_digest(content)}.pkl":
            raise SweepError(
                f"{path} is not the file that the sweep wrote: its content does not match the hash in its name; "
                "submit the trial again"
            )
        work = pickle.loads(content).unpack()
        if not isinstance(work, cls):
            raise SweepError(
                f"{path} contains an object of {type(work).__name__}, not the payload of a job; submit the trial again"
            )
        return work


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def returned_path(result: Path) -> Path:
    """Return where a job saves its JobReturn, given the path of submitit's result pickle."""
    return result.with_name(result.name.replace("_result.pkl", "_returned.pkl"))


class ClusterJob:
    """One job; submitit calls it in each of its processes.

    Args:
        work: the file of the :class:`JobPayload`.
        job: which trial; a requeued job runs it as its next attempt.
        is_preempting: called in a job that was asked to end: whether it is being preempted.
        is_requeued: called there too: whether the scheduler is going to run the job again.
        max_num_preempted: how often the job may go back into the queue for another reason than its time limit.
    """

    # Jobs that an earlier version submitted have none of these in their pickles.
    _max_num_preempted = 100
    _timeouts = 0
    _is_requeued: Callable[[], bool] | None = None

    def __init__(
        self,
        work: Path,
        job: TrialJob,
        is_preempting: Callable[[], bool],
        is_requeued: Callable[[], bool] | None = None,
        max_num_preempted: int = 100,
    ) -> None:
        # Jobs in a queue hold these names in their pickles: a renamed one would fail there, maybe weeks later.
        self._work = work
        self._job = job
        self._is_preempting = is_preempting
        self._is_requeued = is_requeued
        self._max_num_preempted = max_num_preempted

    def __call__(self) -> None:
        """Run the trial, or join it as a further rank.

        Raises:
            TrialFailed: it failed, so that the job does.
        """
        environment = submitit.JobEnvironment()
        work = JobPayload.load(self._work)
        try:
            if environment.global_rank:
                self._join(work, environment)
            else:
                self._lead(work, environment)
        finally:
            os.umask(PRIVATE_UMASK)  # the trial is over: what is written now is submitit's pickle of the result

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit is to run when the job is requeued: the same, as the trial's next attempt."""
        return DelayedSubmission(self)

    @property
    def _preemptions_left(self) -> int:
        """How often the job may still go back for another reason than its time; the scheduler counts all restarts."""
        return self._max_num_preempted - ((restarts(os.environ) or 0) - self._timeouts)

    def _lead(self, work: JobPayload, environment: submitit.JobEnvironment) -> None:
        if environment.num_tasks == 1:
            hide_from_lightning()
        returned_file = returned_path(environment.paths.result_pickle)
        for stale in (returned_file, environment.paths.result_pickle):
            # Of an earlier run of a requeued job: the sweep would take them for the end of this one.
            stale.unlink(missing_ok=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit ignores it
        warning = _Warning(environment, self._note_timeout, may_be_preempted=self._preemptions_left > 0)
        returned = self._run(work, environment) if self._preemptions_left >= 0 else self._preempted_too_often()
        warning.answer()
        # Before submitit writes its result, for which the sweep waits: that file must find this one complete.
        replace_bytes(returned_file, pickled(returned), durable=False, private=True)
        if reason := raised(returned):
            raise TrialFailed(reason)

    def _comes_back(self) -> bool:
        """Return whether this job, which was asked to end, is going to run again; the trial records it."""
        return bool(self._is_requeued and self._is_requeued()) or self._may_return_from_preemption()

    def _may_return_from_preemption(self) -> bool:
        return self._preemptions_left > 0 and self._is_preempting()

    def _note_timeout(self) -> None:
        self._timeouts += 1  # in the pickle that submitit writes when it requeues the job

    def _preempted_too_often(self) -> JobReturn:
        reason = (
            f"the job went back into the queue more often than hydra.launcher.max_num_preempted="
            f"{self._max_num_preempted} allows, not counting its time limit"
        )
        return failed(self._job.overrides, PreemptedTooOften(reason))

    def _run(self, work: JobPayload, environment: submitit.JobEnvironment) -> JobReturn:
        task = work.task_function
        if isinstance(task, TrialTask):
            task = task.for_attempt(self._job.attempt, self._comes_back)
        try:
            with noted_signals():
                return run_job(
                    hydra_context=work.context,
                    task_function=task,
                    config=self._compose(work, environment),
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
        except (Terminated, KeyboardInterrupt):  # the scheduler knows why, and may requeue the job
            if self._may_return_from_preemption():
                _insistently(lambda: requeue(environment))
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary of a job: no caller above can handle it
            return failed(self._job.overrides, error)

    def _join(self, work: JobPayload, environment: submitit.JobEnvironment) -> None:
        """Run the task function in a further process of the job: nothing is written, the callbacks stay with rank 0."""
        environment.paths.result_pickle.unlink(missing_ok=True)  # of an earlier run of a requeued job
        for number in (signal.SIGTERM, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        # The scheduler warns every process of the job: each rank would requeue it, so only rank 0 answers.
        signal.signal(warning_signal(environment), signal.SIG_IGN)
        task = work.task_function
        config = self._compose(work, environment)
        with open_dict(config):
            config.hydra.output_subdir = None
        returned = run_job(
            hydra_context=replace(work.context, callbacks=Callbacks()),
            task_function=task.join if isinstance(task, TrialTask) else task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        if returned.status is JobStatus.FAILED:
            _ = returned.return_value  # raises what the rank raised

    def _compose(self, work: JobPayload, environment: submitit.JobEnvironment) -> DictConfig:
        config = work.context.config_loader.load_sweep_config(work.config, list(self._job.overrides))
        with open_dict(config):
            config.hydra.job.id = environment.job_id
            config.hydra.job.num = self._job.number
        return config


class _Warning:
    """The scheduler's warning of a job: it ends the trial first, and is answered by submitit then.

    submitit's own handler would requeue the job from within the running trial, which the scheduler would then kill
    before it has written its last records. A trial that does not end in time (ranks may wait for one another) is not
    waited for.
    """

    def __init__(
        self, environment: submitit.JobEnvironment, note_timeout: Callable[[], None], *, may_be_preempted: bool
    ) -> None:
        self._pid = os.getpid()
        self._note_timeout = note_timeout
        self._may_be_preempted = may_be_preempted
        self._evicted: Evicted | None = None
        self._signal = warning_signal(environment)
        self._answer: Any = signal.getsignal(self._signal)
        self._impatience: threading.Timer | None = None
        signal.signal(self._signal, self._end_trial)

    def answer(self) -> None:
        """Requeue the job if it was warned and may come back, and do not return then; further warnings are ignored."""
        signal.signal(self._signal, signal.SIG_IGN)
        if self._impatience is None:
            return
        self._impatience.cancel()
        for number in EXIT_CODES:  # when the scheduler requeues a job, it signals this run of it
            signal.signal(number, signal.SIG_IGN)
        if self._comes_back:
            with suppress(UncompletedJobError):  # it was requeued max_num_timeout times
                _insistently(lambda: self._answer(self._signal, None))

    @property
    def _is_of_timeout(self) -> bool:
        return self._evicted is not None and self._evicted.cause is FailureCause.TIMEOUT

    @property
    def _comes_back(self) -> bool:
        return self._is_of_timeout or self._may_be_preempted

    def _end_trial(self, _: int, __: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked child: LSF signals every process of a job
            return
        signal.signal(self._signal, signal.SIG_IGN)
        self._evicted = _eviction(self._answer, may_be_preempted=self._may_be_preempted)
        if self._is_of_timeout:
            self._note_timeout()
        self._impatience = threading.Timer(PATIENCE, self._lose_patience)
        # Or the interpreter would wait for it at its end.
        self._impatience.daemon = True
        self._impatience.start()
        raise self._evicted

    def _lose_patience(self) -> None:
        if not self._comes_back:
            os._exit(1)
        with suppress(UncompletedJobError, SystemExit):
            _insistently(lambda: self._answer(self._signal, None))


def _insistently(requeue: Callable[[], None]) -> None:
    """Have the job requeued; a scheduler whose command fails, as it does in an outage, is asked again for a while.

    Raises:
        subprocess.SubprocessError: it failed to the last; this run of the job is killed soon anyway.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return requeue()
        except subprocess.SubprocessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(FIRST_PAUSE)


def _eviction(handler: Any, *, may_be_preempted: bool) -> Evicted:
    """Return how the trial is to end, as submitit's handler judges the warning."""
    handler = getattr(handler, "__self__", None)
    is_over = handler is None or handler.has_timed_out()
    comes_back = handler is not None and (may_time_out_again(handler) if is_over else may_be_preempted)
    cause = FailureCause.TIMEOUT if is_over else FailureCause.PREEMPTED
    what = "the time limit was reached" if is_over else "the job was preempted"
    return Evicted(cause, f"{what}; the job is requeued" if comes_back else what, requeued=comes_back)
