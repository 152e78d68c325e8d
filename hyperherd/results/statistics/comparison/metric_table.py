"""One metric of two sets of trials: its pairs, its configurations, and how certain the difference is."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any, NamedTuple

from hyperherd.results.statistics.comparison.matching import Cells, Configuration, Matching, unfinished
from hyperherd.results.statistics.comparison.student import Estimate, of_pairs, of_strata
from hyperherd.results.statistics.distributions import LEVEL, f_tail
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.trial import Trial

_BLOCKS = 0.5
"""Seeds count as blocks from this p on: to overlook weak ones makes intervals too short (benchmarks/compare.py)."""


@dataclass(frozen=True)
class MetricComparison:
    """One metric, over everything or for one value of a setting."""

    objective: Objective
    group: Any
    """The value of the setting that the comparison was split by; None if it was not."""
    paired: bool
    unit: str
    """What counts once: ``pair``, ``seed`` (pairs of one seed differ alike) or ``trial`` (unpaired)."""
    n: int
    """How many units there are; of trials those of both sides."""
    configurations: int
    a: float
    """The mean of the first side over what is compared."""
    b: float
    estimate: Estimate
    """b minus a."""
    p_holm: float | None = None
    """p corrected for all comparisons beside this one; None where chance cannot be judged."""

    @property
    def is_certain(self) -> bool:
        """Whether the difference is more than chance makes."""
        return self.p_holm is not None and self.p_holm <= LEVEL

    @property
    def better(self) -> str | None:
        """``a`` or ``b``; None where they cannot be told apart."""
        return self.ahead if self.is_certain else None

    @property
    def ahead(self) -> str | None:
        """The side with the better mean, by chance or not."""
        if not self.estimate.value:
            return None
        return "b" if (self.estimate.value > 0) == (self.objective.direction == MAXIMIZE) else "a"

    @property
    def detectable(self) -> float | None:
        """The difference that would be found in four of five comparisons like this one."""
        return self.estimate.detectable(LEVEL)

    @property
    def enough(self) -> int | None:
        """How many units would find a difference as large as this one in four of five cases; None if it was found."""
        if self.is_certain or self.detectable is None or not self.estimate.value:
            return None
        return math.ceil(self.n * (self.detectable / self.estimate.value) ** 2)


@dataclass(frozen=True)
class ConfigurationDifference:
    """One configuration in both sides."""

    settings: dict[str, Any]
    n: int
    """Its pairs, or its trials in both sides."""
    a: float
    b: float
    better: str | None
    """The side with the better mean, by chance or not; None of equal ones."""


class _Pair(NamedTuple):
    """The values of two trials with one configuration and one seed."""

    key: Configuration
    seed: Hashable
    a: float
    b: float


class _Stratum(NamedTuple):
    """The values of one configuration in both sides, by seed."""

    key: Configuration
    a: dict[Hashable, float]
    b: dict[Hashable, float]


@dataclass(frozen=True)
class MetricTable:
    """One metric of the configurations that both sides have."""

    found: Matching
    objective: Objective
    shared: list[Configuration]

    def compared(self, group: Any) -> MetricComparison | None:
        """Return the comparison; None if the sides have no value of the metric in a configuration of both."""
        if not self.strata:
            return None
        unpaired = of_strata([(list(one.a.values()), list(one.b.values())) for one in self.strata], self._scale)
        # A single pair has no error; many trials beside it, whose seeds are in one side alone, do.
        if len(self.pairs) > 1 or (self.pairs and unpaired.sem is None):
            return self._paired(group)
        a = fmean(fmean(one.a.values()) for one in self.strata)
        b = fmean(fmean(one.b.values()) for one in self.strata)
        n = sum(len(one.a) + len(one.b) for one in self.strata)
        return MetricComparison(self.objective, group, False, "trial", n, len(self.strata), a, b, unpaired)

    def _paired(self, group: Any) -> MetricComparison:
        estimate, unit = self._of_pairs()
        n = len(self.pairs) if unit == "pair" else int(estimate.freedom or 0) + 1
        a, b = fmean(pair.a for pair in self.pairs), fmean(pair.b for pair in self.pairs)
        configurations = len({pair.key for pair in self.pairs})
        return MetricComparison(self.objective, group, True, unit, n, configurations, a, b, estimate)

    @cached_property
    def pairs(self) -> list[_Pair]:
        """The trials that differ in nothing but what tells the sides apart."""
        return [_Pair(key, seed, a[seed], b[seed]) for key, a, b in self.strata for seed in a if seed in b]

    @cached_property
    def strata(self) -> list[_Stratum]:
        """The values of each configuration that both sides have a value of."""
        a, b = self.found.cells
        found = [_Stratum(key, self._by_seed(a, key), self._by_seed(b, key)) for key in self.shared]
        return [stratum for stratum in found if stratum.a and stratum.b]

    def _by_seed(self, cells: Cells, key: Configuration) -> dict[Hashable, float]:
        found = {}
        for seed, trials in cells[key].items():
            values = [value for trial in trials if (value := self.objective.value(trial)) is not None]
            if finite := [value for value in values if math.isfinite(value)]:
                found[seed] = fmean(finite)
        return found

    @cached_property
    def _scale(self) -> float:
        return max((abs(value) for _, a, b in self.strata for value in (*a.values(), *b.values())), default=0.0)

    def _of_pairs(self) -> tuple[Estimate, str]:
        """Return the mean difference, and what counts once in it.

        A seed may make the same difference in all configurations, such as one that chooses the data. Then its pairs are
        no more than one observation, whose configurations are averaged out first.
        """
        differences = [pair.b - pair.a for pair in self.pairs]
        keys = [pair.key for pair in self.pairs]
        seeds = [pair.seed for pair in self.pairs]
        residual = _within(keys, differences)
        if not self.found.keys or not _are_blocks(seeds, residual, len(set(keys))):
            return of_pairs(differences, self._scale), "pair"
        mean = fmean(differences)
        by_seed = [mean + fmean(some) for some in _by(seeds, residual).values()]
        return replace(of_pairs(by_seed, self._scale), value=mean), "seed"

    def why_not(self) -> str:
        """Return why the two sides cannot be compared."""
        values = [[trial for trial in side if self.objective.value(trial) is not None] for side in self.found.sides]
        without = [name for name, some in zip("ab", values, strict=True) if not some]
        if without:
            logged = [f"{name} logged {', '.join(side.metric_names) or 'nothing'}" for name, side in self._named()]
            return f"side {' and '.join(without)} has no value of it ({'; '.join(logged)})"
        return "no configuration has a finite value in both sides"

    def _named(self) -> list[tuple[str, TrialCollection]]:
        return list(zip("ab", self.found.sides, strict=True))

    def first_trials(self) -> tuple[Trial, Trial] | None:
        """Return two trials that are compared."""
        for key, a, b in self.strata:
            seed = next((seed for seed in a if seed in b), None)
            seeds = (next(iter(a)), next(iter(b))) if seed is None else (seed, seed)
            one, other = (cells[key][seed][0] for cells, seed in zip(self.found.cells, seeds, strict=True))
            return one, other
        return None

    def by_configuration(self) -> list[ConfigurationDifference]:
        """Return each configuration with both means, over its pairs if it has any."""
        found = []
        for key, a, b in self.strata:
            seeds = [seed for seed in a if seed in b]
            n = len(seeds) or len(a) + len(b)
            one = fmean(a[seed] for seed in seeds or a)
            other = fmean(b[seed] for seed in seeds or b)
            better = None
            if one != other:
                better = "b" if (other > one) == (self.objective.direction == MAXIMIZE) else "a"
            found.append(ConfigurationDifference(self.found.settings[key], n, one, other, better))
        sign = -1 if self.objective.direction == MAXIMIZE else 1
        return sorted(found, key=lambda item: sign * (item.b - item.a))

    def left_out(self, side: int) -> dict[str, int]:
        """Return why trials of a side have no part in this -> how many."""
        told = unfinished(self.found.sides[side])
        cells, others = self.found.cells[side], self.found.cells[1 - side]
        trials = [(key, seed, trial) for key, seeds in cells.items() for seed, some in seeds.items() for trial in some]
        ranked = [(key, seed) for key, seed, trial in trials if self.objective.ranks(trial)]
        alone = [place for place in ranked if not self._has_counterpart(*place, others)]
        done = sum(trial.state.finished for trial in self.found.sides[side])
        counts = {
            f"without a finite {self.objective.label}": len(trials) - len(ranked),
            "without a counterpart": len(alone),
            "superseded by a newer trial of the same": done - len(trials),
        }
        return {**told, **{why: count for why, count in counts.items() if count}}

    def _has_counterpart(self, key: Configuration, seed: Hashable, others: Cells) -> bool:
        values = self._by_seed(others, key) if key in others else {}
        return seed in values if len(self.pairs) > 1 else bool(values)


def _within(keys: Sequence[Configuration], values: Sequence[float]) -> list[float]:
    """Return what is left of the values without the mean of their configuration."""
    means = {key: fmean(own) for key, own in _by(keys, values).items()}
    return [value - means[key] for key, value in zip(keys, values, strict=True)]


def _by(keys: Sequence[Hashable], values: Sequence[float]) -> dict[Hashable, list[float]]:
    found: dict[Hashable, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, []).append(value)
    return found


def _are_blocks(seeds: Sequence[Hashable], residual: Sequence[float], configurations: int) -> bool:
    """Return whether differences agree within seeds more than chance makes them, by the F of a two-way layout."""
    groups = _by(seeds, residual).values()
    between, within = len(groups) - 1, len(residual) - configurations - len(groups) + 1
    if configurations < 2 or between < 1 or within < 1:
        return False
    explained = math.fsum(len(some) * fmean(some) ** 2 for some in groups)
    rest = math.fsum(value * value for value in residual) - explained
    if rest <= 0:
        return explained > 0
    return f_tail(explained / between / (rest / within), between, within) < _BLOCKS
