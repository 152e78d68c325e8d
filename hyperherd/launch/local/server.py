"""The server: starts trials when there is room, stops those that must end, and reports how each ended.

It runs one thread, and no user code but what composing a config may call. Invariant: it outlives every process of every
trial, and the sweep by no more than the grace it gives to trials: when the sweep is gone, for any reason, the trials
are asked to end, then killed.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import IO, Any

from hyperherd.launch.base import TrialJob
from hyperherd.launch.local.gpus import GpuThresholds, gpu_use
from hyperherd.launch.local.messages import Cancel, Ended, Kill, Start, Started, StopReason, Waiting
from hyperherd.launch.local.slots import Slot, Slots
from hyperherd.launch.processes import adopt_orphans, die_with_parent, kill, kill_group
from hyperherd.launch.processes import memory_kills as count_memory_kills
from hyperherd.trial.signals import OF_SCHEDULERS
from hyperherd.trial.system.processes import children, descendants

GPU_POLL = 2.0
"""Seconds between two queries of GPUs that others use."""

Starter = Callable[[TrialJob, Slot, IO[bytes]], int]
"""Starts the process of a trial, which leaves its report in the file; returns its pid."""

HELD = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP}) | OF_SCHEDULERS
"""Signals the server holds back: the sweep gets them too (a terminal and ``pkill`` send them to everyone), and decides
what to do. A trial inherits that, so none that is meant for it is lost; once it is ready it lets them through.
"""


@dataclass(frozen=True)
class Times:
    """How long things may take, in seconds."""

    trial: float | None
    """A trial; None means no limit."""
    grace: float
    """A trial that was asked to end, to do so."""
    startup: float = 0.0
    """A trial that has begun, before the next one does."""


@dataclass
class _Running:
    """A trial with a process."""

    job: TrialJob
    slot: Slot
    report: IO[bytes]
    ends: float | None
    memory_kills: int | None
    stop_reason: StopReason | None = None
    killed_at: float | None = None


@dataclass
class Server:
    """Runs trials in slots until the sweep lets go of `channel` and all of them have ended."""

    channel: Connection
    start: Starter
    slots: Slots
    times: Times
    gate: GpuThresholds = field(default_factory=GpuThresholds)
    _waiting: deque[TrialJob] = field(default_factory=deque)
    _running: dict[int, _Running] = field(default_factory=dict)
    _is_left: bool = False
    _next_start: float = 0.0
    _is_held: bool = False
    _sweep: int = field(default_factory=os.getppid)

    def serve(self) -> None:
        """Run trials; return when none is left and the sweep is gone."""
        adopt_orphans()
        gc.freeze()  # or its first collection in each trial would copy every page of what the script imported
        with wakeups() as wakeup, selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            while self._running or not self._is_left:
                self._fill()
                ready = {key.fileobj for key, _ in selector.select(self._until_next())}
                if wakeup in ready:
                    # The bytes only show that a signal came; waitpid names the process.
                    os.read(wakeup, 4096)
                if self.channel in ready:
                    self._listen()
                if self._is_left and self.channel in selector.get_map():
                    selector.unregister(self.channel)
                self._reap()
                self._enforce()
        self._end_orphans()

    def end_now(self) -> None:
        """Kill all trials with all their processes."""
        for pid in self._running:
            kill([pid, *descendants(pid)])
            kill_group(pid)

    def _fill(self) -> None:
        while self._can_start and time.monotonic() >= self._next_start:
            slot = self._take_slot()
            if slot is None:
                self._hold()
                return
            self._start_in(slot)
            self._next_start = time.monotonic() + self.times.startup

    @property
    def _can_start(self) -> bool:
        return bool(self._waiting) and self.slots.any_free

    def _take_slot(self) -> Slot | None:
        if not self.gate.is_asked:
            return self.slots.take()
        use = gpu_use()
        return self.slots.take(lambda slot: self.gate.allows(slot.gpus, use))

    def _hold(self) -> None:
        """Query the GPUs again later; if no trial runs meanwhile, report why."""
        self._next_start = time.monotonic() + GPU_POLL
        if not self._is_held and not self._running:
            self._report(Waiting(f"waiting for a GPU that other programs use less ({self.gate})"))
        self._is_held = True

    def _start_in(self, slot: Slot) -> None:
        self._is_held = False
        job = self._waiting.popleft()
        try:
            pid = self._begin(job, slot)
        except OSError as error:  # no process, memory or disk available: the others may still succeed
            self.slots.give_back(slot)
            self._report(Ended(job.number, lost=f"the trial could not be started: {error}"))
        else:
            self._report(Started(job.number, pid, slot.gpus))

    def _begin(self, job: TrialJob, slot: Slot) -> int:
        report = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the trial has ended
        kills = count_memory_kills()
        minutes = job.resources.get("timeout_min")
        seconds = self.times.trial if minutes is None else minutes * 60
        ends = None if seconds is None else time.monotonic() + seconds
        pid = self.start(job, slot, report)
        self._running[pid] = _Running(job, slot, report, ends, kills)
        return pid

    def _listen(self) -> None:
        try:
            message = self.channel.recv()
        except (EOFError, OSError):
            self._leave()
            return
        if isinstance(message, Start):
            self._take_in(message.jobs)
        elif isinstance(message, Cancel):
            self._cancel(message.numbers)
        elif isinstance(message, Kill):
            self.end_now()

    def _take_in(self, jobs: Sequence[TrialJob]) -> None:
        """Put new jobs at the end; those of trials that failed, or were paused, before what has not begun yet."""
        place = len(self._waiting)
        if all(job.attempt for job in jobs):
            place = next((index for index, job in enumerate(self._waiting) if not job.attempt), place)
        for job in reversed(jobs):
            self._waiting.insert(place, job)

    def _leave(self) -> None:
        """End everything: the sweep is gone."""
        self._is_left = True
        self._waiting.clear()
        if any(trial.stop_reason is StopReason.CANCEL for trial in self._running.values()):
            self.end_now()  # the sweep ended while it waited for them: a second Ctrl-C
        self._ask(self._running, StopReason.CANCEL)

    def _cancel(self, numbers: Iterable[int]) -> None:
        for job in [job for job in self._waiting if job.number in numbers]:
            self._waiting.remove(job)
            self._report(Ended(job.number, stop_reason=StopReason.CANCEL))
        self._ask([pid for pid, trial in self._running.items() if trial.job.number in numbers], StopReason.CANCEL)

    def _ask(self, pids: Iterable[int], why: StopReason) -> None:
        """Ask trials to end; :meth:`_enforce` kills those that do not."""
        for pid in pids:
            trial = self._running[pid]
            if trial.stop_reason is None:
                trial.stop_reason, trial.killed_at = why, time.monotonic() + self.times.grace
                os.kill(pid, signal.SIGTERM)  # not reaped yet, so it is there

    def _enforce(self) -> None:
        now = time.monotonic()
        self._ask([pid for pid, trial in self._running.items() if _passed(trial.ends, now)], StopReason.TIMEOUT)
        for pid, trial in self._running.items():
            if _passed(trial.killed_at, now):
                trial.killed_at = None
                # By descent, not by group: a child with a session of its own is not in the trial's group.
                kill([pid, *descendants(pid)])
        # The end of a killed sweep closes the channel, unless something that it forked holds a copy of its side.
        if not self._is_left and os.getppid() != self._sweep:
            self._leave()

    def _until_next(self) -> float | None:
        times = [trial.ends if trial.stop_reason is None else trial.killed_at for trial in self._running.values()]
        times += [self._next_start] if self._can_start else []
        known = [moment for moment in times if moment is not None]
        return max(0.0, min(known) - time.monotonic()) if known else None

    def _reap(self) -> None:
        """Take note of processes that have ended: our trials, and what they left behind."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid in self._running:
                    # A group outlives its leader, and its number is not given away as long as anybody is in it.
                    kill_group(pid)
                    self._ended(self._running.pop(pid), status)

    def _ended(self, trial: _Running, status: int) -> None:
        kills = count_memory_kills()
        out_of_memory = kills is not None and trial.memory_kills is not None and kills > trial.memory_kills
        with trial.report as report:
            report.seek(0)
            self._report(Ended(trial.job.number, status, trial.stop_reason, out_of_memory, report.read()))
        self.slots.give_back(trial.slot)
        if self._is_held:
            # A GPU has become free: query at once, not after the pause.
            self._next_start = 0.0

    def _report(self, message: Any) -> None:
        if self._is_left:
            return
        try:
            self.channel.send(message)
        except OSError:
            self._leave()

    def _end_orphans(self) -> None:
        """Give processes that trials left behind (a tracker that uploads) some time to end, then kill them."""
        deadline = time.monotonic() + self.times.grace
        while (left := children(os.getpid())) and time.monotonic() < deadline:
            time.sleep(0.02)
            self._reap()
        for pid in left:
            kill([pid, *descendants(pid)])


def _passed(moment: float | None, now: float) -> bool:
    return moment is not None and now >= moment


@contextmanager
def wakeups() -> Iterator[int]:
    """Hold signals back, and yield a descriptor that can be read when a child has ended, or the sweep has gone."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    # A wakeup descriptor reports only signals that have a handler in Python.
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    # A full pipe does no harm: one byte wakes the loop, and waitpid finds everything that ended.
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    # The death of the sweep wakes the loop as well; `_enforce` then finds another parent.
    die_with_parent(signal.SIGCHLD)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)
