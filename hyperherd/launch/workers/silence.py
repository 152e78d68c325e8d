"""Trials of workers that no scheduler reports on: whether they are gone is seen by their silence, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable

from hyperherd.launch.base import SignOfLife
from hyperherd.records.status import SILENCE
from hyperherd.records.workers.ledger import Roster
from hyperherd.records.workers.queue import Attempt


class Silence:
    """Tells which trials are gone.

    Args:
        roster: that knows the workers.
        clock: returns seconds, counted from any moment: a heartbeat is one that changes, whatever clock its host has.
    """

    def __init__(self, roster: Roster, clock: Callable[[], float] = time.monotonic) -> None:
        self.sign_of_life: SignOfLife = lambda number: None
        self._roster = roster
        self._clock = clock
        self._signs: dict[Attempt, tuple[object, float]] = {}

    def is_gone(self, attempt: Attempt, worker: str) -> bool:
        """Return whether an attempt has ended with its worker; to be asked again and again."""
        now, sign = self._clock(), self.sign_of_life(attempt.number)
        # A trial outlives its worker by some seconds, in which the next attempt must not run beside it.
        if sign is None and self._roster.is_dead(worker):
            return True
        before, since = self._signs.get(attempt, (object(), now))
        self._signs[attempt] = sign, since if sign == before else now
        return sign == before and now - since > SILENCE

    def lives(self, attempt: Attempt, worker: str) -> bool:
        """Return whether an attempt gives signs of life, and so does its worker."""
        return not self._roster.is_dead(worker) and self.sign_of_life(attempt.number) is not None
