"""A difference with its standard error: interval, p and power by Student's t, also with broken degrees of freedom.

In plain Python: a comparison has few numbers, and SciPy takes longer to import than a table takes to show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from hyperherd.results.statistics.distributions import t_bound, t_tail

_TERMS = 500
_TINY = 1e-300
_ROUNDING = 1e-12
"""A spread below this part of the values is that of rounding."""


@dataclass(frozen=True)
class Estimate:
    """A difference, and what is known of its error."""

    value: float
    sem: float | None = None
    """Its standard error; None if nothing repeats it, 0 if all that repeats it is equal."""
    freedom: float | None = None
    """Degrees of freedom of the standard error."""
    by_signs: float | None = None
    """p by the signs of the differences alone, where all of them are equal."""

    @property
    def p(self) -> float | None:
        """The probability of a difference at least as great if there were none; None where no error is known."""
        if not self.sem or self.freedom is None:
            return self.by_signs
        return t_tail(self.value / self.sem, self.freedom)

    def bounds(self, coverage: float = 0.95) -> tuple[float | None, float | None]:
        """Return the ends of the interval."""
        if self.sem is None or self.freedom is None:
            return None, None
        half = t_bound(self.freedom, coverage) * self.sem
        return self.value - half, self.value + half

    def detectable(self, level: float = 0.05, power: float = 0.8) -> float | None:
        """Return the true difference that would be found significant at `level` with this `power`."""
        if not self.sem or self.freedom is None:
            return None
        return (t_bound(self.freedom, 1 - level) + t_bound(self.freedom, 2 * power - 1)) * self.sem


def of_pairs(differences: Sequence[float], scale: float) -> Estimate:
    """Return the mean of independent differences.

    Args:
        differences: one or more.
        scale: the size of the values they are of, by which rounding is told from spread.
    """
    mean, count = fmean(differences), len(differences)
    if count < 2:
        return Estimate(mean)
    sem = math.sqrt(variance(differences, mean) / count)
    if sem > _ROUNDING * scale:
        return Estimate(mean, sem, count - 1)
    mean = 0.0 if abs(mean) <= _ROUNDING * scale else mean
    return Estimate(mean, 0.0, count - 1, 2.0 ** (1 - count) if mean else 1.0)


def of_strata(strata: Sequence[tuple[Sequence[float], Sequence[float]]], scale: float) -> Estimate:
    """Return the second mean minus the first one, averaged over strata: Welch's estimate, if there is one stratum.

    The variance of each side is pooled over the strata, and those of the two sides may differ; the degrees of freedom
    are Satterthwaite's.
    """
    value = fmean(fmean(b) - fmean(a) for a, b in strata)
    parts = []
    for side in (0, 1):
        freedom = sum(len(pair[side]) - 1 for pair in strata)
        if freedom < 1:
            return Estimate(value)
        squares = math.fsum((item - fmean(pair[side])) ** 2 for pair in strata for item in pair[side])
        weight = math.fsum(1 / len(pair[side]) for pair in strata) / len(strata) ** 2
        parts.append((squares / freedom * weight, freedom))
    total = math.fsum(part for part, _ in parts)
    if math.sqrt(total) <= _ROUNDING * scale:
        return Estimate(value, 0.0, float(sum(freedom for _, freedom in parts)))
    satterthwaite = total**2 / math.fsum(part**2 / freedom for part, freedom in parts)
    return Estimate(value, math.sqrt(total), satterthwaite)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return each p corrected for how many there are (Holm 1979); None stays None."""
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    found: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - rank)))
        found[place] = least
    return found
