"""How a trial's process ended, as the sweep reports it."""

from __future__ import annotations

import os
import pickle
import signal
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from hyperherd.launch.base import JobEnd, JobHandle
from hyperherd.launch.local.messages import Ended, StopReason, read_report
from hyperherd.launch.returned import raised
from hyperherd.records.states import FailureCause
from hyperherd.trial.ending import in_words


def job_end(handle: JobHandle, ended: Ended, timeout_min: float | None) -> JobEnd:
    """Return the end of a trial as the sweep gets it.

    The trial's own report counts, except for a timeout: the trial cannot know why it was stopped.
    """
    returned, reason = _returned(read_report(ended.report).returned)
    if ended.stop_reason is StopReason.TIMEOUT:
        return JobEnd(handle, returned, f"stopped after timeout_min={timeout_min:g} minutes", FailureCause.TIMEOUT)
    if returned is not None and (ended.stop_reason is None or returned.status is JobStatus.COMPLETED):
        reason = raised(returned)
        return JobEnd(handle, returned, reason, FailureCause.EXCEPTION if reason else None)
    if reason:
        return JobEnd(handle, None, reason)
    if ended.lost:
        return JobEnd(handle, None, ended.lost, "lost")
    if ended.stop_reason is StopReason.CANCEL or ended.status is None:
        return JobEnd(handle, returned, "the sweep was interrupted", "cancelled")
    cause, reason = _violence(ended.status, out_of_memory=ended.out_of_memory)
    return JobEnd(handle, None, reason, cause)


def _returned(pickled: bytes | None) -> tuple[JobReturn | None, str]:
    if pickled is None:
        return None, ""
    try:
        found: Any = pickle.loads(pickled)
    except Exception as error:  # noqa: BLE001 - user code: unpickling runs methods of their classes
        return None, f"the return value cannot be unpickled: {in_words(error)}"
    return found, ""


def _violence(status: int, *, out_of_memory: bool) -> tuple[FailureCause, str]:
    """Return the cause that the exit status of a process without a report means, and a message about it."""
    if not os.WIFSIGNALED(status):
        return FailureCause.EXIT, f"the process exited with code {os.WEXITSTATUS(status)} before the trial ended"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL and out_of_memory:
        return FailureCause.OOM, "killed by the kernel's out-of-memory killer"
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return FailureCause.SIGNAL, f"killed by {name}"
