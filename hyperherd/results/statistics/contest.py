"""Which configurations are still in contention, by a test that may be looked at after every seed.

Two configurations are compared by the differences of their values with the same seed, whose mean has Student's t
distribution whatever the variances are. For every number n of common seeds from two on, the upper limit of a difference
is taken at an error of alpha / (k - 1) / ((n - 1) n) for k configurations. These sum to alpha over all n and over all
rivals of the configuration that is best in truth. So with a probability of 1 - alpha none of its limits is ever too
low, whenever one looks and stops: it is never dropped, and what is claimed of another one holds. Differences that are
all equal have no variance to go by; they count once as many of one sign are unlikely enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperherd.results.statistics.distributions import t_bound

_ROUNDING = 1e-9
"""Differences that are closer than this part of the values are equal."""


@dataclass(frozen=True)
class Verdict:
    """How a contest stands."""

    leader: int
    """The place of the configuration that leads."""
    contenders: tuple[int, ...]
    """Those that may be the best, the leader among them."""
    within: float
    """No configuration is better than the leader by more than this."""


def judge(values: Sequence[Mapping[int, float]], alpha: float) -> Verdict | None:
    """Return how a contest stands; None as long as no configuration has a value.

    Args:
        values: for each configuration the finite value of each seed that has one; greater values are better.
        alpha: the probability with which what is returned may ever be wrong.
    """
    alive = [place for place, found in enumerate(values) if found]
    if not alive:
        return None
    error = alpha / max(1, len(values) - 1)
    limits = {one: {two: _limit(values[one], values[two], error) for two in alive if two != one} for one in alive}
    contenders = [one for one in alive if min(limits[one].values(), default=0.0) >= 0] or alive
    leader = max(contenders, key=lambda one: (math.fsum(values[one].values()) / len(values[one]), -one))
    within = max((limits[one][leader] for one in contenders if one != leader), default=0.0)
    return Verdict(leader, tuple(contenders), max(0.0, within))


def _limit(one: Mapping[int, float], other: Mapping[int, float], error: float) -> float:
    """Return by how much one configuration may be better than another one at most; infinite if that is not known."""
    differences = [one[seed] - other[seed] for seed in one.keys() & other.keys()]
    count = len(differences)
    if count < 2:
        return math.inf
    mean = math.fsum(differences) / count
    variance = math.fsum((value - mean) ** 2 for value in differences) / (count - 1)
    tail = error / (count - 1) / count
    most = max(abs(value) for seed in one.keys() & other.keys() for value in (one[seed], other[seed]))
    if max(differences) - min(differences) <= _ROUNDING * most and 0.5**count > tail:
        return math.inf  # Coarse values, such as an accuracy on few samples, differ equally by chance.
    return mean + t_bound(count - 1, 1 - 2 * tail) * math.sqrt(variance / count)
