"""Sweeps of which the truth is known, drawn at random: the suite takes a few of each, `benchmarks/` a thousand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from results.statistics.importance.designs import (
    Design,
    Noise,
    Params,
    as_trials,
    grid,
    heavy,
    log_search,
    mixed_search,
    normal,
    random_search,
    rounded,
    seeded,
    skewed,
    two_levels,
)

from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.statistics.importance.effects import Effects


@dataclass(frozen=True)
class Null:
    """A kind of sweep in which nothing matters."""

    name: str
    design: Design
    noise: Noise = normal
    between: float = 0.0
    """Standard deviation between configurations, which no parameter explains."""

    def draw(self, seed: int) -> Trials:
        draw = random.Random(f"{self.name} {seed}")
        of: dict[Any, float] = {}
        rows = []
        for params in self.design(draw):
            configuration = tuple(item for item in params.items() if item[0] != "seed")
            rows.append((params, of.setdefault(configuration, draw.gauss(0, self.between)) + self.noise(draw)))
        return as_trials(rows)


NULLS = (
    Null("random 6x4", random_search(6, 4)),
    Null("random 12x4", random_search(12, 4)),
    Null("random 30x4", random_search(30, 4)),
    Null("random 60x4", random_search(60, 4)),
    Null("random 41x10", random_search(41, 10)),
    Null("random 60x20", random_search(60, 20)),
    Null("random 20x40", random_search(20, 40)),
    Null("random 12x200", random_search(12, 200)),
    Null("random 60x200", random_search(60, 200)),
    Null("random 10x6, 4 seeds", random_search(10, 6, seeds=4)),
    Null("random 16x4, 4 seeds, own configurations", random_search(16, 4, seeds=4), between=3.0),
    Null("random 16x4, 4 seeds, somewhat own", random_search(16, 4, seeds=4), between=0.5),
    Null("mixed 24x8", mixed_search(24, 8)),
    Null("mixed 60x12", mixed_search(60, 12)),
    Null("mixed 12x100", mixed_search(12, 100)),
    Null("grid 3x2", grid(3, 2)),
    Null("grid 2x2x2x2", grid(2, 2, 2, 2)),
    Null("grid 3x2x2, 3 seeds", grid(3, 2, 2, seeds=3)),
    Null("grid 4x2, 3 seeds, numbers", grid(4, 2, seeds=3, numeric=True)),
    Null("grid 5x4x3, numbers", grid(5, 4, 3, numeric=True)),
    Null("grid 5x4x3, 40 % missing", grid(5, 4, 3, missing=0.4)),
    Null("grid 3x3x2x2, 40 % missing, numbers", grid(3, 3, 2, 2, missing=0.4, numeric=True)),
    Null("grid 2x2x2x2, 3 seeds, 20 % missing", grid(2, 2, 2, 2, seeds=3, missing=0.2)),
    Null("random 30x4, heavy", random_search(30, 4), heavy),
    Null("random 30x4, skewed", random_search(30, 4), skewed),
    Null("random 30x4, rounded", random_search(30, 4), rounded),
    Null("grid 3x2x2, 3 seeds, heavy", grid(3, 2, 2, seeds=3), heavy),
    Null("grid 5x4x3, 40 % missing, skewed", grid(5, 4, 3, missing=0.4), skewed),
    Null("grid 2x2x2x2, rounded", grid(2, 2, 2, 2), rounded),
    Null("mixed 12x100, skewed", mixed_search(12, 100), skewed),
)


@dataclass(frozen=True)
class Power:
    """A sweep in which one parameter has an effect of some standard errors, and another perhaps a strong one."""

    name: str
    design: Design
    errors: float = 5.0
    """Of the effect in the additive model of all, or alone where that has too many columns."""
    strong: float = 0.0
    """The same of the last parameter."""
    curved: bool = False
    """Whether the effect is a hump."""

    def draw(self, seed: int) -> tuple[Trials, list[list[float]]]:
        """Return the trials, and the values that the parameters have in the model, the first being that of interest."""
        draw = random.Random(f"{self.name} {seed}")
        points = self.design(draw)
        names = [name for name in points[0] if name.startswith("p")]
        levels = {value: draw.gauss(0, 1) for point in points for value in point.values() if isinstance(value, str)}
        columns = [[_place(point[name], levels, self.curved and name == "p0") for point in points] for name in names]
        values = [draw.gauss(0, 1) for _ in points]
        for name, errors in ((0, self.errors), (len(names) - 1, self.strong)):
            length = math.sqrt(_own_squares(points, columns, names, name))
            values = [value + errors * other / length for value, other in zip(values, columns[name], strict=True)]
        return as_trials(list(zip(points, values, strict=True))), columns


def _place(value: Any, levels: dict[str, float], curved: bool) -> float:
    if isinstance(value, str):
        return levels[value]
    place = math.log10(value)
    return -((place + 3) ** 2) if curved else place


def _own_squares(points: list[Params], columns: list[list[float]], names: list[str], place: int) -> float:
    """The sum of squares of a column that the additive model of the other parameters leaves."""
    import numpy as np

    blocks = _model(np, [[point[name] for point in points] for name in names], columns)
    others = [block for index, block in enumerate(blocks) if index != place]
    return _residual(np, np.array(columns[place]), others if _fits(blocks, len(points)) else [])[0]


def _model(np: Any, settings: list[list[Any]], columns: list[list[float]]) -> list[Any]:
    """Numbers are lines, texts levels."""
    return [
        np.array([[float(value == one) for one in sorted(set(values))[1:]] for value in values])
        if isinstance(values[0], str)
        else np.array(column)[:, None]
        for values, column in zip(settings, columns, strict=True)
    ]


def _fits(blocks: list[Any], count: int) -> bool:
    return sum(block.shape[1] for block in blocks) < count - 2


POWERS = (
    Power("41x10 numbers", log_search(41, 10)),
    Power("41x10 numbers beside a strong one", log_search(41, 10), strong=60),
    Power("36x5 numbers", log_search(36, 5)),
    Power("36x5 numbers beside a strong one", log_search(36, 5), strong=60),
    Power("41x10 two levels", two_levels(41, 10)),
    Power("41x10 two levels beside a strong one", two_levels(41, 10), strong=60),
    Power("grid 5x4x3 numbers", grid(5, 4, 3, numeric=True)),
    Power("grid 2x2, 10 seeds", grid(2, 2, seeds=10)),
    Power("16x4 numbers, 4 seeds", seeded(log_search(16, 4), 4)),
    Power("grid 5x4x3 levels", grid(5, 4, 3), errors=4.5),
    Power("grid 5x4x3, 40 % missing", grid(5, 4, 3, missing=0.4), errors=4.5),
    Power("12x4 numbers", log_search(12, 4), errors=4.5),
    Power("20x10 two levels", two_levels(20, 10), errors=4.5),
    Power("60x20 numbers", log_search(60, 20), errors=3.5),
    Power("16x30 numbers", log_search(16, 30), errors=6),
)


def exact(trials: Trials, columns: list[list[float]], kind: Power, level: float = 0.05) -> bool:
    """Whether the F test of the first parameter in the additive model of all holds at the level over their number.

    Where the model has too many columns, the parameter is taken alone.
    """
    import numpy as np
    from scipy import stats

    names = [name for name in trials[0].params if name.startswith("p")]
    blocks = _model(np, [[trial.params[name] for trial in trials] for name in names], columns)
    y = np.array([trial.final["y"] for trial in trials])
    if not _fits(blocks, len(y)):
        blocks = blocks[:1]
    whole = _residual(np, y, blocks)
    rest, freedom = whole[0], len(y) - whole[1]
    other, rank = _residual(np, y, blocks[1:])
    between = whole[1] - rank
    if between == 0 or freedom == 0:
        return False
    ratio = (other - rest) / between / (rest / freedom)
    return bool(stats.f.sf(ratio, between, freedom) <= level / len(names))


def _residual(np: Any, y: Any, blocks: list[Any]) -> tuple[float, int]:
    design = np.hstack([np.ones((len(y), 1)), *blocks])
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    return float(((y - design @ fitted) ** 2).sum()), int(rank)


@dataclass(frozen=True)
class Shared:
    """A sweep in which each parameter has a known share of the variance of the parameters' own effects."""

    name: str
    design: Design
    noise: float = 0.5
    """Standard deviation beside that of all effects."""

    def draw(self, seed: int) -> tuple[Trials, dict[str, float]]:
        """Return the trials, and the true share of each parameter among the parameters."""
        draw = random.Random(f"{self.name} {seed}")
        points = self.design(draw)
        names = [name for name in points[0] if name != "seed"]
        effects = {name: self._effect(draw, [point[name] for point in points]) for name in names}
        squares = {name: one[1] ** 2 for name, one in effects.items()}
        whole = math.sqrt(math.fsum(squares.values()))
        values = [
            math.fsum(effects[name][0](point[name]) for name in names) + draw.gauss(0, self.noise * whole)
            for point in points
        ]
        trials = as_trials(list(zip(points, values, strict=True)))
        return trials, {name: square / whole**2 for name, square in squares.items()}

    @staticmethod
    def _effect(draw: random.Random, values: list[Any]) -> tuple[Callable[[Any], float], float]:
        """Return an effect that is a line, a hump, a saturation or levels at random, and its standard deviation."""
        size = math.exp(draw.gauss(0, 1))
        if isinstance(values[0], str):
            levels = {value: draw.gauss(0, 1) for value in sorted(set(values))}
            spread = math.sqrt(math.fsum(value**2 for value in _centred(list(levels.values()))) / len(levels))
            return lambda value: size * levels[value] / spread, size
        shape = draw.choice((lambda u: u, lambda u: -((2 * u - 1) ** 2), lambda u: -math.exp(-4 * u)))
        centre = [shape((index + 0.5) / 1000) for index in range(1000)]
        spread = math.sqrt(math.fsum(value**2 for value in _centred(centre)) / 1000)
        log = max(values) < 0.1  # those of `log_uniform` are, those of a linear scale are not
        return lambda value: size * shape((math.log10(value) + 5) / 4 if log else value) / spread, size


