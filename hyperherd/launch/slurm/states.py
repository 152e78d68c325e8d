"""What Slurm's commands print, read: the states of jobs, and what they mean for a trial."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from hyperherd.launch.cluster.base import JobState, RankFailure
from hyperherd.launch.commands import is_signal
from hyperherd.records.states import FailureCause

_WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_AT_IT = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "SIGNALING", "STAGE_OUT", "STOPPED", "RESIZING"}
_VERDICTS: dict[str, FailureCause | Literal["cancelled"]] = {
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "TIMEOUT": FailureCause.TIMEOUT,
    "DEADLINE": FailureCause.TIMEOUT,
    "OUT_OF_MEMORY": FailureCause.OOM,
    "NODE_FAIL": FailureCause.NODE_FAILURE,
    "BOOT_FAIL": FailureCause.NODE_FAILURE,
    "LAUNCH_FAILED": FailureCause.NODE_FAILURE,
    "PREEMPTED": FailureCause.PREEMPTED,
}
_LEAST = 4
_NOWHERE = "None assigned"
_NO_LOG = 53
"""The signal that Slurm makes up for a job whose log it could not open."""
_OUT_OF_MEMORY = re.compile(
    r"^(?:slurmstepd|srun)\S*: error: .*(?:oom[_ -]?kill|exceeded .*memory limit|out of memory)", re.I | re.M
)
_TASK = re.compile(r"^srun: error: [^:\n]+: tasks? (\d+)[\d,-]*: (.+)$", re.M)
"""srun's line about tasks that have failed; the first is of those whose failure ends the others."""
_WHOLE_JOB = re.compile(r"^slurmstepd\S*: error: \*\*\* JOB .*$", re.M)
_TERMINATED = re.compile(r"^Terminated\b|exit code 143\b")
_CODE = re.compile(r"exit code (\d+)")
_MEMORY = re.compile(r"out of memory", re.I)
_NEVER = re.compile(
    r"JobHeld\w*|DependencyNeverSatisfied|PartitionConfig|PartitionNodeLimit|PartitionTimeLimit|BadConstraints"
    r"|\w*PerJob(?:Limit)?|\w*MaxWall\w*|\w*Minutes?\w*Limit|(?:Account|QOS|Partition)NotAllowed|InvalidAccount"
    r"|InvalidQOS|PartitionInactive|PartitionDown|launch_failed_requeued_held"
)
"""Reasons of waiting jobs that hold until the user or an administrator changes something."""
_ARRAY = re.compile(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]")


def job_state(word: str, code: int, signal: int, where: str = "") -> JobState:
    """Return what a state means; a job in one that a later Slurm has added has not ended, as far as is known.

    Args:
        word: as Slurm prints it, ``CANCELLED by 0`` included.
        code: the exit code.
        signal: the signal that ended the job, or 0.
        where: its node, for people.
    """
    state = word.split(" ")[0]
    reason = f"Slurm: {word}{_exit(code, signal)}{f' on {where}' if where and where != _NOWHERE else ''}"
    if state in _WAITING:
        return JobState("pending", reason=reason)
    if state in _AT_IT:
        return JobState("running", reason=reason)
    if state == "COMPLETED":
        return JobState("ended", reason=reason, succeeded=True)
    if state == "FAILED":
        if signal == _NO_LOG:
            return JobState(
                "ended",
                FailureCause.EXIT,
                f"{reason}: Slurm could not write the log of the job; does its folder still exist?",
            )
        # A shell exits with 128 and the number of the signal that killed its command.
        killed = signal or is_signal(code)
        return JobState("ended", FailureCause.SIGNAL if killed else FailureCause.EXIT, reason)
    return JobState("ended", _VERDICTS[state], reason) if state in _VERDICTS else JobState("running", reason=reason)


def read_squeue(text: str) -> dict[str, JobState]:
    """Return the jobs in the lines ``id|state|status|nodes|restarts|reason`` of ``squeue -r -O``.

    The status is that of ``wait``.
    """
    states = {}
    for job_id, word, status, nodes, restarts, reason in _fields(text, 6):
        number = int(status) if status.isdigit() else 0
        state = job_state(word, number >> 8, number & 127, nodes)
        if state.phase == "pending" and reason not in ("", "None"):
            state = replace(state, waits_for=reason, is_stuck=_NEVER.match(reason) is not None)
        states[job_id] = replace(state, restarts=int(restarts) if restarts.isdigit() else None)
    return states


def read_sacct(text: str) -> dict[str, JobState]:
    """Return the jobs that have ended in the lines ``id|state|code:signal|nodes`` of ``sacct -P``.

    Jobs that still run are left to squeue: accounting is some seconds late, and shows a job as running forever if its
    end was lost. A step that ran out of memory is more precise than its job, which only failed.
    """
    states: dict[str, JobState] = {}
    for written, word, status, nodes in _fields(text, 4):
        job_id, _, step = written.partition(".")
        if step:
            known = states.get(job_id)
            if word == "OUT_OF_MEMORY" and known is not None and not known.succeeded:
                states[job_id] = JobState("ended", FailureCause.OOM, f"{known.reason}, step {step} {word}")
            continue
        code, _, signal = status.partition(":")
        state = job_state(word, int(code or 0), int(signal or 0), nodes)
        if state.phase == "ended":
            states.update(dict.fromkeys(expand(job_id), state))
    return states


def expand(job_id: str) -> Iterator[str]:
    """Yield the ids that ``12_[3-5,7%2]`` stands for; an id that stands for itself is yielded as it is."""
    match = _ARRAY.fullmatch(job_id)
    if match is None:
        yield job_id
        return
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        for index in range(int(first), int(last or first) + 1):
            yield f"{match[1]}_{index}"


def ran_out_of_memory(log: str) -> bool:
    """Return whether Slurm's own lines in a job's log show that it was killed because it ran out of memory."""
    return _OUT_OF_MEMORY.search(log) is not None


def failed_rank(log: str) -> RankFailure | None:
    """Return the task of a job that failed first, by srun's lines in the job's log; Slurm ends the others then."""
    log = log[max((found.end() for found in _WHOLE_JOB.finditer(log)), default=0) :]  # after an earlier run's end
    found = _TASK.search(log)
    if found is None or _TERMINATED.search(found[2]):  # a SIGTERM to all of them is a cancellation
        return None
    code = _CODE.search(found[2])
    killed = code is None or is_signal(int(code[1]))
    cause = FailureCause.OOM if _MEMORY.search(found[2]) else FailureCause.SIGNAL if killed else FailureCause.EXIT
    return RankFailure(int(found[1]), cause, f"Slurm: task {found[1]}: {found[2]}")


def arrays(job_ids: Iterable[str]) -> list[str]:
    """Return the ids of the arrays, or jobs without one, that these jobs belong to, each once."""
    return list(dict.fromkeys(job_id.partition("_")[0] for job_id in job_ids))


def in_order(job_ids: Iterable[str]) -> list[str]:
    """Return `job_ids` in the order of their arrays."""
    return sorted(set(job_ids), key=lambda job_id: [int(part) for part in job_id.split("_")])


def _exit(code: int, signal: int) -> str:
    if signal:
        return f", signal {signal}"
    return f", exit code {code}" if code else ""


def _fields(text: str, count: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) >= _LEAST and parts[0]:
            yield [*parts, *[""] * count][:count]
