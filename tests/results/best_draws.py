"""Draws of sweeps of which the truth is known: the seeds' values that are left of each configuration, and what died."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hyperherd.results.statistics.contest import judge
from hyperherd.results.statistics.pooling import Pool, Sample

SEEDS = 3
CONFIGURATIONS = 12


@dataclass(frozen=True)
class Drawn:
    """One sweep; the standard deviation of seeds is 1, and greater is better."""

    truth: list[float]
    values: list[list[float]]
    bad: list[int]
    lost: list[int]

    @property
    def best(self) -> int:
        """The best configuration in truth."""
        return max(range(len(self.truth)), key=self.truth.__getitem__)

    def is_identifiable(self) -> bool:
        """Whether the best one has a finite seed, and is three standard errors of the difference above the next."""
        with_value = [place for place, values in enumerate(self.values) if values]
        others = [place for place in with_value if place != self.best]
        if self.best not in with_value or not others:
            return False
        second = max(others, key=self.truth.__getitem__)
        error = math.sqrt(sum(1 / len(self.values[place]) for place in (self.best, second)))
        return self.truth[self.best] - self.truth[second] >= 2.999 * error


@dataclass(frozen=True)
class Told:
    """What the rule says of a sweep."""

    right: bool
    """The best one in truth is named."""
    regret: float
    """How much worse than that the one that is named is."""
    covered: bool
    """The interval of the one that is named covers its truth."""
    among: bool
    """The best one in truth is the one that is named, or one that cannot be distinguished from it."""


def told(drawn: Drawn) -> Told:
    """Apply the rule."""
    places = [place for place, values in enumerate(drawn.values) if values]
    pool = Pool(Sample(tuple(drawn.values[place]), drawn.bad[place]) for place in places)
    first = pool.order[0]
    interval = pool.interval(first)
    named = places[first]
    near = {places[place] for place in pool.close(first)}
    covered = interval is None or interval[0] <= drawn.truth[named] <= interval[1]
    regret = drawn.truth[drawn.best] - drawn.truth[named]
    return Told(named == drawn.best, regret, covered, drawn.best in near | {named})


def complete_first(drawn: Drawn) -> bool:
    """Return whether the old rule names the best one: by the mean, complete ones before all others."""
    places = [place for place, values in enumerate(drawn.values) if values]
    mean = {place: sum(drawn.values[place]) / len(drawn.values[place]) for place in places}
    return max(places, key=lambda one: (not drawn.bad[one] + drawn.lost[one], mean[one])) == drawn.best


def _sweep(
    chance: random.Random,
    truth: list[float],
    seeds: list[int],
    lost: Callable[[float], float] = lambda value: 0.0,
    bad: Callable[[float], float] = lambda value: 0.0,
) -> Drawn:
    drawn = Drawn(truth, [], [], [])
    for mean, count in zip(truth, seeds, strict=True):
        values = [chance.gauss(mean, 1) for _ in range(count)]
        fates = [(chance.random() < lost(value), chance.random() < bad(value)) for value in values]
        drawn.values.append([value for value, fate in zip(values, fates, strict=True) if fate == (False, False)])
        drawn.lost.append(sum(gone for gone, _ in fates))
        drawn.bad.append(sum(diverged for gone, diverged in fates if not gone))
    return drawn


def _three_errors(chance: random.Random, **how: Callable[[float], float]) -> Drawn:
    """Return equal configurations but for one, which is exactly three standard errors above each that is left."""
    unequal = how.pop("seeds", None)
    seeds = [SEEDS if unequal is None else int(unequal(0)) for _ in range(CONFIGURATIONS)]
    drawn = _sweep(chance, [0.0] * CONFIGURATIONS, seeds, **how)
    own = len(drawn.values[0]) or 1
    gap = 3 * math.sqrt(1 / own + 1 / min((len(one) for one in drawn.values[1:] if one), default=1))
    drawn.truth[0] = gap
    drawn.values[0][:] = [value + gap for value in drawn.values[0]]
    return drawn


def _spread(chance: random.Random, width: float, **how: Callable[[float], float]) -> Drawn:
    truth = [chance.gauss(0, width) for _ in range(CONFIGURATIONS)]
    truth[0] = max(truth[1:]) + 3.5
    return _sweep(chance, truth, [SEEDS] * CONFIGURATIONS, **how)


def _two_classes(chance: random.Random) -> Drawn:
    truth = [chance.choice((-50.0, 0.0)) for _ in range(2 * CONFIGURATIONS)]
    truth[0], truth[1] = 3.5, 0.0
    return _sweep(chance, truth, [SEEDS] * len(truth), lost=lambda value: 0.1)


def _falling(value: float) -> float:
    """Return a probability that is small for values of the better half, and grows below."""
    return 1 / (1 + math.exp(2 * (value + 1)))


def _null(chance: random.Random, count: int, seeds: int) -> Drawn:
    return _sweep(chance, [0.0] * count, [seeds] * count)


def _normal(chance: random.Random, width: float, count: int) -> Drawn:
    return _sweep(chance, [chance.gauss(0, width) for _ in range(count)], [SEEDS] * count)


def _halving(early: dict[tuple[int, int], float], chance: random.Random) -> set[tuple[int, int]]:
    """Return who goes on at one rung of asynchronous successive halving, of trials that come there in random order."""
    order, seen, kept = list(early), [], set()
    chance.shuffle(order)
    for who in order:
        bisect.insort(seen, early[who])
        if early[who] >= seen[-max(1, len(seen) // 3)]:
            kept.add(who)
    return kept


def _median(early: dict[tuple[int, int], float], chance: random.Random) -> set[tuple[int, int]]:
    """Return who goes on that is not below the median of those before it; the first five do."""
    order, seen, kept = list(early), [], set()
    chance.shuffle(order)
    for who in order:
        if len(seen) < 5 or early[who] >= seen[len(seen) // 2]:
            kept.add(who)
        bisect.insort(seen, early[who])
    return kept


_RULES = {"halving": _halving, "median": _median}


def _pruned(chance: random.Random, rule: str, noise: float, seeds: int, truth: list[float]) -> Drawn:
    """Return a sweep in which a rule has pruned by an early value, which is the last one and noise."""
    last = {(place, seed): chance.gauss(mean, 1) for place, mean in enumerate(truth) for seed in range(seeds)}
    kept = _RULES[rule]({who: value + chance.gauss(0, noise) for who, value in last.items()}, chance)
    values = [[last[place, seed] for seed in range(seeds) if (place, seed) in kept] for place in range(len(truth))]
    return Drawn(truth, values, [seeds - len(one) for one in values], [0] * len(truth))


def _of_pruning(rule: str, noise: float, seeds: int) -> Callable[[random.Random], Drawn]:
    return lambda chance: _pruned(chance, rule, noise, seeds, [chance.gauss(0, 1) for _ in range(CONFIGURATIONS)])


PRUNED: dict[str, Callable[[random.Random], Drawn]] = {
    f"{rule}, {seeds} seeds, early values {what}": _of_pruning(rule, noise, seeds)
    for rule in _RULES
    for noise, what in ((0.5, "close"), (2.0, "vague"))
    for seeds in (3, 6)
}
"""Sweeps of normal truth with a pruner; a seed that it ended is a bad one."""


IDENTIFIABLE: dict[str, Callable[[random.Random], Drawn]] = {
    "nothing dies": _three_errors,
    "1 to 5 seeds": lambda chance: _three_errors(chance, seeds=lambda _: chance.randint(1, 5)),
    "10 % lost": lambda chance: _three_errors(chance, lost=lambda value: 0.1),
    "30 % lost": lambda chance: _three_errors(chance, lost=lambda value: 0.3),
    "bad values die": lambda chance: _three_errors(chance, lost=_falling),
    "good values die": lambda chance: _three_errors(chance, lost=lambda value: _falling(-value)),
    "10 % diverge": lambda chance: _three_errors(chance, bad=lambda value: 0.1),
    "30 % diverge": lambda chance: _three_errors(chance, bad=lambda value: 0.3),
    "bad values diverge": lambda chance: _three_errors(chance, bad=_falling),
    "lost and diverged": lambda chance: _three_errors(chance, lost=lambda value: 0.1, bad=lambda value: 0.1),
    "spread, 10 % lost": lambda chance: _spread(chance, 1.0, lost=lambda value: 0.1),
    "wide spread, 10 % diverge": lambda chance: _spread(chance, 20.0, bad=lambda value: 0.1),
    "two classes, 10 % lost": _two_classes,
}
"""Sweeps with a configuration that is three standard errors above the next, as a rule exactly."""
OTHERS: dict[str, Callable[[random.Random], Drawn]] = {
    "32 equal ones of 3 seeds": lambda chance: _null(chance, 32, 3),
    "32 equal ones of 2 seeds": lambda chance: _null(chance, 32, 2),
    "4 equal ones of 3 seeds": lambda chance: _null(chance, 4, 3),
    "32 of normal truth": lambda chance: _normal(chance, 1.0, 32),
    "32 of narrow normal truth": lambda chance: _normal(chance, 0.5, 32),
    "6 of wide normal truth": lambda chance: _normal(chance, 5.0, 6),
}
"""Sweeps whose best one is not or not always identifiable: what is claimed of the one that is named must hold."""


def identifiable(kind: str, count: int, seed: str) -> Iterator[Drawn]:
    """Yield this many sweeps of a kind whose best configuration is identifiable."""
    chance = random.Random(f"{seed} {kind}")
    while count:
        drawn = IDENTIFIABLE[kind](chance)
        if drawn.is_identifiable():
            count -= 1
            yield drawn


def others(kind: str, count: int, seed: str) -> Iterator[Drawn]:
    """Yield this many sweeps of a kind."""
    chance = random.Random(f"{seed} {kind}")
    for _ in range(count):
        yield (OTHERS.get(kind) or PRUNED[kind])(chance)


def ignoring_pruned(drawn: Drawn) -> Drawn:
    """Return a sweep as it would be judged if seeds that were pruned did not count at all."""
    return replace(drawn, bad=[0] * len(drawn.bad))


CONTESTS: dict[str, Callable[[random.Random], list[float]]] = {
    "two, the better one just out of delta": lambda chance: [0.0, 1.01],
    "five equal ones and one just out of delta": lambda chance: [0.0] * 5 + [1.01],
    "two good ones of four": lambda chance: [0.0, 0.0, 3.0, 3.2],
    "twelve of normal truth": lambda chance: [chance.gauss(0, 2) for _ in range(CONFIGURATIONS)],
}
"""Truths of sweeps that decide with a delta of 1."""
DELTA = 1.0
BUDGET = 1000


@dataclass(frozen=True)
class Played:
    """How a contest ended."""

    loss: float | None
    """How much worse than the best one the decided one is; None if none was decided."""
    seeds: int
    """How many were spent."""


def play(truth: list[float], chance: random.Random) -> Played:
    """Give seeds to those in contention, of different standard deviations about 1, looking after every seed."""
    values: list[dict[int, float]] = [{} for _ in truth]
    contenders: tuple[int, ...] = tuple(range(len(truth)))
    seed, spent = 0, 0
    while spent + len(contenders) <= BUDGET:
        spent += len(contenders)
        for place in contenders:
            if chance.random() > 0.05:
                values[place][seed] = chance.gauss(truth[place], 0.8 + 0.1 * (place % 5))
        seed += 1
        verdict = judge(values, 0.05)
        if verdict is None or seed < SEEDS:
            continue
        if verdict.within <= DELTA:
            return Played(max(truth) - truth[verdict.leader], spent)
        contenders = verdict.contenders
    return Played(None, spent)
