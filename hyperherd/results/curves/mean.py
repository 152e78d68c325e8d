"""The mean of several curves, with a band, and where it is over fewer of them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from hyperherd.results.curves.smoothing import Moments

_FINEST = 1000
"""Points of a mean at most; a single trial's curve keeps all of its own."""


@dataclass(frozen=True)
class MetricCurve:
    """The values of one metric of one trial, x ascending."""

    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True)
class MeanCurve:
    """The mean of several curves."""

    xs: list[float]
    ys: list[float]
    low: list[float]
    """The lower edge of the band."""
    high: list[float]


def mean_curve(curves: Sequence[MetricCurve], band: str) -> MeanCurve:
    """Return the mean of `curves`, and the band over them.

    The grid is all of their own steps; beyond a thousand it is that many of them.
    """
    grid = sorted({x for curve in curves for x in curve.xs})
    if len(grid) > _FINEST:
        grid = [grid[round(place * (len(grid) - 1) / (_FINEST - 1))] for place in range(_FINEST)]
    columns = [_at(curve, grid) for curve in curves]
    found = MeanCurve(grid, [], [], [])
    for values in zip(*columns, strict=True):
        known = [value for value in values if math.isfinite(value)]
        moments = reduce(Moments.merged, map(Moments.of, known), Moments())
        low, high = _edges(moments, known, band)
        found.ys.append(moments.mean)
        found.low.append(low)
        found.high.append(high)
    return found


def _edges(moments: Moments, known: Sequence[float], band: str) -> tuple[float, float]:
    if moments.count < 2 or band == "none":
        return math.nan, math.nan
    if band == "range":
        return min(known), max(known)
    half = moments.std / math.sqrt(moments.count) if band == "sem" else moments.std
    return moments.mean - half, moments.mean + half


def _at(curve: MetricCurve, grid: Sequence[float]) -> list[float]:
    """Return the curve's values on `grid`, interpolated between its points; NaN outside of them."""
    points = [(x, y) for x, y in zip(curve.xs, curve.ys, strict=True) if math.isfinite(y)]
    if not points:
        return [math.nan] * len(grid)
    xs = [x for x, _ in points]
    values = []
    for x in grid:
        place = bisect_left(xs, x)
        if place < len(xs) and xs[place] == x:
            values.append(points[place][1])
        elif 0 < place < len(xs):
            (x0, y0), (x1, y1) = points[place - 1], points[place]
            values.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        else:
            values.append(math.nan)
    return values


def end_of(curve: MetricCurve) -> float:
    """Return the x of the last finite value of a curve."""
    return next((x for x, y in zip(reversed(curve.xs), reversed(curve.ys), strict=True) if math.isfinite(y)), -math.inf)


def falls(curves: Sequence[MetricCurve], mean: MeanCurve) -> tuple[tuple[float, int], ...]:
    """Return after which x fewer curves are left, and how many."""
    # A thinned grid may have passed over an end: the last x of it that a curve reaches is meant.
    reached = [mean.xs[bisect_right(mean.xs, end_of(curve)) - 1] for curve in curves if end_of(curve) >= mean.xs[0]]
    ends = sorted(set(reached))[:-1]
    return tuple((end, sum(other > end for other in reached)) for end in ends)


def interrupted(
    curves: Sequence[MetricCurve], mean: MeanCurve, falls: Sequence[tuple[float, int]], band: str
) -> tuple[list[float], ...]:
    """Return x, mean and the edges of the band; where curves end there is a gap, and those left begin at the same x."""
    ends = {x for x, _ in falls}
    columns: tuple[list[float], ...] = ([], [], [], [])
    for place, x in enumerate(mean.xs):
        points = [(x, mean.ys[place], mean.low[place], mean.high[place])]
        if x in ends:
            left = [value for curve in curves if end_of(curve) > x for value in _at(curve, [x]) if math.isfinite(value)]
            moments = reduce(Moments.merged, map(Moments.of, left), Moments())
            points += [(x, math.nan, math.nan, math.nan), (x, moments.mean, *_edges(moments, left, band))]
        for point in points:
            for column, value in zip(columns, point, strict=True):
                column.append(value)
    return columns
