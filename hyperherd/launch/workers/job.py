"""A worker as a job of a cluster: it becomes a process of the user's script, and forks trials from itself."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError

import submitit
from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import DelayedSubmission

from hyperherd.compat.submitit import requeue, warning_signal
from hyperherd.errors import SweepError
from hyperherd.launch.cluster.job import JobPayload, returned_path
from hyperherd.launch.local.launcher import LocalLauncher
from hyperherd.launch.pickles import PRIVATE_UMASK
from hyperherd.launch.returned import pickled
from hyperherd.launch.worker import TrialTask
from hyperherd.launch.workers.lingering import Lingering
from hyperherd.launch.workers.loop import Interruption, Shift, Worker
from hyperherd.launch.workers.sharing import pool_options
from hyperherd.records.disk.files import replace_bytes
from hyperherd.records.disk.ownership import VARIABLE, check_trusted, sweep_files
from hyperherd.records.workers.queue import kind_of
from hyperherd.schedulers import hide_from_lightning, restarts
from hyperherd.trial.signals import Terminated, noted_signals

_LAST_MINUTE = 60.0
"""Seconds before its time limit from which on the end of a job is put down to that."""
_EARLY = 60.0
"""Seconds by which Slurm may warn a job earlier than it was told to."""
_MARGIN = 5.0
"""Seconds that a job runs before its process begins to count."""


@dataclass(frozen=True)
class WorkerTimes:
    """How long a worker's job may take, in seconds.

    Attributes:
        limit: of the job; None for no limit.
        warned: how long before the limit its scheduler warns it.
        trial: what a trial takes, as far as the user knows.
    """

    limit: float | None
    warned: float
    trial: float

    def shift(self, began: float) -> Shift:
        """Return until when a worker whose process began then claims trials."""
        if self.limit is None:
            return Shift(None, self.trial)
        lost = min(self.warned, self.limit / 2) + min(_EARLY, self.limit / 4) + _MARGIN
        return Shift(began + self.limit - lost, self.trial)


class WorkerJob:
    """One worker; submitit calls it in its job.

    Args:
        work: the file of the :class:`JobPayload`.
        sweep_dir: absolute.
        kind: of the trials that it runs.
        batch: the name of its job.
        at_once: how many of them side by side.
        cores: of the job; None for those that its process may use.
        times: how long it may take.
        is_preempting: called in a job that was asked to end: whether it is being preempted.
        max_num_preempted: how often the job may go back into the queue.
    """

    def __init__(
        self,
        work: Path,
        sweep_dir: Path,
        kind: str,
        batch: str,
        at_once: int,
        cores: int | None,
        times: WorkerTimes,
        is_preempting: Callable[[], bool],
        max_num_preempted: int,
    ) -> None:
        # Jobs in a queue hold these names in their pickles: a renamed one would fail there, maybe weeks later.
        self._work = work
        self._sweep_dir = sweep_dir
        self._kind = kind
        self._batch = batch
        self._at_once = at_once
        self._cores = cores
        self._times = times
        self._is_preempting = is_preempting
        self._max_num_preempted = max_num_preempted

    def __call__(self) -> None:
        """Run trials until none is left, or no time for one.

        Raises:
            Terminated, KeyboardInterrupt: it was told to end; its scheduler knows why, and may run it again.
        """
        began = time.monotonic()
        environment = submitit.JobEnvironment()
        if os.environ.get(VARIABLE) != "1":
            # What is in the folder decides what runs: the plan was written by this user's sweep, or by nobody.
            check_trusted(sweep_files(self._sweep_dir))
        work = JobPayload.load(self._work)
        logging.basicConfig(format="[%(asctime)s] %(message)s", level=logging.INFO)
        hide_from_lightning()
        for path in (environment.paths.result_pickle, returned_path(environment.paths.result_pickle)):
            path.unlink(missing_ok=True)  # of an earlier run of a requeued job
        for number in (signal.SIGTERM, warning_signal(environment)):
            signal.signal(number, signal.SIG_DFL)  # submitit would requeue the job in the middle of everything
        try:
            with noted_signals(of_schedulers=True):
                self._worker(work, began).run()
        except (Terminated, KeyboardInterrupt):
            if self._may_return and self._is_preempting():
                with suppress(SubprocessError):  # its trials are in the queue of the workers again in any case
                    requeue(environment)
            raise
        finally:
            os.umask(PRIVATE_UMASK)  # what is written now is submitit's pickle of the result
        returned = JobReturn(status=JobStatus.COMPLETED)
        replace_bytes(returned_path(environment.paths.result_pickle), pickled(returned), durable=False, private=True)

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit is to run when the job is requeued."""
        return DelayedSubmission(self)

    @property
    def _may_return(self) -> bool:
        return (restarts(os.environ) or 0) < self._max_num_preempted

    def _worker(self, work: JobPayload, began: float) -> Worker:
        task = work.task_function
        if not isinstance(task, TrialTask):
            raise SweepError("workers run the trials of hydra/sweeper=herd alone")
        options = pool_options(self._at_once, self._cores)
        pool = LocalLauncher(work.context, task.of_worker(), work.config, options, shows_output=False)
        return Worker(
            self._sweep_dir,
            pool,
            kind=self._kind,
            batch=self._batch,
            at_once=self._at_once,
            shift=self._times.shift(began),
            lingers=Lingering(self._sweep_dir, awaits_growth=self._kind == kind_of({})),
            interruption=lambda error: self._interruption(began),
        )

    def _interruption(self, began: float) -> Interruption:
        limit = self._times.limit
        if limit is None or self._is_preempting():
            return "back"
        is_over = time.monotonic() - began > limit - min(self._times.warned, limit / 2) - _LAST_MINUTE
        return "timeout" if is_over else "back"
