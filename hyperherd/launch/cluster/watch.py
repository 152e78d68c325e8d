"""Which jobs have ended: a success by the file it leaves, seen at once; the rest by polling the scheduler, rarely.

A job counts as dead when the scheduler has reported it twice, some seconds apart, without a result meanwhile: network
file systems show files late, and a job whose node died may be requeued. An unavailable scheduler is not a verdict. A
job that it does not know is lost only after a while, when its trial gives no sign of life and the scheduler, asked to
cancel it, has no such job. Signs of life are timed by this process' own clock: the clocks of two hosts differ.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from submitit.core.utils import JobPaths

from hyperherd.compat.hydra import result_of
from hyperherd.errors import SweepError
from hyperherd.launch.base import JobEnd, JobHandle, JobRequeued, SignOfLife
from hyperherd.launch.cluster.base import Cluster, JobState, RankFailure
from hyperherd.launch.cluster.ending import cancel
from hyperherd.launch.cluster.job import PreemptedTooOften, returned_path
from hyperherd.launch.commands import Outage
from hyperherd.launch.pickles import load_pickle
from hyperherd.launch.returned import raised
from hyperherd.records.disk.ownership import NotTrusted
from hyperherd.records.states import FailureCause
from hyperherd.schedulers import SchedulerUnavailable
from hyperherd.trial.ending import in_words

RESULTS_POLL = 0.5
"""Seconds between two searches for results; ten times the duration of a search if that is more."""
FIRST_POLL = 2.0
"""Seconds until the scheduler is first asked; the next questions come ever later, up to ``poll_s``."""
SETTLED = 2.0
"""Seconds between the two polls that must both report that a job has ended."""
SETTLED_SLOWLY = 10.0
"""The same where more is likely to follow: the result of a success, or a requeue after a lost node."""
FORGOTTEN = 12.0
"""Seconds after which a job that the scheduler does not know is given up; accounting is some seconds late."""
BEAT = 45.0
"""Seconds in which a running trial gives a sign of life: one heartbeat (30 s), and what a network file system adds."""
QUIET = 100.0
"""Seconds without a sign of life after which a trial that nobody else knows anything of is taken for dead."""
_TAIL = 20_000
_NO_PYTHON = re.compile(
    r"(?:line \d+: |execve\(\): )(\S*\bpython[\d.]*): (?:No such file|command not found|Permission denied|not found)"
)
"""How bash, and Slurm's srun, report it."""

log = logging.getLogger("hyperherd")


@dataclass
class _Watched:
    handle: JobHandle
    paths: JobPaths
    is_known: bool = True
    """Whether its id is that of our job; if not, the scheduler is neither asked about it nor told to cancel it."""
    cancelled: bool = False
    absent_since: float | None = None
    ended_since: float | None = None
    restarts: int = 0
    ruled_out: bool = False
    """Whether the scheduler has answered, asked to cancel it, since it was absent."""
    sign: object | None = None
    signed_at: float = 0.0
    state: JobState | None = None