def _centred(values: list[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


SHARES = (
    Shared("grid 4x3x2", grid(4, 3, 2)),
    Shared("grid 5x4x3", grid(5, 4, 3)),
    Shared("grid 5x4x3, 40 % missing", grid(5, 4, 3, missing=0.4)),
    Shared("grid 4x3x2, 3 seeds, 40 % missing", grid(4, 3, 2, seeds=3, missing=0.4)),
    Shared("random 50x4", random_search(50, 4)),
    Shared("random 50x4, little noise", random_search(50, 4), 0.1),
    Shared("random 50x4, much noise", random_search(50, 4), 2.0),
)


@dataclass(frozen=True)
class Pairs:
    """A grid with seeds in which the difference between any two values of a parameter is known."""

    name: str
    design: Design
    effect: float = 0.0
    """Standard deviation of the values of a parameter, in that of the noise."""
    noise: Noise = normal
    shared: bool = True
    """Whether configurations have seeds in common."""
    mixed: float = 0.0
    """Standard deviation of what a seed does to all its trials."""

    def draw(self, seed: int) -> tuple[Trials, Callable[[str, Any, Any], float]]:
        """Return the trials, and the true difference between two values of a parameter."""
        draw = random.Random(f"{self.name} {seed}")
        points = self.design(draw)
        of_value: dict[tuple[str, Any], float] = {}
        rows = []
        for place, point in enumerate(points):
            for item in point.items():
                of_value.setdefault(item, draw.gauss(0, self.mixed if item[0] == "seed" else self.effect))
            value = math.fsum(of_value[item] for item in point.items()) + self.noise(draw)
            rows.append((point if self.shared else point | {"seed": place}, value))
        return as_trials(rows), lambda name, one, other: of_value[name, one] - of_value[name, other]


PAIRS = (
    Pairs("grid 3x2, 3 seeds", grid(3, 2, seeds=3)),
    Pairs("grid 2x2, 2 seeds", grid(2, 2, seeds=2)),
    Pairs("grid 4x3, 5 seeds", grid(4, 3, seeds=5)),
    Pairs("grid 4x3, 3 seeds, effects", grid(4, 3, seeds=3), effect=1.0),
    Pairs("grid 4x3, 3 seeds, effects, seeds alike", grid(4, 3, seeds=3), effect=1.0, mixed=2.0),
    Pairs("grid 4x3, 3 seeds, 30 % missing", grid(4, 3, seeds=3, missing=0.3), effect=0.5),
    Pairs("grid 5x4x3", grid(5, 4, 3)),
    Pairs("grid 2x2, 3 seeds, not shared", grid(2, 2, seeds=3), shared=False),
    Pairs("grid 3, 5 seeds, not shared", grid(3, seeds=5), shared=False),
    Pairs("grid 4x3, 3 seeds, not shared, effects", grid(4, 3, seeds=3), effect=1.0, shared=False),
    Pairs("grid 3x2, 4 seeds, heavy", grid(3, 2, seeds=4), noise=heavy),
    Pairs("grid 3x2, 4 seeds, skewed", grid(3, 2, seeds=4), noise=skewed),
    Pairs("grid 3x2, 3 seeds, rounded", grid(3, 2, seeds=3), noise=rounded),
)


def wrong(found: Effects, difference: Callable[[str, Any, Any], float]) -> bool:
    """Whether any interval that is shown as sure does not hold the true difference."""
    return any(
        item.sure
        and item.low is not None
        and item.high is not None
        and not item.low <= difference(effect.parameter, item.value, item.against) <= item.high
        for effect in found.parameters
        for item in effect.contrasts
    )


def _is_high(params: Params) -> bool:
    return bool(params["p0"] > 10 ** (-1 - 4 * 0.27))  # 27 % of what `log_uniform` draws


def _is_highest(params: Params) -> bool:
    return bool(params["p0"] > 0.05)


@dataclass(frozen=True)
class Dying:
    """A sweep of which some trials fail: by chance, all of a configuration, or by a setting."""

    name: str
    design: Design
    rate: float = 0.15
    whole: bool = False
    """Whether all seeds of a configuration fail together."""
    cause: Callable[[Params], bool] = lambda params: False
    """The settings with which trials fail at `high`."""
    high: float = 0.0

    def draw(self, seed: int) -> Trials:
        draw = random.Random(f"{self.name} {seed}")
        points = self.design(draw)
        fails: dict[Any, bool] = {}
        for place, point in enumerate(points):
            key = tuple(item for item in point.items() if item[0] != "seed") if self.whole else place
            rate = self.high if self.cause(point) else self.rate
            fails.setdefault(key, draw.random() < rate)
            fails[place] = fails[key]
        dead = {place: TrialState.FAILED for place in range(len(points)) if fails[place]}
        return as_trials([(point, draw.gauss(0, 1)) for point in points], states=dead)


DYING = (
    Dying("random 60x6", random_search(60, 6)),
    Dying("random 20x40", random_search(20, 40)),
    Dying("mixed 60x12", mixed_search(60, 12), rate=0.3),
    Dying("grid 5x4x3, 3 seeds", grid(5, 4, 3, seeds=3, numeric=True)),
    Dying("grid 5x4x3, 3 seeds, configurations", grid(5, 4, 3, seeds=3, numeric=True), whole=True),
    Dying("random 20x6, 8 seeds, configurations", random_search(20, 6, seeds=8), rate=0.3, whole=True),
)
BY_SETTING = (
    Dying("random 150x4: 12 of 40 against 4 of 110", random_search(150, 4), 4 / 110, False, _is_high, 0.3),
    Dying("random 60x6: 60 % against 5 %", random_search(60, 6), 0.05, False, _is_high, 0.6),
    Dying("grid 4x2, 3 seeds: all against none", grid(4, 2, seeds=3, numeric=True), 0.0, False, _is_highest, 1.0),
)
