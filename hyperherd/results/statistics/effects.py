"""What matters: the share of the objective's variance behind each parameter, and what one value gains over another.

Shares alone mislead on grids, where one strong parameter makes all others look like nothing. So every parameter is also
judged by matched pairs: trials that differ in it and in nothing else. Failed and unfinished trials are in neither.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from hyperherd.results.statistics.configurations import seed_keys
from hyperherd.results.statistics.variance import Factor, share_alone, shares_beyond, squares
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import needed
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.settings import settings_of, tokens_of
from hyperherd.results.values import Gap

_MOST_LEVELS = 20
"""A numeric parameter with more values, or more than half as many as there are trials, is judged in ranges."""
_RANGES = 5
_MOST_PAIRED = 50
"""A parameter with more values is not judged by pairs: each value would have next to none."""


@dataclass(frozen=True)
class Level:
    """One value of a parameter, or a range of values, and how the trials that have it did."""

    value: Any
    """:attr:`Gap.NOT_APPLICABLE` for the trials that do not have the parameter."""
    trials: int
    mean: float
    upto: Any = None
    """The last value of a range that begins with `value`; None if it is a single value."""


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
    """Standard error of that mean (n-1); None for a single pair."""


@dataclass(frozen=True)
class ParameterEffect:
    """What one parameter does to the objective."""

    parameter: str
    share: float | None
    """Eta squared: the part of the variance between its values, among the trials that have it; None if undefined."""
    unique: float | None
    """The part of the variance that no other parameter explains (type II sum of squares of an additive model)."""
    chance: float | None
    """The `share` that a parameter without effect and with this many values has on average."""
    levels: tuple[Level, ...]
    """The best mean first."""
    contrasts: tuple[Contrast, ...]
    """Its best value against each other one; empty if no two trials differ in this parameter alone."""
    over: str = "trials"
    """What a pair is of: ``trials``, or ``configurations`` (means over seeds) where no two trials share a seed."""


@dataclass(frozen=True)
class SeedNoise:
    """How much seeds of one configuration differ."""

    std: float
    """Pooled standard deviation within configurations."""
    freedom: int
    """Its degrees of freedom: trials minus configurations."""
    share: float | None
    """The part of the variance within configurations; an effect much below it is noise."""


@dataclass(frozen=True)
class Effects:
    """Effects of parameters on an objective."""

    objective: Objective
    trials: int
    """How many trials this rests on: finished ones with a finite value, one for each configuration and seed."""
    left_out: int
    reasons: dict[str, int]
    """Why trials were left out -> how many."""
    seeds: tuple[str, ...]
    """The parameters that repeat a configuration; they are noise, and no effects."""
    noise: SeedNoise | None
    parameters: tuple[ParameterEffect, ...]
    """The greatest share first."""


@dataclass(frozen=True)
class _JudgedTrial:
    value: float
    settings: dict[str, Any]
    tokens: dict[str, str]
    """The settings as texts that are equal where the values are."""


def effects(trials: TrialCollection, *, keys: Sequence[str] = ()) -> Effects:
    """Return the effects on the objective of `trials`.

    Args:
        trials: any; the ranked ones are compared.
        keys: the parameters that are seeds, ``*`` allowed; without any, what the sweeps say, else ``seed, *.seed``.

    Raises:
        ResultsError: the trials have no objective, or no parameter matches `keys`.
    """
    objective = needed(trials.objective, trials)
    names = seed_keys(trials, keys)
    points, unit = _points(trials, objective)
    varying = [name for name in _varying(points) if name not in names]
    factors = {name: _factor(points, name) for name in varying}
    unique = shares_beyond([point.value for point in points], factors)
    better = 1.0 if objective.direction == MAXIMIZE else -1.0
    found = [_scaled(_effect(points, name, factors[name], unique[name], names, better), unit) for name in varying]
    found.sort(key=lambda effect: -1.0 if effect.share is None else effect.share, reverse=True)
    noise = _noise(points, names)
    noise = replace(noise, std=noise.std * unit) if noise else None
    reasons = _reasons(trials, objective, len(points))
    return Effects(objective, len(points), len(trials) - len(points), reasons, names, noise, tuple(found))


def _reasons(trials: TrialCollection, objective: Objective, compared: int) -> dict[str, int]:
    """Return how many trials are not compared, by reason."""
    finished = [trial for trial in trials if trial.state.finished]
    found = {f"{state}": count for state, count in trials.counts.items() if not state.finished}
    found[f"without a finite {objective.label}"] = len(finished) - len(trials.ranked)
    found["replaced by a newer trial of the same configuration and seed"] = len(trials.ranked) - compared
    return {reason: count for reason, count in found.items() if count}


def _points(trials: TrialCollection, objective: Objective) -> tuple[list[_JudgedTrial], float]:
    """Return the ranked trials, of several with the same settings the one that ended last, and their unit.

    The unit is a power of two such that no value is beyond 2, because the squares of diverged values overflow a float.
    """
    found: dict[frozenset[tuple[str, str]], tuple[float, _JudgedTrial]] = {}
    for trial in trials.ranked:
        settings = settings_of(trials, trial)
        tokens = tokens_of(settings)
        ended, who = trial.ended or 0.0, frozenset(tokens.items())
        value = objective.value(trial)
        assert value is not None
        if who not in found or ended > found[who][0]:
            found[who] = ended, _JudgedTrial(value, settings, tokens)
    points = [point for _, point in found.values()]
    _, exponent = math.frexp(max((abs(point.value) for point in points), default=0.0))
    unit = math.ldexp(1.0, exponent - 1)
    return [replace(point, value=point.value / unit) for point in points], unit


def _scaled(effect: ParameterEffect, unit: float) -> ParameterEffect:
    """Return an effect that was found in units of `unit` in the objective's own."""
    return replace(
        effect,
        levels=tuple(replace(level, mean=level.mean * unit) for level in effect.levels),
        contrasts=tuple(
            replace(item, mean=item.mean * unit, sem=None if item.sem is None else item.sem * unit)
            for item in effect.contrasts
        ),
    )


