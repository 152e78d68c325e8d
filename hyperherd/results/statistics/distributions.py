"""Tails of distributions that tests need, in plain Python: SciPy takes longer to import than a table takes to show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

LEVEL = 0.05
"""How often a claim may be wrong; of several that are made together, any of them."""
_TERMS = 500
_TINY = 1e-300


def f_tail(ratio: float, between: float, within: float) -> float:
    """Return the probability that an F of these degrees of freedom is greater than `ratio`."""
    if ratio <= 0:
        return 1.0
    return 0.0 if math.isinf(ratio) else beta_mass(within / (within + between * ratio), within / 2, between / 2)


def t_tail(t: float, freedom: float) -> float:
    """Return the probability of a Student's t farther from 0 than `t`, on both sides."""
    return beta_mass(freedom / (freedom + t * t), freedom / 2, 0.5)


@lru_cache(maxsize=1024)
def t_bound(freedom: float, coverage: float = 0.95) -> float:
    """Return the t for which Student's distribution has `coverage` of its mass between -t and t."""
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(freedom), which has an end
    for _ in range(60):
        middle = (low + high) / 2
        if t_tail(math.sqrt(freedom) * math.tan(middle), freedom) > 1 - coverage:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


@lru_cache(maxsize=4096)
def telling_share(level: float, between: int, within: int) -> float:
    """Return the part of what others leave unexplained that has to be explained to be significant at `level`."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if beta_mass(middle, within / 2, between / 2) < level:
            low = middle
        else:
            high = middle
    return 1.0 - low


def beta_mass(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly
        return 1.0 - beta_mass(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / _nonzero(1 - (a + b) * x / (a + 1))
    product = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            product *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return min(1.0, math.exp(front) * product / a)


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def fisher(failed: int, having: int, all_failed: int, everyone: int, *, one_sided: bool = False) -> float:
    """Return the p of Fisher's exact test: of `having` trials `failed` failed, of `everyone` `all_failed`.

    One-sided it is the probability of at least as many; else that of all that is at most as likely.
    """
    least, most = max(0, having + all_failed - everyone), min(having, all_failed)
    logs = [_log_choose(having, k) + _log_choose(everyone - having, all_failed - k) for k in range(least, most + 1)]
    whole = _log_choose(everyone, all_failed)
    if one_sided:
        counted = logs[failed - least :]
    else:
        # As R and SciPy do, what is as likely but for rounding counts as at most as likely.
        limit = logs[failed - least] + 1e-7
        counted = [log for log in logs if log <= limit]
    return min(1.0, math.fsum(math.exp(log - whole) for log in counted))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def normal_scores(values: Sequence[float]) -> list[float]:
    """Return the quantiles of the normal distribution at the ranks of `values` (van der Waerden); ties share theirs."""
    counts = Counter(values)
    scores: dict[float, float] = {}
    below = 0
    for value in sorted(counts):
        scores[value] = NormalDist().inv_cdf((below + (counts[value] + 1) / 2) / (len(values) + 1))
        below += counts[value]
    return [scores[value] for value in values]


def kurtosis(values: Sequence[float]) -> float:
    """Return the fourth moment over the squared second one, 3 of a normal distribution; 0 if all values are equal."""
    mean = math.fsum(values) / len(values)
    second = math.fsum((value - mean) ** 2 for value in values) / len(values)
    if not second:
        return 0.0
    return math.fsum(((value - mean) ** 2 / second) ** 2 for value in values) / len(values)
