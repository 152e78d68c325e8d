"""Means of configurations that have different numbers of seeds, made comparable: partial pooling.

The model: the true means of the configurations lie normally around one centre, and the seeds normally around each of
them, with one variance for all. What a configuration is expected to reach is then its mean, drawn towards the centre,
the further the fewer seeds it has. How far depends on the ratio of the two variances, which is not known: the answer is
averaged over its posterior, with the uniform shrinkage prior (Christiansen and Morris 1997) on the ratio and flat ones
on the centre and on the logarithm of the seeds' variance.

What is claimed of the best one (which others may be as good, its interval) rests on the seeds' variance alone, not on
the model of the true means. Everything is linear in the number of configurations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from hyperherd.results.statistics.distributions import LEVEL, fisher, t_bound

_OF_CHOICE = 0.1
"""The part of it that is spent on which configurations could have been chosen as the best."""
_POINTS = tuple(-9 + 0.3 * step for step in range(92))
"""Logarithms of the ratio of the variances times the usual number of seeds: a sum over them is the integral."""
_OUTLYING = 9.0
"""A configuration whose variance is this many times the usual one adds no more than that to the common one."""
_FEWEST_TO_CAP = 4
_SAFE = 300
"""The squares of numbers up to two to this power, and their sums, are far from the limits of a float."""
_FAR = 10.0
"""A mean this many deviations from the middle one counts as that far: a loss of 1e30 would drown all digits."""
_MOST_FREEDOM = 200
"""Above this Student's distribution is the normal one to about one percent of its quantiles."""


@dataclass(frozen=True)
class Sample:
    """What is known of one configuration; greater values are better."""

    values: tuple[float, ...]
    """The finite values, one for each seed; at least one."""
    bad: int = 0
    """How many further seeds ended without one because of what their values did: they diverged, or were pruned."""

    @property
    def n(self) -> int:
        """The number of finite values."""
        return len(self.values)

    @cached_property
    def mean(self) -> float:
        """Their mean."""
        return self.values[0] if len(set(self.values)) == 1 else math.fsum(self.values) / self.n

    def scaled(self, exponent: int) -> Sample:
        """Return it in units of a power of two."""
        return Sample(tuple(math.ldexp(value, exponent) for value in self.values), self.bad)

    @cached_property
    def squares(self) -> float:
        """The sum of the squares of their deviations from it."""
        return math.fsum((value - self.mean) ** 2 for value in self.values)


class Pool:
    """The configurations of one comparison."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        given = tuple(samples)
        exponent = math.frexp(max((abs(one) for sample in given for one in sample.values), default=0.0))[1]
        # A power of two keeps squares from running over or under, and changes no digit; few values need one.
        self._exponent = exponent if abs(exponent) > _SAFE else 0
        self.samples = tuple(sample.scaled(-self._exponent) for sample in given) if self._exponent else given
        self.freedom = sum(sample.n - 1 for sample in self.samples)
        """Degrees of freedom of the seeds' variance; 0: nothing is known of it."""

    @cached_property
    def variance(self) -> float:
        """That of seeds within configurations; the few that vary far more than is usual do not decide it."""
        several = [sample for sample in self.samples if sample.n > 1]
        if not several:
            return 0.0
        # The median of a variance over its expectation is that of a chi-squared variable (Wilson and Hilferty 1931).
        usual = median(sample.squares / (sample.n - 1) / (1 - 2 / (9 * (sample.n - 1))) ** 3 for sample in several)
        most = _OUTLYING * usual if usual and len(several) >= _FEWEST_TO_CAP else math.inf
        return math.fsum(min(sample.squares, most * (sample.n - 1)) for sample in several) / self.freedom

    @cached_property
    def scores(self) -> list[float]:
        """What each configuration is expected to reach; its mean where nothing is known of seeds, or they are alike."""
        found = self._means
        if self.variance and len(found) > 1:
            pairs = [(sample.n, mean) for sample, mean in zip(self.samples, found, strict=True)]
            lines = _lines(list(_clipped(pairs, self.variance)), self.variance, self.freedom)
            found = [lines[n][0] + lines[n][1] * mean for n, mean in pairs]
        return [math.ldexp(score, self._exponent) for score in found]

    @cached_property
    def order(self) -> list[int]:
        """The places of the configurations, best first; of equal ones those first whose seeds ended better."""
        keys = [(-score, -mean) for score, mean in zip(self.scores, self._means, strict=True)]
        if self.is_plain:  # Then the means alone decide, and rounding cannot.
            keys = [(-mean, 0.0) for mean in self._means]
        return sorted(range(len(keys)), key=lambda place: (*keys[place], self.samples[place].bad))

    @property
    def is_plain(self) -> bool:
        """Whether the scores put the configurations in the order of their means: all have equally many seeds."""
        return len({(sample.n, sample.bad) for sample in self.samples}) < 2 or not self.freedom

    def close(self, best: int) -> list[int]:
        """Return the configurations that cannot be told from the one at `best`.

        It or one of these is the best one in truth, with a probability of 95 %: the subset selection of Gupta, by
        Student's t with Bonferroni's correction.
        """
        others = [place for place in range(len(self.samples)) if place != best]
        if not self.freedom:
            return others
        most = self._t(LEVEL / max(1, len(others)))
        one = self.samples[best]
        return [
            place
            for place in others
            if one.mean - self.samples[place].mean <= most * math.hypot(self._sem(best), self._sem(place))
        ]

    def interval(self, best: int) -> tuple[float, float] | None:
        """Return what the true mean of the one at `best` lies between in 95 %, although it was chosen; None: unknown.

        Whichever of those that could have been chosen was the luckiest one, the lower end holds for it, by Bonferroni's
        correction; that they are all that could have been takes a tenth of the error (Zrnic and Fithian 2024). Where
        some of its seeds ended badly, it is that of the mean with these: those that were pruned are missing because
        their values were low, and the mean of the others is too good.
        """
        if not self.freedom:
            return None
        one = self.samples[best]
        safe = self._t(_OF_CHOICE * LEVEL / len(self.samples))
        rivals = sum(
            one.mean - sample.mean <= 2 * safe * (self._sem(best) + self._sem(place))
            for place, sample in enumerate(self.samples)
        )
        rest = (1 - _OF_CHOICE) * LEVEL / 2
        low = min(one.mean, self._means[best]) - self._t(rest / rivals) * self._sem(best)
        high = one.mean + self._t(rest) * self._sem(best)
        return math.ldexp(low, self._exponent), math.ldexp(high, self._exponent)

    def _sem(self, place: int) -> float:
        return math.sqrt(self.variance / self.samples[place].n)

    def _t(self, tail: float) -> float:
        """Return the t that Student's distribution exceeds with a probability of `tail`."""
        return t_bound(min(self.freedom, _MOST_FREEDOM), 1 - 2 * tail)

    @cached_property
    def _means(self) -> list[float]:
        """The means, with the seeds that ended badly.

        Such a seed counts as one standard deviation of the seeds below the mean of the others; where a configuration
        has significantly more of them than all others have (Fisher's exact test), as the worst value of any seed.
        """
        total = sum(sample.bad for sample in self.samples)
        if not total:
            return [sample.mean for sample in self.samples]
        seeds = sum(sample.n + sample.bad for sample in self.samples)
        worst = min(min(sample.values) for sample in self.samples)
        deviation = math.sqrt(self.variance)
        means = []
        for sample in self.samples:
            instead = worst if sample.bad and _is_prone(sample, total, seeds) else sample.mean - deviation
            means.append(sample.mean + sample.bad * (instead - sample.mean) / (sample.n + sample.bad))
        return means


