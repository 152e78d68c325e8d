"""What an attempt has taken of its machine: CPU time, and the most memory that was seen to be in use.

No number here counts what was before the attempt, which may share a process with others.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Any

from hyperherd.trial.system.processes import TreeUse, tree_use

_GIB = 2**30
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ``ru_maxrss``."""


class Usage:
    """Measures from its making on; `look` is called now and then, because the kernel keeps no peak of a tree."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._began = time.monotonic()
        self._before = _cpu(tree_use(self._pid))
        self._peaks = _own_peak(), _child_peak()
        self._gpu_before = _gpu_peak()
        self._most = 0

    def look(self) -> None:
        """Take note of the memory in use."""
        if (use := tree_use(self._pid)) is not None:
            self._most = max(self._most, use.memory_bytes)

    def taken(self) -> dict[str, Any]:
        """Return ``resources`` of `trial.json` (docs/format.md), without what is not known."""
        now = tree_use(self._pid)
        if now is not None:
            self._most = max(self._most, now.memory_bytes)
        peaks = zip((_own_peak(), _child_peak()), self._peaks, strict=True)
        # The kernel's peaks are of a process' whole life: one that has not grown may be of an earlier trial.
        most = max(self._most, *(peak if peak > before else 0 for peak, before in peaks))
        gpu = _gpu_peak()
        found = {
            "wall_s": round(time.monotonic() - self._began, 3),
            "cpu_s": round(max(_cpu(now) - self._before, 0.0), 2),
            "peak_memory_gib": round(most / _GIB, 4) if most else None,
            "peak_gpu_memory_gib": round(gpu / _GIB, 4) if gpu > self._gpu_before else None,
        }
        return {name: value for name, value in found.items() if value is not None}


def _cpu(use: TreeUse | None) -> float:
    if use is not None:
        return use.cpu_seconds
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _own_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _child_peak() -> int:
    """Return the peak of that child which had the greatest one, of those that have ended and were waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT


def _gpu_peak() -> int:
    """Return the most memory that torch has had in tensors on one GPU; 0 if it has used none in this process."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    try:
        if cuda is None or not cuda.is_initialized():
            return 0
        return max((int(cuda.max_memory_allocated(index)) for index in range(cuda.device_count())), default=0)
    except Exception:  # noqa: BLE001 - a driver that fails; the trial has its own end
        return 0
