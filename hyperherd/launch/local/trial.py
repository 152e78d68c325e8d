"""The process of one trial: from its start to its last record.

It has a session of its own, so that a terminal's Ctrl-C does not reach it and all it starts can be ended with it. It
composes its config, runs the job as Hydra does, and leaves the JobReturn in its report.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, run_job
from omegaconf import DictConfig

from hyperherd.compat.cpython import run_exit_functions
from hyperherd.launch.base import TrialJob
from hyperherd.launch.local.compose import Composer
from hyperherd.launch.local.messages import LogLine, Returned, append
from hyperherd.launch.processes import die_with_parent
from hyperherd.launch.returned import failed, pickled
from hyperherd.launch.worker import TrialTask
from hyperherd.trial.repeated_errors import REPEATABLE

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction


@dataclass(frozen=True)
class PoolPayload:
    """What all trials have in common.

    Attributes:
        context: Hydra's.
        task_function: what they run.
        config: of the sweep.
        shows_output: whether they print where the sweep prints. If not, what they print is seen only where the task
            function puts it, and what they log about themselves is logged by the sweep when they have ended.
    """

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    shows_output: bool


def setup_trial_process(held: Iterable[signal.Signals], parent: int, *, shows_output: bool) -> None:
    """Make this new process a trial's; signals that were held back are let through at the end."""
    if os.getpid() != os.getsid(0):
        os.setsid()
    die_with_parent()
    if os.getppid() != parent:  # it went before the line above
        os._exit(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0,) if shows_output else (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def run_trial(work: PoolPayload, composer: Composer, job: TrialJob, report: IO[bytes]) -> None:
    """Run the job and append its JobReturn to `report`."""
    returned = _run(work, composer, job, report)
    append(report, Returned(pickled(returned)))


def finish() -> None:
    """Do what an interpreter does before it ends: wait for threads, run exit functions, write out what is buffered."""
    run_exit_functions()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a broken pipe, a closed stream, or an object of a class of the user's
            stream.flush()


def _run(work: PoolPayload, composer: Composer, job: TrialJob, report: IO[bytes]) -> JobReturn:
    task = work.task_function
    if isinstance(task, TrialTask):
        task = task.for_attempt(job.attempt)
    try:
        return run_job(
            hydra_context=work.context,
            task_function=task if work.shows_output else _retold(task, report),
            config=composer.compose(job),
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except BaseException as error:  # noqa: BLE001 - the boundary of a process: no caller above can handle it
        return failed(job.overrides, error)


def _retold(task_function: TaskFunction, report: IO[bytes]) -> TaskFunction:
    """Return `task_function` with what this package logs meanwhile noted in the report."""

    @functools.wraps(task_function)
    def task(config: DictConfig) -> Any:
        with _noted_in(report):
            return task_function(config)

    return task


@contextmanager
def _noted_in(report: IO[bytes]) -> Iterator[None]:
    logger, handler = logging.getLogger("hyperherd"), _Notes(report)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Notes(logging.Handler):
    """Puts log records into a report; those of this process alone, for a child that it forks has the file too."""

    def __init__(self, report: IO[bytes]) -> None:
        super().__init__(logging.INFO)
        self._report = report
        self._owner = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == self._owner:
            error, short = getattr(record, REPEATABLE, ("", ""))
            append(self._report, LogLine(record.name, record.levelno, self.format(record), error, short))
