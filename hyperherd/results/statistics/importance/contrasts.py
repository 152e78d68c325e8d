"""Two values of a parameter, compared over trials that differ in nothing else, with an interval.

All intervals hold together at 95 %: each has the coverage that Bonferroni asks for as many comparisons as could have
been shown, because the best value is chosen by what it is then compared in.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any, Protocol

from hyperherd.results.statistics.distributions import LEVEL, t_bound
from hyperherd.results.statistics.importance.variance import squares

_MOST_VALUES = 50
"""A parameter with more values is not judged by pairs: each value would have next to none."""
_ROUNDING = 1e-12


class Judged(Protocol):
    """A trial with the value it is judged by."""

    @property
    def value(self) -> float:
        """What it is judged by."""

    @property
    def settings(self) -> dict[str, Any]:
        """Name -> value."""

    @property
    def tokens(self) -> dict[str, str]:
        """The settings as texts that are equal where the values are."""


@dataclass(frozen=True)
class Contrast:
    """Two values of one parameter, compared over pairs of trials that differ in nothing else."""

    value: Any
    against: Any
    pairs: int
    wins: int
    """In how many pairs `value` is better."""
    ties: int
    mean: float
    """The objective with `value` minus that with `against`, on average."""
    sem: float | None
    """Standard error of that mean; None where a single pair has none."""
    low: float | None = None
    """The interval of that mean; with all others that were looked at it holds at 95 %. None if it cannot be told."""
    high: float | None = None
    freedom: int | None = None
    """Its degrees of freedom."""
    paired: bool = True
    """Whether it is of the differences in pairs; else of seeds that are not shared (Welch)."""

    @property
    def sure(self) -> bool:
        """Whether the interval leaves no doubt about which value is better."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Difference:
    """By how much one value is above another in each pair, and what is known about the mean of that."""

    gains: tuple[float, ...]
    variance: float | None
    """Of the mean."""
    freedom: int
    paired: bool = True

    @property
    def reversed(self) -> Difference:
        """The same of the other value."""
        return replace(self, gains=tuple(-gain for gain in self.gains))


Differences = Mapping[tuple[str, str], Difference]
"""For each two values of a parameter, in both orders."""


def differences(points: Sequence[Judged], name: str, seeds: Collection[str]) -> tuple[str, Differences]:
    """Return what pairs are of, ``trials`` or ``configurations``, and the differences between values of a parameter.

    Pairs are of configurations, means over seeds, where no two trials differ in the parameter alone.
    """
    if len({point.tokens[name] for point in points if name in point.tokens}) > _MOST_VALUES:
        return "trials", {}
    found = _differences(_blocks(points, name, ()))
    if found or not seeds:
        return "trials", found
    found = _differences(_blocks(points, name, seeds))
    return ("configurations" if found else "trials"), found


def contrasts(
    points: Sequence[Judged], name: str, found: Differences, better: float, looked: int
) -> tuple[Contrast, ...]:
    """Return the best value of a parameter against each other one, the nearest first.

    Args:
        points: the trials.
        name: of the parameter.
        found: the differences between its values.
        better: 1 if more is better, else -1.
        looked: how many comparisons were looked at, of all parameters.
    """
    values = {point.tokens[name]: point.settings[name] for point in points if name in point.tokens}
    rivals = {
        token: [-better * fmean(item.gains) for (one, _), item in found.items() if one == token] for token in values
    }
    # The value that loses to the fewest others; of equal ones, the one that loses least.
    order = sorted((token for token in values if rivals[token]), key=lambda token: _losses(rivals[token]))
    if not order:
        return ()
    best, *others = order
    shown = [
        _contrast(values[best], values[other], found[best, other], better, looked)
        for other in others
        if (best, other) in found
    ]
    return tuple(sorted(shown, key=lambda contrast: better * contrast.mean))


def _losses(behind: Sequence[float]) -> tuple[int, float]:
    return sum(item > 0 for item in behind) - sum(item < 0 for item in behind), fmean(behind)


Block = Mapping[str, list[float]]
"""The values of the trials that differ in one parameter alone, by its level."""


def _blocks(points: Sequence[Judged], name: str, ignoring: Collection[str]) -> list[Block]:
    blocks: dict[frozenset[tuple[str, str]], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        if name in point.tokens:
            rest = frozenset(point.tokens.items() - {(key, point.tokens.get(key, "")) for key in (name, *ignoring)})
            blocks[rest][point.tokens[name]].append(point.value)
    return list(blocks.values())


def _differences(blocks: Sequence[Block]) -> dict[tuple[str, str], Difference]:
    having: dict[tuple[str, str], list[Block]] = defaultdict(list)
    for block in blocks:
        for pair in combinations(sorted(block), 2):
            having[pair].append(block)
    found = {}
    for (one, other), shared in having.items():
        found[one, other] = _difference(one, other, shared)
        found[other, one] = found[one, other].reversed
    return found


def _difference(one: str, other: str, blocks: Sequence[Block]) -> Difference:
    gains = tuple(fmean(block[one]) - fmean(block[other]) for block in blocks)
    cells = [block[level] for block in blocks for level in (one, other)]
    if all(len(cell) > 1 for cell in cells):  # several seeds each, none of them shared
        parts = [(squares(cell) / (len(cell) - 1) / len(cell), len(cell) - 1) for cell in cells]
        whole = math.fsum(part for part, _ in parts)
        if whole:
            # Welch and Satterthwaite, over all blocks; whole degrees of freedom, and not more than there are.
            freedom = whole**2 / math.fsum(part**2 / count for part, count in parts)
            return Difference(gains, whole / len(blocks) ** 2, max(1, int(freedom)), paired=False)
    count = len(gains)
    return Difference(gains, squares(gains) / (count - 1) / count if count > 1 else None, count - 1)


def _contrast(value: Any, against: Any, found: Difference, better: float, looked: int) -> Contrast:
    mean = fmean(found.gains)
    sem = None if found.variance is None else math.sqrt(found.variance)
    half = _half(found, mean, sem, looked)
    wins, ties = sum(better * gain > 0 for gain in found.gains), sum(gain == 0 for gain in found.gains)
    low, high = (None, None) if half is None else (mean - half, mean + half)
    known = found.freedom if half is not None else None
    return Contrast(value, against, len(found.gains), wins, ties, mean, sem, low, high, known, found.paired)


def _half(found: Difference, mean: float, sem: float | None, looked: int) -> float | None:
    """Return half the width of the interval; None if it cannot be told."""
    if sem is None:
        return None
    level = LEVEL / max(1, looked)
    if sem <= _ROUNDING * abs(mean) or not sem:
        # Equal differences have no spread to estimate from, but that all have the same sign is evidence.
        return 0.0 if 2.0 ** (1 - len(found.gains)) <= level else None
    return sem * t_bound(found.freedom, 1 - level)
