"""What a trial has shown so far of the metric that judges it: kept in memory, so that nothing is read at a rung."""

from __future__ import annotations

import math

from hyperherd.pruning.arrivals import Arrival, score


class Seen:
    """Last, best and mean of the values so far.

    Args:
        maximize: whether greater values are better.
    """

    def __init__(self, maximize: bool) -> None:
        self._maximize = maximize
        self._sum = 0.0
        self._counted_to = -math.inf
        self._count = 0
        self.last = math.nan
        """The last value."""
        self.position: float = 0
        """Where that was logged."""
        self.best = math.nan
        """The best value; NaN if all were."""
        self.best_at: float = 0
        """Where a value was last as good as the best before it, or better."""

    def add(self, value: float, position: float) -> None:
        """Take in a value that was logged at a position, in steps or epochs."""
        is_first = not self._count
        if position > self._counted_to:  # an attempt does again what came behind its checkpoint
            self._sum += value
            self._count += 1
        self.last, self.position = value, position
        if is_first:
            self.best_at = position
        own, best = score(value, maximize=self._maximize), score(self.best, maximize=self._maximize)
        if not math.isnan(value) and (own >= best or math.isnan(self.best)):
            self.best, self.best_at = value, position

    def arrival(self, number: int, attempt: int, config: str, step: int) -> Arrival:
        """Return what the trial shows at a rung that it has reached with the last value."""
        return Arrival(number, attempt, config, step, self.last, self.best, self._sum / self._count, self._count)

    def resume(self, arrival: Arrival, position: float, best_at: float) -> None:
        """Take in what an earlier attempt has shown at a rung, if it had seen more than this one.

        Args:
            arrival: what it has shown.
            position: of the rung; values up to there have been counted.
            best_at: where its best value was logged.
        """
        if arrival.logged <= self._count:
            return
        self._sum, self._count = arrival.mean * arrival.logged, arrival.logged
        self._counted_to = position
        if math.isnan(self.best) or score(arrival.best, maximize=self._maximize) > score(
            self.best, maximize=self._maximize
        ):
            self.best, self.best_at = arrival.best, best_at
