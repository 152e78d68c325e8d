"""Cores and threads: how many there are for a trial, and how its libraries are kept to them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from threadpoolctl import ThreadpoolController

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What libraries read when they are loaded, and what a trial's own child processes go by."""

_OMP_PAUSE_HARD = 2


def cores() -> int:
    """Return how many cores this process may use: its affinity, and a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no control group, or one without a quota
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def threads_asked(environment: Mapping[str, str]) -> int | None:
    """Return the number of threads the user has set by OMP_NUM_THREADS, if any."""
    first = environment.get("OMP_NUM_THREADS", "").split(",")[0]  # one number for each level of nesting
    return int(first) if first.isdigit() and int(first) else None


class ThreadLimit:
    """Keeps native thread pools to a number of threads.

    Made in the server, where the loaded libraries are listed once for all trials, and applied in each trial: a library
    that is loaded already does not read the environment again.
    """

    def __init__(self, threads: int) -> None:
        self.environment = dict.fromkeys(VARIABLES, str(threads))
        self._threads = threads
        # What numpy brings, or came with it; without it nothing is loaded that has a pool, and the listing takes time.
        self._libraries = ThreadpoolController() if "numpy" in sys.modules else None

    def apply(self) -> None:
        """Limit the libraries that this process inherited; the caller sets the environment of its children."""
        if self._libraries is not None:
            self._libraries.limit(limits=self._threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._threads)


def end_openmp_team() -> bool:
    """Make GNU's OpenMP give up the threads it keeps for this one; the next parallel region starts new ones.

    A forked child would otherwise wait forever for threads that only its parent has.

    Returns:
        Whether a fork is safe in this respect.
    """
    return all(_pause(path) for path in _mapped("libgomp"))


def _mapped(name: str) -> set[str]:
    """Return the paths of the loaded libraries with `name` in theirs."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return set()
    paths = {line.split(maxsplit=5)[-1] for line in lines if name in line}
    return {path for path in paths if name in Path(path).name}


def _pause(path: str) -> bool:
    try:
        pause = ctypes.CDLL(path).omp_pause_resource_all
    except (OSError, AttributeError):  # older than OpenMP 5
        return False
    return bool(pause(_OMP_PAUSE_HARD) == 0)
