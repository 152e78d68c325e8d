"""A process with all that it has started: its members, and the CPU time and memory that they take (Linux)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Of /proc/PID/stat, counted behind the name, which may hold anything: utime, stime, and those of children waited for.
_TIMES = slice(11, 15)
_RESIDENT = 21


def children(pid: int) -> list[int]:
    """Return the children of a process; empty if it is gone, or there is no ``/proc``."""
    found: list[int] = []
    # Per thread: the kernel lists a child under the thread that forked it.
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs, and so on."""
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


@dataclass(frozen=True)
class TreeUse:
    """What a process and its descendants take."""

    cpu_seconds: float
    """CPU time so far, with that of descendants which have ended and were waited for."""
    memory_bytes: int
    """Resident memory now; a page that several of them share counts in each."""


def tree_use(pid: int) -> TreeUse | None:
    """Return what a process and its descendants take; None where that cannot be read."""
    seconds, memory, is_known = 0.0, 0, False
    for member in [pid, *descendants(pid)]:
        with suppress(OSError, ValueError, IndexError):  # it may have ended meanwhile
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            seconds += sum(map(int, fields[_TIMES])) / _TICKS
            memory += int(fields[_RESIDENT]) * _PAGE
            is_known = True
    return TreeUse(seconds, memory) if is_known else None
