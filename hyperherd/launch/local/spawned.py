"""A trial as a fresh interpreter: what is pickled for it, and how it starts."""

from __future__ import annotations

import os
import pickle
import sys

from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialJob
from hyperherd.launch.local.compose import Composer
from hyperherd.launch.local.cpu import VARIABLES, ThreadLimit
from hyperherd.launch.local.messages import Returned, append
from hyperherd.launch.local.trial import PoolPayload, finish, run_trial, setup_trial_process
from hyperherd.launch.payload import Payload
from hyperherd.launch.returned import failed, pickled
from hyperherd.launch.worker import snapshot_of
from hyperherd.trial.ending import in_words
from hyperherd.trial.signals import noted_signals


def pack(work: PoolPayload, reason: str) -> bytes:
    """Return `work` for :func:`main`.

    Raises:
        SweepError: it cannot be pickled.
    """
    try:
        payload = Payload.pack(work, snapshot_of(work.task_function))
    except Exception as error:  # noqa: BLE001 - user code: pickling runs methods of their classes
        raise SweepError(
            f"trials cannot be forked, because {reason}, and cannot run in fresh Python interpreters, because the task "
            f"function cannot be pickled: {in_words(error)}"
        ) from None
    return pickle.dumps((work.shows_output, payload))


def main() -> None:
    """Run a trial; the arguments are the descriptors of the work and of the report, which begins with the job."""
    from hyperherd.launch.local.server import HELD

    work_file, report_file = map(int, sys.argv[1:3])
    shows_output, payload = pickle.loads(_content(work_file))
    job, server = pickle.loads(_content(report_file))
    with noted_signals(of_schedulers=True):  # a forked trial has the sweep's handlers
        setup_trial_process(HELD, server, shows_output=shows_output)
        _run(payload, job, report_file)
    finish()


def _run(payload: Payload, job: TrialJob, report_file: int) -> None:
    with os.fdopen(report_file, "r+b") as report:
        report.truncate(0)
        report.seek(0)
        try:
            work: PoolPayload = payload.unpack()
        except BaseException as error:  # noqa: BLE001 - the boundary of a process, in which the user's script is imported
            append(report, Returned(pickled(failed(job.overrides, error))))
        else:
            ThreadLimit(int(os.environ[VARIABLES[0]])).apply()
            run_trial(work, Composer(work.context.config_loader, work.config), job, report)


def _content(descriptor: int) -> bytes:
    """Return what is in a file that other processes share: its position is theirs too, and stays where it is."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