def _is_prone(sample: Sample, total: int, seeds: int) -> bool:
    """Return whether more seeds of a configuration ended badly than chance would give it of `total` among `seeds`."""
    return fisher(sample.bad, sample.n + sample.bad, total, seeds, one_sided=True) < LEVEL


def _clipped(pairs: Sequence[tuple[int, float]], variance: float) -> Iterator[tuple[int, float]]:
    middle = median(mean for _, mean in pairs)
    usual = 1.4826 * median(abs(mean - middle) for _, mean in pairs)  # as much as the deviation of normal ones
    far = _FAR * max(usual, math.sqrt(variance))
    yield from ((n, min(max(mean, middle - far), middle + far)) for n, mean in pairs)


def _lines(pairs: Sequence[tuple[int, float]], variance: float, freedom: int) -> dict[int, tuple[float, float]]:
    """Return for each number of seeds the intercept and the slope of what is expected of a mean over as many.

    Args:
        pairs: the number of seeds and the mean of each configuration.
        variance: that of the seeds.
        freedom: its degrees of freedom.
    """
    classes = _classes(pairs)
    usual = len(pairs) / sum(1 / n for n, _ in pairs)
    rest = freedom + len(pairs) - 1
    found = []
    for point in _POINTS:
        ratio = math.exp(point) / usual
        # Of the means over n seeds, `ratio + 1 / n` is the variance, in units of that of the seeds.
        total = sum(one.count / (ratio + 1 / one.n) for one in classes)
        centre = sum(one.count * one.mean / (ratio + 1 / one.n) for one in classes) / total
        between = sum((one.squares + one.count * (one.mean - centre) ** 2) / (ratio + 1 / one.n) for one in classes)
        density = (
            point
            - 2 * math.log1p(math.exp(point))
            - sum(one.count * math.log(ratio + 1 / one.n) for one in classes) / 2
            - math.log(total) / 2
            - math.log(max(variance * freedom + between, 1e-300)) * rest / 2
        )
        found.append((density, ratio, centre))
    top = max(density for density, _, _ in found)
    weighed = [(math.exp(density - top), ratio, centre) for density, ratio, centre in found]
    whole = sum(weight for weight, _, _ in weighed)
    lines = {}
    for one in classes:
        kept = [weight * ratio / (ratio + 1 / one.n) / whole for weight, ratio, _ in weighed]
        shed = [weight / whole - part for (weight, _, _), part in zip(weighed, kept, strict=True)]
        lines[one.n] = sum(part * centre for part, (_, _, centre) in zip(shed, weighed, strict=True)), sum(kept)
    return lines


@dataclass(frozen=True)
class _Class:
    """All configurations with one number of seeds, as far as the sums over them need them."""

    n: int
    count: int
    mean: float
    squares: float


def _classes(pairs: Iterable[tuple[int, float]]) -> list[_Class]:
    by_number: dict[int, list[float]] = defaultdict(list)
    for n, mean in pairs:
        by_number[n].append(mean)
    found = []
    for n, means in by_number.items():
        middle = math.fsum(means) / len(means)
        found.append(_Class(n, len(means), middle, math.fsum((mean - middle) ** 2 for mean in means)))
    return found