def _varying(points: Sequence[_JudgedTrial]) -> list[str]:
    names = dict.fromkeys(name for point in points for name in point.tokens)
    return [name for name in names if len({point.tokens.get(name) for point in points}) > 1]


def _factor(points: Sequence[_JudgedTrial], name: str) -> Factor:
    """Return which level of `name` each point has; None where the parameter does not apply."""
    tokens = [point.tokens.get(name) for point in points]
    known = {token: point.settings[name] for point, token in zip(points, tokens, strict=True) if token is not None}
    many = len(known) > min(_MOST_LEVELS, len(points) // 2)
    if many and len(known) > _RANGES and all(is_number(value) for value in known.values()):
        return _ranges(tokens, known)
    return tokens


def _ranges(tokens: Sequence[str | None], known: Mapping[str, Any]) -> Factor:
    """Cut the values into ranges with about as many trials in each."""
    having = sorted((known[token], token) for token in tokens if token is not None)
    place: dict[str, str] = {}
    for index, (_, token) in enumerate(having):
        place.setdefault(token, f"range {index * _RANGES // len(having)}")
    return [None if token is None else place[token] for token in tokens]


def _effect(
    points: Sequence[_JudgedTrial],
    name: str,
    factor: Factor,
    unique: float | None,
    seeds: Collection[str],
    better: float,
) -> ParameterEffect:
    values = [point.value for point in points]
    having = [(value, level) for value, level in zip(values, factor, strict=True) if level is not None]
    count = len({level for _, level in having})
    told = 1 < count < len(having)  # a level for each trial explains everything, and so nothing
    over, contrasts = "trials", _contrasts(points, name, (), better)
    if not contrasts and seeds:
        over, contrasts = "configurations", _contrasts(points, name, seeds, better)
    return ParameterEffect(
        parameter=name,
        share=share_alone(*map(list, zip(*having, strict=True))) if told else None,
        unique=unique if told or count == 1 else None,
        chance=(count - 1) / (len(having) - 1) if told else None,
        levels=_levels(points, name, factor, better),
        contrasts=contrasts,
        over=over if contrasts else "trials",
    )


def _levels(points: Sequence[_JudgedTrial], name: str, factor: Factor, better: float) -> tuple[Level, ...]:
    groups: dict[str | None, list[_JudgedTrial]] = defaultdict(list)
    for point, level in zip(points, factor, strict=True):
        groups[level].append(point)
    levels = []
    for level, members in groups.items():
        mean = fmean(point.value for point in members)
        if level is None:
            levels.append(Level(Gap.NOT_APPLICABLE, len(members), mean))
            continue
        first, last = members[0].settings[name], None
        if len({point.tokens[name] for point in members}) > 1:
            first, last = (pick(point.settings[name] for point in members) for pick in (min, max))
        levels.append(Level(first, len(members), mean, last))
    return tuple(sorted(levels, key=lambda level: -better * level.mean))


def _contrasts(
    points: Sequence[_JudgedTrial], name: str, ignoring: Collection[str], better: float
) -> tuple[Contrast, ...]:
    """Return the best value of `name` against each other one, the nearest first."""
    values = {point.tokens[name]: point.settings[name] for point in points if name in point.tokens}
    if len(values) > _MOST_PAIRED:
        return ()
    pairs = _pairs(points, name, ignoring)
    rivals = {token: [-better * fmean(gains) for (one, _), gains in pairs.items() if one == token] for token in values}
    # The value that loses to the fewest others; of equal ones, the one that loses least.
    order = sorted((token for token in values if rivals[token]), key=lambda token: _losses(rivals[token]))
    if not order:
        return ()
    best, *others = order
    found = [
        _contrast(values[best], values[other], pairs[best, other], better) for other in others if (best, other) in pairs
    ]
    return tuple(sorted(found, key=lambda contrast: better * contrast.mean))


def _losses(behind: Sequence[float]) -> tuple[int, float]:
    return sum(item > 0 for item in behind) - sum(item < 0 for item in behind), fmean(behind)


def _pairs(points: Sequence[_JudgedTrial], name: str, ignoring: Collection[str]) -> dict[tuple[str, str], list[float]]:
    """Return, for each two values of `name`, by how much the first is above the second in each pair."""
    blocks: dict[frozenset[tuple[str, str]], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        if name in point.tokens:
            rest = frozenset(point.tokens.items() - {(key, point.tokens.get(key, "")) for key in (name, *ignoring)})
            blocks[rest][point.tokens[name]].append(point.value)
    pairs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for block in blocks.values():
        means = {token: fmean(values) for token, values in block.items()}
        for one, other in combinations(means, 2):
            pairs[one, other].append(means[one] - means[other])
            pairs[other, one].append(means[other] - means[one])
    return pairs


def _contrast(value: Any, against: Any, gains: Sequence[float], better: float) -> Contrast:
    count, mean = len(gains), fmean(gains)
    sem = math.sqrt(squares(gains) / (count - 1) / count) if count > 1 else None
    wins = sum(better * gain > 0 for gain in gains)
    return Contrast(value, against, count, wins, sum(gain == 0 for gain in gains), mean, sem)


def _noise(points: Sequence[_JudgedTrial], seeds: Collection[str]) -> SeedNoise | None:
    groups = _by_configuration(points, seeds)
    freedom = len(points) - len(groups)
    if not freedom:
        return None
    within = math.fsum(map(squares, groups))
    total = squares([point.value for point in points])
    return SeedNoise(math.sqrt(within / freedom), freedom, within / total if total else None)


def _by_configuration(points: Iterable[_JudgedTrial], seeds: Collection[str]) -> list[list[float]]:
    groups: dict[frozenset[tuple[str, str]], list[float]] = defaultdict(list)
    for point in points:
        groups[frozenset(item for item in point.tokens.items() if item[0] not in seeds)].append(point.value)
    return list(groups.values())
