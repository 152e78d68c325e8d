"""The pool as the sweep sees it, and as Hydra's other sweepers see it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides

from hyperherd.errors import SweepError
from hyperherd.escape import one_line
from hyperherd.launch.base import ROUTINE, JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.launch.local.cpu import cores
from hyperherd.launch.local.ending import job_end
from hyperherd.launch.local.messages import Cancel, Ended, Kill, Start, Started, Waiting, read_report
from hyperherd.launch.local.server import Times
from hyperherd.launch.local.slots import Limits, plan_capacity, usable_gpus
from hyperherd.launch.local.start import Pool, ServerProcess, start_server
from hyperherd.launch.local.trial import PoolPayload
from hyperherd.launch.processes import kill_group
from hyperherd.records.disk.ownership import make_folder
from hyperherd.trial.ending import TrialFailed
from hyperherd.trial.repeated_errors import FirstErrors, repeated
from hyperherd.trial.signals import undisturbed

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

log = logging.getLogger("hyperherd")

_TICK = 1.0
"""Seconds after which :meth:`LocalLauncher.events` yields None, so that its caller can do other work."""


class LocalLauncher(TrialLauncher):
    """Runs each trial in a process of its own, with a limit on how many run at once.

    Nothing starts before :meth:`events` is iterated. An interrupt of that leaves the trials running, so that they can
    be cancelled and their ends awaited by iterating again; one after :meth:`cancel` ends them at once.

    Args:
        context: Hydra's.
        task_function: what each trial runs.
        config: of the sweep.
        options: `hydra.launcher`, as conf/hydra/launcher/herd_local.yaml explains it.
        shows_output: whether trials print where this process prints.

    Raises:
        SweepError: the options cannot be followed on this machine.
    """

    def __init__(
        self,
        context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
        options: Mapping[str, Any],
        *,
        shows_output: bool,
    ) -> None:
        rest = dict(options)
        self._method: str = rest.pop("start_method")
        self._timeout_min: float | None = rest.pop("timeout_min")
        grace: float = rest.pop("grace_s")
        startup: float = rest.pop("startup_time_s")
        if startup < 0:
            raise SweepError(f"hydra.launcher.startup_time_s: {startup} is not a number of seconds from 0 up")
        limits = Limits(**rest)
        capacity = plan_capacity(limits, usable_gpus(limits, os.environ), cores(), os.environ)
        seconds = None if self._timeout_min is None else self._timeout_min * 60
        self._pool = Pool(capacity, Times(seconds, grace, startup), limits.gate)
        self._work = PoolPayload(context, task_function, config, shows_output)
        self._server: ServerProcess | None = None
        self._is_cancelled = False
        self._new: list[TrialJob] = []
        self._dropped: list[TrialJob] = []
        self._open: dict[int, JobHandle] = {}
        self._pids: dict[int, int] = {}
        self._first_errors = FirstErrors()

    @property
    def name(self) -> str:
        """The launcher's name."""
        return "herd_local"

    @property
    def forks(self) -> bool:
        """Whether it forks this process."""
        return True

    @property
    def slots(self) -> int:
        """How many trials run at once."""
        return len(self._pool.capacity.slots)

    @property
    def resources(self) -> Mapping[str, Any]:
        """What each trial may have of its own."""
        return {"timeout_min": self._timeout_min}

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Queue `jobs`; they start when :meth:`events` is iterated."""
        handles = [JobHandle(job) for job in jobs]
        self._is_cancelled = False  # what was cancelled were all trials that there were then
        self._new += jobs
        self._open.update({handle.job.number: handle for handle in handles})
        return handles

    def events(self) -> Iterator[JobEnd | None]:
        """Run what is queued, and yield each trial when its process has ended."""
        while self._open:
            self._hand_over()
            heard = self._heard()
            if not heard:
                yield None
            for message in heard:
                if isinstance(message, Started):
                    self._started(message)
                elif isinstance(message, Waiting):
                    log.info(message.reason)
                else:
                    yield self._ended(message)
        self.close()

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Ask these trials to end; those that wait never start. Asked again, all of them are killed."""
        numbers = frozenset(handle.job.number for handle in handles)
        if self._is_cancelled and numbers >= self._open.keys():
            self._send_if_served(Kill())
        self._is_cancelled = numbers >= self._open.keys()
        self._dropped += [job for job in self._new if job.number in numbers]
        self._new = [job for job in self._new if job.number not in numbers]
        self._send_if_served(Cancel(numbers))

    def _send_if_served(self, message: Any) -> None:
        if self._server is not None:
            self._send(message)

    def close(self) -> None:
        """Let the server end, and wait for it."""
        if self._server is not None:
            server, self._server = self._server, None
            server.channel.close()
            os.waitpid(server.pid, 0)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run jobs as any Hydra launcher does, for sweepers of others; see `hydra.plugins.launcher`."""
        make_folder(Path(str(self._work.config.hydra.sweep.dir)))
        jobs = [TrialJob(initial_job_idx + index, 0, tuple(texts)) for index, texts in enumerate(job_overrides)]
        log.info("running %d jobs, at most %d at once", len(jobs), len(self._pool.capacity.slots))
        handles, returned = self.submit(jobs, "launch"), {}
        try:
            for end in self.events():
                if end is not None:
                    returned[end.handle.job.number] = end.returned or _made_up(end)
        except BaseException:  # Ctrl-C, SIGTERM: no trial may keep running after the user ended the sweep
            self.cancel(handles)
            for _ in self.events():
                pass
            raise
        return [returned[job.number] for job in jobs]

    def _hand_over(self) -> None:
        """Send new jobs to the server, which is started for the first of them."""
        if not self._new:
            return
        if self._server is None:
            self._server = start_server(self._work, self._pool, self._method, log.warning)
        with undisturbed():
            # Together: a signal between the two lines would have the jobs sent twice.
            self._send(Start(tuple(self._new)))
            self._new = []

    def _send(self, message: Any) -> None:
        assert self._server is not None
        with suppress(OSError), undisturbed():  # if it is gone, `_heard` finds that out
            self._server.channel.send(message)

    def _heard(self) -> list[Started | Waiting | Ended]:
        """Wait a moment for the server's next message; jobs that it never got end here."""
        if self._dropped:
            dropped, self._dropped = self._dropped, []
            return [Ended(job.number) for job in dropped]
        assert self._server is not None
        try:
            if not wait([self._server.channel], timeout=_TICK):
                return []
        except BaseException:
            if self._is_cancelled:
                self._send(Kill())
            raise
        try:
            with undisturbed():
                # Undisturbed, because a message that was read in part would leave the channel out of step.
                return [self._server.channel.recv()]
        except (EOFError, OSError):
            return self._lost()

    def _lost(self) -> list[Started | Waiting | Ended]:
        """Clean up after a server that was killed; its trials die with it, and here whatever they had started."""
        for pid in self._pids.values():
            kill_group(pid)
        self.close()
        return [Ended(number, lost="the process that runs the trials was killed") for number in self._open]

    def _started(self, message: Started) -> None:
        self._pids[message.number] = message.pid
        gpus = f" on GPU {','.join(message.gpus)}" if message.gpus else ""
        overrides = filter_overrides(self._open[message.number].job.overrides)
        log.info("trial %d started%s: %s", message.number, gpus, " ".join(overrides), extra=ROUTINE)

    def _ended(self, message: Ended) -> JobEnd:
        self._pids.pop(message.number, None)
        log_lines = read_report(message.report).log_lines
        for line in log_lines:
            extra = ROUTINE if line.level < logging.WARNING else None
            first = self._first_errors.before(message.number, line.error) if line.error else None
            text = line.text if first is None else repeated(line.short, first)
            logging.getLogger(line.logger).log(line.level, "%s", text, extra=extra)
        handle = self._open.pop(message.number)
        end = job_end(handle, message, handle.job.resources.get("timeout_min", self._timeout_min))
        if end.verdict == "cancelled":
            log.info("trial %d cancelled", message.number, extra=ROUTINE)
        # What the trial logged as an error itself needs no second line.
        elif end.reason and not any(line.level >= logging.ERROR for line in log_lines):
            log.error("trial %d failed: %s", message.number, one_line(end.reason))
        return end


def _made_up(end: JobEnd) -> JobReturn:
    returned = JobReturn(overrides=list(filter_overrides(end.handle.job.overrides)), status=JobStatus.FAILED)
    returned.return_value = TrialFailed(f"job {end.handle.job.number}: {end.reason}")
    return returned
