"""The Pareto front: the configurations that no other one beats in one objective without losing in another.

A configuration dominates another one if none of its objectives is worse and at least one is better. Equal ones do not
dominate each other. It counts by the means of its seeds. Only one whose seeds that count have a finite value of each
objective is compared; the others are apart, with the reason.

What is said of chance rests on the spread of the seeds within configurations, one variance for each objective, and
holds for all configurations together at 95 %, each at 5 % divided by their number n (Bonferroni). Of k objectives, that
one is on the front is said if from every other one it differs for the better in some objective, at that level divided
by k: if another one did dominate it, one of k tests would have to be wrong. That it is off the front is said if some
one differs from it for the better in all objectives, at that level divided by n - 1: one of as many tests would have to
be wrong. The tests are one-sided, by Student's t. Nothing is said of groups whose trials differ in more than a seed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import le

from hyperherd.errors import ResultsError, some_of
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, GroupCollection
from hyperherd.results.statistics.distributions import LEVEL, t_bound
from hyperherd.results.statistics.marginal import is_pooled
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.trial import Trial

MOST_JUDGED = 2000
"""With more configurations nothing is said of chance: each would be compared with each of the front."""
_LAYERS = 8
"""How many fronts are told apart; all of them would take minutes where there are ten thousands of configurations."""


@dataclass(frozen=True, eq=False)
class FrontPoint:
    """A configuration that is compared."""

    group: AnyGroup
    spreads: tuple[Spread, ...]
    """Of each objective over its seeds."""
    losses: tuple[float, ...] = field(repr=False)
    """The means, turned so that less is better."""

    @property
    def means(self) -> tuple[float, ...]:
        """Of each objective, the mean over its seeds."""
        return tuple(spread.mean or 0.0 for spread in self.spreads)

    @property
    def trial(self) -> Trial:
        """The first of its trials that count."""
        return self.group.counted[0]

    def dominates(self, other: FrontPoint) -> bool:
        """Return whether none of its objectives is worse than that of another one, and at least one is better."""
        return self.losses != other.losses and all(map(le, self.losses, other.losses))


class Front:
    """The configurations of trials that several objectives judge, and the front among them.

    Args:
        groups: all configurations.

    Raises:
        ResultsError: they are not judged by several objectives.

    Attributes:
        objectives: two or more.
        groups: all configurations.
        points: those that are compared: the front, along its first objective, then the front of what is left, and so
            on for eight fronts; then the others along the first objective.
        size: how many of `points` are the front.
        apart: why others are not compared, and which trials; seeds of one that is compared are not among them.
    """

    def __init__(self, groups: AnyGroups) -> None:
        trials = groups.trials
        if not trials.objectives:
            judged = f"by {trials.objective.label!r} alone" if trials.objective else "by no objective"
            raise ResultsError(
                f"a Pareto front needs several objectives, and these trials are judged {judged}; name them, e.g. "
                f"-m METRIC -m METRIC, or .judged_by(['metric', 'metric']); available: {some_of(trials.metric_names)}"
            )
        self.objectives = trials.objectives
        self.groups = groups
        signs = [-1.0 if objective.direction == MAXIMIZE else 1.0 for objective in self.objectives]
        compared: list[FrontPoint] = []
        self.apart: dict[str, list[Trial]] = {}
        for group in groups:
            if why := _why_apart(group, self.objectives, "seed" if groups.keys else "trial"):
                self.apart.setdefault(why, []).extend(group.trials)
            else:
                spreads = tuple(group.judged(objective) for objective in self.objectives)
                means = [spread.mean or 0.0 for spread in spreads]
                losses = tuple(sign * mean for sign, mean in zip(signs, means, strict=True))
                compared.append(FrontPoint(group, spreads, losses))
        layers = _layers(compared)
        self.points = [point for layer in layers for point in layer]
        self.size = len(layers[0]) if layers else 0

    @property
    def front(self) -> list[FrontPoint]:
        """Those that no other one dominates, along the first objective."""
        return self.points[: self.size]

    @cached_property
    def standing(self) -> dict[Trial, bool]:
        """Trial → whether its configuration is on the front; trials that do not count are not in it."""
        found = {}
        for place, point in enumerate(self.points):
            found.update(dict.fromkeys(point.group.counted, place < self.size))
        return found

    def group_order(self) -> list[AnyGroup]:
        """Return all configurations: the front first, then the others that are compared, then the rest."""
        first = [point.group for point in self.points]
        known = set(first)
        return [*first, *(group for group in self.groups if group not in known)]

    def trial_order(self) -> list[Trial]:
        """Return all trials: those of the front first, then the others that count, then the rest."""
        first = [trial for point in self.points for trial in point.group.counted]
        known = set(first)
        return [*first, *(trial for trial in self.groups.trials if trial not in known)]

    @cached_property
    def dominated(self) -> Counter[FrontPoint]:
        """How many of the compared configurations each one of the front dominates."""
        rest = self.points[self.size :]
        return Counter({one: sum(one.dominates(other) for other in rest) for one in self.front})

    # Chance

    @cached_property
    def knows_noise(self) -> bool:
        """Whether seeds show how far values lie apart by chance, in each objective."""
        return 1 < len(self.points) <= MOST_JUDGED and all(freedom for _, freedom in self._noise) and not self.is_pooled

    @cached_property
    def is_pooled(self) -> bool:
        """Whether it is one of groups whose trials differ in more than their seed: then their spread is not chance."""
        return any(len(group.counted) > 1 for group in self.groups) and is_pooled(self.groups)

    @cached_property
    def unsure(self) -> list[FrontPoint]:
        """Those of the front that may be there by chance; empty where nothing is known of it.

        Of any other one a difference in some objective tells that it does not dominate.
        """
        if not self.knows_noise:
            return []
        return [one for one in self.front if not self._is_surely_on(one)]

    @cached_property
    def near(self) -> list[FrontPoint]:
        """Those that are not on the front, and may be off it by chance: none of the front surely dominates them."""
        if not self.knows_noise:
            return []
        rest = self.points[self.size :]
        return [other for other in rest if not any(self._surely_dominates(one, other) for one in self.front)]

    @property
    def constant(self) -> list[str]:
        """The objectives of which no seed has another value than those of its configuration."""
        return [one.label for one, (variance, _) in zip(self.objectives, self._noise, strict=True) if not variance]

    def _is_surely_on(self, one: FrontPoint) -> bool:
        reach = self._reach(LEVEL / len(self.points) / len(self.objectives))
        others = (other for other in self.points if other is not one)
        return all(max(self._gains(one, other, reach)) > 0 or self._is_copy(one, other) for other in others)

    def _surely_dominates(self, one: FrontPoint, other: FrontPoint) -> bool:
        gains = self._gains(one, other, self._reach(LEVEL / len(self.points) / (len(self.points) - 1)))
        pairs = zip(gains, self._noise, strict=True)
        return max(gains) > 0 and all(gain > 0 or (gain == 0 and not variance) for gain, (variance, _) in pairs)

    def _is_copy(self, one: FrontPoint, other: FrontPoint) -> bool:
        """Whether both have the same values in every objective, and no objective has any noise."""
        return one.losses == other.losses and not any(variance for variance, _ in self._noise)

    @cached_property
    def _noise(self) -> list[tuple[float, int]]:
        """The variance of seeds in each objective, with its degrees of freedom."""
        found = []
        for place in range(len(self.objectives)):
            spreads = [point.spreads[place] for point in self.points]
            freedom = sum(spread.n - 1 for spread in spreads)
            squares = math.fsum((spread.n - 1) * spread.std * spread.std for spread in spreads if spread.std)
            found.append((squares / freedom if freedom else 0.0, freedom))
        return found

    def _reach(self, level: float) -> list[float]:
        """The distance, of means of one seed each and in each objective, beyond which a difference is not chance."""
        return [t_bound(freedom, 1 - 2 * level) * math.sqrt(variance) for variance, freedom in self._noise]

    def _gains(self, one: FrontPoint, other: FrontPoint, reach: Sequence[float]) -> list[float]:
        """Return by how much one is better in each objective, beyond what may be chance; negative: it may be worse."""
        found = []
        for place, distance in enumerate(reach):
            ns = one.spreads[place].n, other.spreads[place].n
            found.append(other.losses[place] - one.losses[place] - distance * math.sqrt(sum(1 / n for n in ns)))
        return found


@lru_cache(maxsize=2)  # the table, its lines and its record ask for the same one
def front_of(trials: TrialCollection) -> Front:
    """Return the front among the configurations of some trials.

    Raises:
        ResultsError: they are not judged by several objectives.
    """
    return Front(GroupCollection.by_configuration(trials))


@lru_cache(maxsize=2)
def front_among(groups: AnyGroups) -> Front:
    """Return the front among groups of trials.

    Raises:
        ResultsError: they are not judged by several objectives.
    """
    return Front(groups)


def _why_apart(group: AnyGroup, objectives: Sequence[Objective], what: str) -> str:
    """Return why a configuration is not compared; empty if it is. One of its trials is called `what`."""
    if not group.counted:
        states = dict.fromkeys(trial.state.value for trial in group.trials)
        return " and ".join(states)
    without = [one.label for one in objectives if group.judged(one).n < len(group.counted)]
    if without:
        return f"without a finite {' and '.join(without)}" + (f" of each {what}" if group.planned > 1 else "")
    if any(group.bad_seeds(objective) for objective in objectives):
        return f"with a {what} that was pruned, paused or diverged"
    return ""


def _layers(points: Sequence[FrontPoint]) -> list[list[FrontPoint]]:
    """Return the front, then the front of what is left, and so on, and all others; each along the first objective."""
    ordered = sorted(points, key=lambda point: point.losses)
    layers: list[list[FrontPoint]] = []
    for point in ordered:
        # What dominates it comes before it, most likely shortly. If no point of a layer does, none of a later one does.
        low, high = 0, min(len(layers), _LAYERS)
        while low < high:
            middle = (low + high) // 2
            if any(other.dominates(point) for other in reversed(layers[middle])):
                low = middle + 1
            else:
                high = middle
        if low == len(layers):
            layers.append([])
        layers[low].append(point)
    return layers
