"""What matters: which parameters hold a test, the share of variance behind each, what one value gains over another.

Shares alone mislead on grids, where one strong parameter makes all others look like nothing. So every parameter is also
judged by matched pairs: trials that differ in it and in nothing else. Failed and unfinished trials are in neither, and
it is said where those that are left out differ from those that are compared.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from hyperherd.results.statistics.configurations import seed_keys
from hyperherd.results.statistics.failure_rates import Rates, rates
from hyperherd.results.statistics.failures import ended
from hyperherd.results.statistics.importance.contrasts import Contrast, contrasts, differences
from hyperherd.results.statistics.importance.design import Term, term
from hyperherd.results.statistics.importance.significance import Verdict, verdicts
from hyperherd.results.statistics.importance.variance import squares
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import needed
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.settings import settings_of, tokens_of
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

Factor = Sequence[str | None]
"""The level of each trial; None where the parameter does not apply."""

_MOST_LEVELS = 20
"""A numeric parameter with more values, or more than half as many as there are trials, is shown in ranges."""
_RANGES = 5


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
class ParameterEffect:
    """What one parameter does to the objective."""

    parameter: str
    share: float | None
    """The part of the variance that it explains beyond the others, chance subtracted; None if undefined."""
    unique: float | None
    """The same with chance (type II sum of squares over the total)."""
    chance: float | None
    """What has been subtracted: the part that a parameter without effect explains on average."""
    levels: tuple[Level, ...]
    """The best mean first."""
    contrasts: tuple[Contrast, ...]
    """Its best value against each other one; empty if no two trials differ in this parameter alone."""
    over: str = "trials"
    """What a pair is of: ``trials``, or ``configurations`` (means over seeds) where no two trials share a seed."""
    p: float | None = None
    """Of its F test, for all parameters together (Holm); None if it cannot be tested."""
    matters: bool = False
    """Whether it holds that test at 5 %."""
    telling: bool = False
    """Whether there are enough trials to tell a strong effect of it from chance."""
    confounded: tuple[str, ...] = ()
    """The parameters that it cannot be told apart from; test and share are those of all of them."""


@dataclass(frozen=True)
class Interaction:
    """Two parameters of which the effect of one depends on the value of the other."""

    parameters: tuple[str, str]
    share: float
    """The part of the variance that it explains beyond all parameters, chance subtracted."""
    p: float
    """Of its F test, for all pairs of parameters that were looked at (Holm)."""


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
    """Those that matter first, of these and of the others the greatest share first."""
    interactions: tuple[Interaction, ...] = ()
    """The pairs that hold a test, of those with a parameter that matters; the surest first."""
    ranks: bool = False
    """Whether ranks are tested and shared, because some values lie far out."""
    comparisons: int = 0
    """How many pairs of values were compared; the intervals of all contrasts hold together."""
    survivors: Rates = field(default_factory=lambda: Rates((), 0, 0, 0))
    """Where trials that ended are left out more often: the effects are those of the others."""
    chosen_by: tuple[str, ...] = ()
    """The samplers and optimizers that chose trials among them by the values of others."""


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
    objective = needed(trials)
    names = seed_keys(trials, keys)
    points, unit = _points(trials, objective)
    varying = [name for name in _varying(points) if name not in names]
    configurations = _configurations(points, names)
    judged = verdicts([point.value for point in points], _terms(points, varying), configurations)
    by_name = {name: verdict for verdict in judged.verdicts for name in verdict.term.names}
    better = 1.0 if objective.direction == MAXIMIZE else -1.0
    found, looked = _effects(points, by_name, names, better)
    noise = _noise(points, configurations)
    return Effects(
        objective,
        len(points),
        len(trials) - len(points),
        _reasons(trials, objective, len(points)),
        names,
        replace(noise, std=noise.std * unit) if noise else None,
        tuple(_scaled(effect, unit) for effect in sorted(found, key=_rank)),
        tuple(
            Interaction((one, other), joint.share, joint.p)
            for joint in judged.joint
            for one, other in [("+".join(joint.names[0]), "+".join(joint.names[1]))]
        ),
        judged.ranks,
        looked,
        _survivors(trials, objective, names),
        tuple(dict.fromkeys(name for trial in trials if (name := _chooser(trial)))),
    )


def _chooser(trial: Trial) -> str:
    """Return what chose a trial by the values of others; empty for one of a grid."""
    return trial.sweep.sampler or (trial.sweep.optimizer.name if trial.sweep.optimizer else "")


def _rank(effect: ParameterEffect) -> tuple[bool, float]:
    # Shares that differ by rounding alone are equal: then the order of the parameters stands.
    return not effect.matters, 1.0 if effect.share is None else -round(effect.share, 9)


def _terms(points: Sequence[_JudgedTrial], varying: Sequence[str]) -> list[Term]:
    """Return the parameters as terms of a model, those that always change together as one."""
    found: dict[tuple[object, ...], Term] = {}
    for name in varying:
        tokens = [point.tokens.get(name) for point in points]
        known = {token: point.settings[name] for point, token in zip(points, tokens, strict=True) if token is not None}
        made = term(name, tokens, known)
        alike = _partition(tokens) if 2 * len(known) <= len(points) else _direction(made)
        twin = found.get(alike)
        found[alike] = made if twin is None else replace(twin, names=(*twin.names, name))
    return list(found.values())


def _partition(tokens: Factor) -> tuple[object, ...]:
    places: dict[str | None, int] = {}
    return tuple(places.setdefault(token, len(places)) for token in tokens)


def _direction(made: Term) -> tuple[object, ...]:
    """Return what two numbers share of which one is a line over the other; what has no line is like nothing else."""
    if not made.columns:
        return made.names
    first = next(value for value in made.columns[0] if abs(value) > 1e-6)
    return tuple(round(math.copysign(value, value * first), 6) + 0.0 for value in made.columns[0])


def _effects(
    points: Sequence[_JudgedTrial], by_name: Mapping[str, Verdict], seeds: Collection[str], better: float
) -> tuple[list[ParameterEffect], int]:
    """Return the effects, and how many comparisons of two values were looked at."""
    pairs = {name: differences(points, name, seeds) for name in by_name}
    looked = sum(len(found) for _, found in pairs.values()) // 2
    effects = []
    for name, verdict in by_name.items():
        over, found = pairs[name]
        effects.append(
            ParameterEffect(
                parameter=name,
                share=verdict.share,
                unique=verdict.unique,
                chance=verdict.chance,
                levels=_levels(points, name, _factor(points, name), better),
                contrasts=contrasts(points, name, found, better, looked),
                over=over,
                p=verdict.p,
                matters=verdict.matters,
                telling=verdict.telling,
                confounded=tuple(other for other in verdict.term.names if other != name),
            )
        )
    return effects, looked


def _survivors(trials: TrialCollection, objective: Objective, seeds: Collection[str]) -> Rates:
    """Return where trials that ended have no value to compare."""
    ranked = set(map(id, trials.ranked))

    def died(trial: Trial) -> bool:
        return id(trial) not in ranked

    return rates(ended(trials, died, seeds), seeds)


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
        contrasts=tuple(_scaled_contrast(item, unit) for item in effect.contrasts),
    )


def _scaled_contrast(contrast: Contrast, unit: float) -> Contrast:
    sem, low, high = (None if value is None else value * unit for value in (contrast.sem, contrast.low, contrast.high))
    return replace(contrast, mean=contrast.mean * unit, sem=sem, low=low, high=high)


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


def _noise(points: Sequence[_JudgedTrial], configurations: Sequence[int]) -> SeedNoise | None:
    groups: dict[int, list[float]] = defaultdict(list)
    for point, configuration in zip(points, configurations, strict=True):
        groups[configuration].append(point.value)
    freedom = len(points) - len(groups)
    if not freedom:
        return None
    within = math.fsum(map(squares, groups.values()))
    total = squares([point.value for point in points])
    return SeedNoise(math.sqrt(within / freedom), freedom, within / total if total else None)


def _configurations(points: Iterable[_JudgedTrial], seeds: Collection[str]) -> list[int]:
    """Return for each trial the number of its configuration."""
    places: dict[frozenset[tuple[str, str]], int] = {}
    configurations = (frozenset(item for item in point.tokens.items() if item[0] not in seeds) for point in points)
    return [places.setdefault(configuration, len(places)) for configuration in configurations]
