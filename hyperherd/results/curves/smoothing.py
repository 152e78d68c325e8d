"""Smoothing and thinning of curves, in time that grows with the curve and not with the window.

A value that is not finite is a gap: it neither spreads to its neighbours nor counts among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of some values; those of two sets merge without cancellation."""

    count: int = 0
    mean: float = math.nan
    squares: float = 0.0

    @classmethod
    def of(cls, value: float) -> Moments:
        """Return the moments of one value; none at all of one that is not finite."""
        return cls(1, value) if math.isfinite(value) else cls()

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets together (Chan, Golub & LeVeque 1979)."""
        if not self.count:
            return other
        if not other.count:
            return self
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        squares = self.squares + other.squares + apart * apart * (self.count * other.count / count)
        return Moments(count, mean, squares)

    @property
    def std(self) -> float:
        """The sample standard deviation (n - 1); NaN of fewer than two values."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else math.nan


def sliding(values: Sequence[float], window: int) -> list[Moments]:
    """Return the moments of the `window` values around each one, of fewer at both ends.

    Running sums would lose a small value beside a large one for good. Instead every window is the end of one block and
    the beginning of the next (van Herk 1992), merged from moments that are built up within blocks.

    Args:
        values: the curve.
        window: how many values count, the one in the middle included; of an even number the extra one is ahead.
    """
    before = (window - 1) // 2
    cells = [*[Moments()] * before, *map(Moments.of, values), *[Moments()] * (2 * window)]
    heads, tails = list(cells), list(cells)
    for place in range(1, len(cells)):
        if place % window:
            heads[place] = heads[place - 1].merged(cells[place])
    for place in range(len(cells) - 2, -1, -1):
        if (place + 1) % window:
            tails[place] = cells[place].merged(tails[place + 1])
    return [
        tails[place] if place % window == 0 else tails[place].merged(heads[place + window - 1])
        for place in range(len(values))
    ]


def ema(values: Sequence[float], weight: float) -> list[float]:
    """Return the exponential moving average, corrected for its start (Kingma & Ba 2015, section 3); gaps stay gaps.

    Args:
        values: the curve.
        weight: of what came before, from 0 (no smoothing) to below 1.
    """
    smoothed, total, share = [], 0.0, 0.0
    for value in values:
        if not math.isfinite(value):
            smoothed.append(math.nan)
            continue
        total = weight * total + (1 - weight) * value
        share = weight * share + (1 - weight)
        smoothed.append(total / share)
    return smoothed


def thin(values: Sequence[float], most: int) -> list[int]:
    """Return the places of at most `most` of the values: both ends, and the extremes of equal stretches between.

    Args:
        values: the curve.
        most: at least 4.
    """
    if len(values) <= most:
        return list(range(len(values)))
    stretches = (most - 2) // 2
    inner = len(values) - 2
    kept = [0]
    for number in range(stretches):
        start, end = 1 + inner * number // stretches, 1 + inner * (number + 1) // stretches
        kept += sorted(start + place for place in _extremes(values[start:end]))
    return [*kept, len(values) - 1]


def _extremes(values: Sequence[float]) -> set[int]:
    """Return the places of the least and the greatest finite value; the first place if no value is finite."""
    if not math.isfinite(sum(values)):
        finite = [place for place, value in enumerate(values) if math.isfinite(value)] or [0]
        return {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
    return {values.index(min(values)), values.index(max(values))}
