"""How long a worker of a sweep that has nothing to do waits for more before it ends, and its job with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hyperherd.records.lock import may_start_trials
from hyperherd.records.workers.growth import is_growing

_LINGER = 30.0
"""Seconds that it waits while its sweep runs: a retry, or what follows a canary, may come."""


class Lingering:
    """Whether a worker that has nothing to do is to wait; to be asked about once a second.

    Args:
        sweep_dir: of its sweep.
        awaits_growth: whether it waits as long as its sweep says that more trials follow. Workers with resources of
            their own do not: trials that need them may be rare.
        clock: returns seconds, counted from any moment.
    """

    def __init__(self, sweep_dir: Path, *, awaits_growth: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._sweep_dir = sweep_dir
        self._awaits_growth = awaits_growth
        self._clock = clock
        self._asked = 0.0
        self._since = 0.0

    def __call__(self) -> bool:
        """Return whether it is to wait."""
        now = self._clock()
        was_busy = now - self._asked > _LINGER / 2
        if was_busy or (self._awaits_growth and is_growing(self._sweep_dir)):
            self._since = now
        self._asked = now
        return now - self._since < _LINGER and may_start_trials(self._sweep_dir)
