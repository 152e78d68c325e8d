"""How far the values of one configuration lie apart: mean, standard deviation, standard error, confidence interval.

The standard deviation is that of a sample (n - 1); of a single value nothing is known, and nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hyperherd.errors import one_of
from hyperherd.results.statistics.distributions import t_bound

KINDS = ("std", "sem", "ci", "range")


def check_kind(err: str) -> str:
    """Return `err` if there is such a measure of spread.

    Raises:
        ResultsError: there is none.
    """
    return one_of(err, KINDS, "a measure of spread")


@dataclass(frozen=True)
class Spread:
    """Finite values of one metric."""

    values: tuple[float, ...]
    planned: int | None = None
    """The number expected, where it is shown with the spread."""

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.values)

    @cached_property
    def mean(self) -> float | None:
        """The arithmetic mean; None of no value."""
        if self._is_constant:
            return self.values[0]
        scaled, exponent = self._scaled
        return math.ldexp(math.fsum(scaled) / self.n, exponent) if self.values else None

    @cached_property
    def std(self) -> float | None:
        """The standard deviation of the sample (n - 1); None of fewer than two values."""
        if self.n < 2:
            return None
        if self._is_constant:
            return 0.0
        scaled, exponent = self._scaled
        mean = math.fsum(scaled) / self.n
        return math.ldexp(math.sqrt(math.fsum((value - mean) ** 2 for value in scaled) / (self.n - 1)), exponent)

    @property
    def _is_constant(self) -> bool:
        """Whether all are one value, from which rounding alone would make a mean differ."""
        return len(set(self.values)) == 1

    @cached_property
    def _scaled(self) -> tuple[list[float], int]:
        """The values by a power of two that keeps their squares from running over or under, and its exponent."""
        exponent = math.frexp(max(map(abs, self.values), default=0.0))[1]
        return [math.ldexp(value, -exponent) for value in self.values], exponent

    @property
    def sem(self) -> float | None:
        """The standard error of the mean; None of fewer than two values."""
        return None if self.std is None else self.std / math.sqrt(self.n)

    @property
    def ci(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean, by Student's t; None of fewer than two values."""
        return None if self.sem is None else self.sem * t_bound(self.n - 1)

    def error(self, kind: str) -> float | None:
        """Return the half-width ``std``, ``sem`` or ``ci``; for ``range`` half of it."""
        low, high = self.bounds(kind)
        return None if low is None or high is None else (high - low) / 2 if kind == "range" else getattr(self, kind)

    def bounds(self, kind: str) -> tuple[float | None, float | None]:
        """Return the least and the greatest value for ``range``, else the mean minus and plus the half-width."""
        if self.n < 2 or self.mean is None:
            return None, None
        if kind == "range":
            return min(self.values), max(self.values)
        half = getattr(self, check_kind(kind))
        return self.mean - half, self.mean + half


def spread(values: Sequence[float | None]) -> Spread:
    """Return the spread of those values that are finite."""
    return Spread(tuple(value for value in values if value is not None and math.isfinite(value)))