class Watch:
    """Watches the jobs of one launcher.

    Args:
        cluster: the scheduler to poll.
        poll_s: seconds between two questions, after the first ones.
        clock: returns seconds, counted from any moment.
    """

    def __init__(self, cluster: Cluster, poll_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._poll_s = poll_s
        self._clock = clock
        self._open: dict[str, _Watched] = {}
        self._requeued: list[JobRequeued] = []
        self.sign_of_life: SignOfLife = lambda number: None
        self.has_polled = False
        """Whether the last :meth:`poll` got an answer of the scheduler."""
        self._outage = Outage("the jobs keep running, and the scheduler is polled again later", clock)
        self._last_duration = 0.0
        self.poll_soon()

    @property
    def pause(self) -> float:
        """Seconds to wait before the next poll."""
        return max(RESULTS_POLL, 10 * self._last_duration)

    @property
    def is_over(self) -> bool:
        """Whether no job is left."""
        return not self._open

    @property
    def states(self) -> Iterator[tuple[JobHandle, JobState]]:
        """The jobs that have not ended, as the scheduler last reported them."""
        return ((one.handle, one.state) for one in self._open.values() if one.state is not None)

    def add(self, handle: JobHandle, folder: Path, *, is_known: bool = True) -> None:
        """Watch a job.

        Args:
            handle: of it.
            folder: submitit's, where its files go.
            is_known: whether the scheduler has confirmed that it is ours; if not, its signs of life alone are watched.
        """
        assert handle.job_id is not None
        self._open[handle.job_id] = _Watched(handle, JobPaths(folder, handle.job_id, 0), is_known)
        self.poll_soon()

    def knows(self, job_id: str) -> bool:
        """Whether a job is watched, and is ours beyond doubt."""
        return job_id in self._open and self._open[job_id].is_known

    def speaking(self, handles: Sequence[JobHandle]) -> list[JobHandle]:
        """Return those of these jobs, which are not watched, whose trials give a new sign of life; waits for one.

        It takes as long as a heartbeat, and no time if none of them seems to run.
        """
        number_of = {handle.job.number: handle for handle in handles}
        first = {number: sign for number in number_of if (sign := self.sign_of_life(number)) is not None}
        silent, deadline = set(first), self._clock() + QUIET
        if silent:
            log.warning(
                "trials %s may still run although %s does not know their jobs; waiting up to %d s for a sign of life",
                ", ".join(map(str, sorted(silent))),
                self._cluster.name,
                QUIET,
            )
        while silent and self._clock() < deadline:
            time.sleep(RESULTS_POLL)
            silent = {number for number in silent if self.sign_of_life(number) == first[number]}
        ended = {number for number in first if self.sign_of_life(number) is None}
        return [handle for number, handle in number_of.items() if number in first.keys() - silent - ended]

    def cancelled(self, handle: JobHandle) -> None:
        """Note that a job was cancelled, so that its disappearance is not taken for a loss."""
        if watched := self._open.get(str(handle.job_id)):
            watched.cancelled = True
            self.poll_soon()

    def close(self, handle: JobHandle) -> None:
        """Forget a job."""
        self._open.pop(str(handle.job_id), None)

    def poll_soon(self) -> None:
        """Poll the scheduler again soon."""
        self._delay = min(FIRST_POLL, self._poll_s)
        self._next = self._clock() + self._delay

    def take_requeued(self) -> list[JobRequeued]:
        """Return the jobs that were put back into the queue since the last call."""
        taken, self._requeued = self._requeued, []
        return taken

    def poll(self) -> Iterator[JobEnd]:
        """Yield the jobs that have ended by now; each comes again until it is closed."""
        began, self.has_polled = self._clock(), False
        successes = list(self._with_results(self._open.values()))
        self._last_duration = self._clock() - began
        for watched in successes:
            yield _end_with_result(watched)
        if self._open and self._clock() >= self._next:
            yield from self._poll_scheduler()

    def _with_results(self, jobs: Iterable[_Watched]) -> Iterator[_Watched]:
        """Yield the jobs whose result is there, one listing for each folder; one that fails (ESTALE) is skipped."""
        by_folder: dict[Path, list[_Watched]] = defaultdict(list)
        for watched in jobs:
            by_folder[watched.paths.folder].append(watched)
        for folder, group in by_folder.items():
            with suppress(OSError), os.scandir(folder) as entries:
                # One scandir for all jobs of a folder: a stat for each is a request to the NFS server.
                names = {entry.name for entry in entries if entry.name.endswith("_result.pkl")}
                yield from (watched for watched in group if watched.paths.result_pickle.name in names)

    def _poll_scheduler(self) -> Iterator[JobEnd]:
        known = [job_id for job_id, watched in self._open.items() if watched.is_known]
        try:
            states = self._cluster.query(known) if known else {}
        except SchedulerUnavailable as silence:
            self._outage.failed(str(silence))
            self._next = self._clock() + self._outage.seconds_left
            return
        self._outage.over(self._cluster.name)
        self.has_polled = True
        self._back_off()
        self._note_requeued(states)
        for job_id, watched in self._open.items():
            watched.state = states.get(job_id) if watched.is_known else None
        dead = [(watched, self._death(watched)) for watched in self._open.values()]
        gone = [watched for watched, end in dead if end is not None]
        # NFS clients cache a listing for up to 60 s (acdirmax): a result may exist and not be in it yet.
        _refresh({watched.paths.folder for watched in gone})
        late = {watched.handle.job_id for watched in self._with_results(gone)}
        # A result that appeared meanwhile counts, whatever the scheduler reported of the job.
        yield from (end for watched, end in dead if end is not None and watched.handle.job_id not in late)

    def _note_requeued(self, states: Mapping[str, JobState]) -> None:
        for job_id, watched in self._open.items():
            state = states.get(job_id)
            if state is None or state.phase != "pending" or (state.restarts or 0) <= watched.restarts:
                continue
            watched.restarts = state.restarts or 0
            self._requeued.append(JobRequeued(watched.handle, state.reason))

    def _back_off(self) -> None:
        self._delay = min(self._delay * 1.5, self._poll_s)
        soonest = self._clock() + self._delay
        if any(watched.ended_since or watched.absent_since for watched in self._open.values()):
            soonest = min(soonest, self._clock() + SETTLED)
        self._next = soonest

    def _death(self, watched: _Watched) -> JobEnd | None:
        """Return the end of a job if it has ended beyond doubt, given its state as reported now."""
        now, state = self._clock(), watched.state
        if state is None:
            watched.ended_since = None
            return self._absent(watched, now)
        watched.absent_since, watched.ruled_out = None, False
        if state.phase != "ended":
            watched.ended_since = None
            return None
        if watched.ended_since is None:
            watched.ended_since = now
            self._silence(watched, now)
            self._next = min(self._next, now + SETTLED)
            return None
        # COMPLETED without a result: the file may be late. NODE_FAIL, PREEMPTED: the job may be requeued under its id.
        slow = state.succeeded or state.verdict in (FailureCause.NODE_FAILURE, FailureCause.PREEMPTED)
        if now - watched.ended_since < (SETTLED_SLOWLY if slow and not watched.cancelled else SETTLED):
            return None
        # A node that its scheduler lost may be one that only the network lost: the trial on it runs on.
        is_lost_node = state.verdict is FailureCause.NODE_FAILURE and not watched.cancelled
        if self._silence(watched, now) < (BEAT if is_lost_node else 0.0):
            return None
        if watched.signed_at > watched.ended_since:
            watched.ended_since = None
            return None
        return self._killed(watched, state)

    def _absent(self, watched: _Watched, now: float) -> JobEnd | None:
        """Return the end of a job that the scheduler does not know, if it is lost."""
        silence = self._silence(watched, now)
        if watched.absent_since is None:
            watched.absent_since = now
            self._next = min(self._next, now + SETTLED)
            return None
        # A cancelled job may be forgotten at once (MinJobAge); else the controller may be restarting.
        patience, quiet = (SETTLED, BEAT) if watched.cancelled else (FORGOTTEN, QUIET)
        if now - watched.absent_since < patience or silence < quiet:
            return None
        if watched.is_known and not (watched.cancelled or watched.ruled_out):
            # Its trial may be run again now: a job that was only not listed must not run as well.
            with suppress(SchedulerUnavailable):
                with suppress(SweepError):  # the scheduler refuses: it does not have this job of ours
                    cancel(self._cluster, [watched.handle])
                watched.ruled_out = True
            return None
        return _vanished(watched)

    def _silence(self, watched: _Watched, now: float) -> float:
        """Return the seconds since the trial's last sign of life was seen; infinity if it does not give any."""
        sign = self.sign_of_life(watched.handle.job.number)
        if sign is None:
            return float("inf")
        if sign != watched.sign:
            watched.sign, watched.signed_at = sign, now
        return now - watched.signed_at

    def _killed(self, watched: _Watched, state: JobState) -> JobEnd:
        verdict, reason, rank = state.verdict, state.reason, None
        if verdict in (None, FailureCause.SIGNAL, FailureCause.EXIT):
            tail = _tail(watched.paths)
            failure = self._cluster.failed_rank(tail)
            if failure and failure.rank:  # rank 0 records its own end
                failure = _raised(failure, watched.paths)
                verdict, reason, rank = failure.cause, f"{failure.reason}; {reason}", failure.rank
            # Slurm's state of a job that ran out of memory is often FAILED; only its log names the cause.
            verdict = self._cluster.cause_in(tail) or verdict or FailureCause.EXIT
            if python := _NO_PYTHON.search(tail):
                reason = (
                    f"{reason}: {python[1]} does not exist or cannot run on the node of the job; put the Python of "
                )
                reason += "the sweep on a file system that the nodes share, or see hydra.launcher.python and setup"
        if state.succeeded:
            reason = f"{reason}, but the trial had not ended"
        return JobEnd(watched.handle, None, _with_log(reason, watched.paths), verdict, rank)


def _raised(failure: RankFailure, paths: JobPaths) -> RankFailure:
    """Return the failure of a rank as the exception that it raised, if it has left one."""
    error = _error_in(paths.result_pickle.with_name(f"{paths.job_id}_{failure.rank}_result.pkl"))
    if not error:
        return failure
    return RankFailure(failure.rank, FailureCause.EXCEPTION, f"rank {failure.rank}: {error}")


def _end_with_result(watched: _Watched) -> JobEnd:
    """Return the end of a job that has left a result."""
    try:
        returned = load_pickle(returned_path(watched.paths.result_pickle), JobReturn)
    except FileNotFoundError:
        return JobEnd(watched.handle, None, _with_log(_error(watched.paths), watched.paths), FailureCause.EXCEPTION)
    except NotTrusted as fault:
        return JobEnd(watched.handle, None, f"the return value is not read: {fault}")
    except Exception as error:  # noqa: BLE001 - user code: unpickling runs methods of their classes
        return JobEnd(watched.handle, None, f"the return value cannot be unpickled: {in_words(error)}")
    reason = raised(returned)
    verdict = FailureCause.EXCEPTION if reason else None
    if reason and isinstance(result_of(returned), PreemptedTooOften):
        verdict = FailureCause.PREEMPTED
    return JobEnd(watched.handle, returned, reason, verdict)


def _error(paths: JobPaths) -> str:
    """Return the last line of the error that a job had before the trial started."""
    error = _error_in(paths.result_pickle)
    return f"the job failed before the trial: {error}" if error else "the job failed before the trial"


def _error_in(result: Path) -> str:
    """Return the last line of the error in submitit's result of a process; empty if it has none, or cannot be read."""
    with suppress(OSError, EOFError, pickle.UnpicklingError, NotTrusted, TypeError, ValueError):
        outcome, trace = load_pickle(result, tuple)
        return str(trace).strip().splitlines()[-1] if outcome == "error" else ""
    return ""


def _vanished(watched: _Watched) -> JobEnd:
    if watched.cancelled:
        return JobEnd(watched.handle, None, "the job was cancelled", "cancelled")
    if not watched.paths.stdout.exists():
        return JobEnd(
            watched.handle, None, "the job disappeared from the queue before it started (cancelled?)", "cancelled"
        )
    return JobEnd(watched.handle, None, _with_log("the scheduler no longer knows the job", watched.paths), "lost")


def _with_log(reason: str, paths: JobPaths) -> str:
    log_file = paths.stderr if paths.stderr.exists() else paths.stdout
    return f"{reason}; see {log_file}" if log_file.exists() else reason


def _tail(paths: JobPaths) -> str:
    """Return the end of a job's logs."""
    text = b""
    for path in (paths.stdout, paths.stderr):
        with suppress(OSError), open(path, "rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            text += stream.read()
    return text.decode(errors="replace")


def _refresh(folders: Iterable[Any]) -> None:
    """Make a network file system list `folders` afresh, as submitit does."""
    for folder in folders:
        with suppress(OSError):
            folder.chmod(folder.stat().st_mode)
