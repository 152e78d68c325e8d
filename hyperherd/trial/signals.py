"""Noting the signals that end a trial, because frameworks hide them.

Lightning turns Ctrl-C into ``SystemExit(1)`` and SIGTERM into ``SystemExit()``, which by itself reads as success.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ours: set[Any] = set()
"""The handlers of all blocks that are running: of a sweep, and of the trial in the same process."""

_held: list[list[int]] = []
"""What has come since the blocks of :func:`held_back` that are running began."""

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

OF_SCHEDULERS = frozenset({signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU})
"""What schedulers send to a job shortly before they kill it; without a handler a process dies of it at once."""


class Terminated(SystemExit):
    """A signal has asked this process to end; code that wants to continue should not catch it.

    Args:
        number: of the signal; the exit code is 128 more.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)
        self.number = number

    def __reduce__(self) -> tuple[type[Terminated], tuple[int]]:
        # A worker process sends it to the sweep; the default would call Terminated with its exit code.
        return Terminated, (self.number,)


@contextmanager
def noted_signals(*, of_schedulers: bool = False) -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM while the block runs; yields the list they are added to.

    Args:
        of_schedulers: whether to note :data:`OF_SCHEDULERS` too, except those that somebody else handles: the user's
            code, submitit. A block inside of such a block notes them as well.

    A handler that stood before is called; if it is the user's own, and returns, the signal was theirs and is not noted.
    Where there was none SIGTERM raises :class:`Terminated`, so that the block can clean up. A framework that puts its
    own handler on top and calls ours ends the block in its own way. Outside of the main thread, where Python allows no
    handlers, nothing is noted.
    """
    notes: list[int] = []
    previous: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> bool:
        """Return whether the signal is noted; the block around ours, which calls this too, wants to know."""
        notes.append(number)
        if _held:
            _held[-1].append(number)
            return True
        if signal.getsignal(number) not in _ours:
            return True
        # The default action ends a process at once, without any cleanup.
        if not callable(previous[number]):
            raise Terminated(number)
        answer = previous[number](number, frame)
        noted = previous[number] in _ours and bool(answer)
        if not noted:
            notes.remove(number)
        return noted

    _ours.add(note)
    if threading.current_thread() is threading.main_thread():
        for number in EXIT_CODES:
            # What is ignored stays ignored, as under nohup; None stands for a handler that is not Python's.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.getsignal(number)
        for extra in OF_SCHEDULERS:
            handler = signal.getsignal(extra)
            if handler in _ours or (of_schedulers and handler is signal.SIG_DFL):
                previous[extra] = handler
        for noted in previous:
            signal.signal(noted, note)
    try:
        yield notes
    finally:
        for signal_number, handler in previous.items():
            signal.signal(signal_number, handler)
        _ours.discard(note)


@contextmanager
def held_back() -> Iterator[list[int]]:
    """Only note SIGINT and SIGTERM while the block runs: a second Ctrl-C must not end what the first one caused.

    Unlike :func:`undisturbed` it also holds where other threads take signals. It is for a thread that is inside of
    :func:`noted_signals`; yields the list they are added to.
    """
    late: list[int] = []
    _held.append(late)
    try:
        yield late
    finally:
        _held.remove(late)


def interruption(numbers: Sequence[int]) -> BaseException:
    """Return what ends a program that got these signals."""
    others = [number for number in numbers if number != signal.SIGINT]
    return Terminated(others[0]) if others else KeyboardInterrupt()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off while the block runs: something must not be done by halves."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*EXIT_CODES, *OF_SCHEDULERS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
