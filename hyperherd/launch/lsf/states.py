"""What LSF's states mean: for submitit, and as a verdict on a trial. STAT decides; an exit code may be missing."""

from __future__ import annotations

import signal
from typing import Literal

from hyperherd.launch.commands import is_signal
from hyperherd.launch.lsf.parsing import JobRow
from hyperherd.records.states import FailureCause

Verdict = FailureCause | Literal["cancelled"]

RUN_LIMIT_CODE = 128 + signal.SIGUSR2
"""Of a job that has no handler for the signal of the run limit."""

_WAITING = ("PEND", "PROV", "WAIT", "PSUSP")
_RUNNING = ("RUN", "USUSP", "SSUSP")
_CANCELLED = (
    "TERM_OWNER", "TERM_ADMIN", "TERM_FORCE_OWNER", "TERM_FORCE_ADMIN", "TERM_BUCKET_KILL", "TERM_ORPHAN_SYSTEM",
)  # fmt: skip
_TIMEOUT = ("TERM_RUNLIMIT", "TERM_CPULIMIT")
_MEMORY = ("TERM_MEMLIMIT", "TERM_SWAP")
_PREEMPTED = ("TERM_LOAD", "TERM_WINDOW", "TERM_PREEMPT", "TERM_DEADLINE", "TERM_MC_RECALL")
_LOST_NODE = ("TERM_ZOMBI", "TERM_ZOMBIE", "TERM_UNKNOWN")
_SIGNAL = ("TERM_EXTERNAL_SIGNAL",)
_REQUEUED = "TERM_REQUEUE"


def submitit_state(row: JobRow) -> str:
    """Return submitit's word for the state that `row` shows.

    A suspended job is RUNNING: submitit takes SUSPENDED for an end.
    """
    if row.stat in _WAITING:
        return "PENDING"
    if row.stat in _RUNNING:
        return "RUNNING"
    if row.stat in ("DONE", "POST_DONE", "POST_ERR"):
        return "COMPLETED"
    if row.stat == "UNKWN":
        return "UNKNOWN"
    if wants_requeue(row):
        return "REQUEUED"
    return _SUBMITIT.get(verdict(row), "FAILED")


def has_exited(row: JobRow) -> bool:
    """Whether LSF reports that the job has ended, and not successfully."""
    return row.stat in ("EXIT", "ZOMBI")


def wants_requeue(row: JobRow) -> bool:
    """Whether LSF itself is about to requeue the job after this end."""
    return row.stat == "EXIT" and row.reason.startswith(_REQUEUED)


def is_explained(row: JobRow) -> bool:
    """Whether LSF reports why it ended the job, so that the end is final."""
    return row.reason.startswith("TERM_") and not wants_requeue(row)


def verdict(row: JobRow) -> Verdict:
    """Return how a job that has exited ended."""
    term = row.reason.partition(":")[0].strip()
    if row.stat == "ZOMBI" or term in _LOST_NODE:
        return FailureCause.NODE_FAILURE
    for terms, word in _VERDICTS:
        if term in terms:
            return word
    if not term and row.exit_code is None and row.host == "":  # it ended before it started
        return "cancelled"
    if row.exit_code == RUN_LIMIT_CODE:
        return FailureCause.TIMEOUT
    if not term and row.exit_code == 128 + signal.SIGINT:  # bkill begins with it
        return "cancelled"
    return FailureCause.SIGNAL if row.exit_code is not None and is_signal(row.exit_code) else FailureCause.EXIT


_SUBMITIT: dict[Verdict, str] = {
    "cancelled": "CANCELLED",
    FailureCause.TIMEOUT: "TIMEOUT",
    FailureCause.OOM: "OUT_OF_MEMORY",
    FailureCause.NODE_FAILURE: "NODE_FAIL",
}
_VERDICTS: tuple[tuple[tuple[str, ...], Verdict], ...] = (
    (_CANCELLED, "cancelled"),
    (_TIMEOUT, FailureCause.TIMEOUT),
    (_MEMORY, FailureCause.OOM),
    (_PREEMPTED, FailureCause.PREEMPTED),
    (_SIGNAL, FailureCause.SIGNAL),
)
