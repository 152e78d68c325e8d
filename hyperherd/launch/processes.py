"""What Linux offers to keep processes together: none outlives the sweep, and the end of each is known.

Elsewhere the first two do nothing, and the pipes and signals between the processes must do.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

from hyperherd.trial.memory_kills import group_memory_kills

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send `number` to this process when the thread that forked it ends."""
    if _prctl is not None:
        _prctl(_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    if _prctl is not None:
        _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill(pids: list[int]) -> None:
    """End processes at once; those that are gone already are passed over."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """End all processes of the group that `pid` leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def memory_kills() -> int | None:
    """Return how many processes the kernel's out-of-memory killer killed: in our control group, or on this host."""
    if (kills := group_memory_kills()) is not None:
        return kills
    with suppress(OSError):
        if found := re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE):
            return int(found[1])
    return None
