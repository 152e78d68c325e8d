"""Trials in memory, what they are searched by, and the noise on their values."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hyperherd.records.states import FailureCause, TrialState
from hyperherd.results.api import Trials
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Sweep, Trial

SWEEP = Sweep("s", Path("/s"))
Params = dict[str, Any]
Design = Callable[[random.Random], list[Params]]
Noise = Callable[[random.Random], float]


def as_trials(
    rows: Sequence[tuple[Params, float | None]],
    direction: str = "maximize",
    states: Mapping[int, TrialState] = MappingProxyType({}),
) -> Trials:
    """Trials with these parameters and values; the state of each is completed unless told otherwise."""
    return Trials((_trial(place, *row, states.get(place)) for place, row in enumerate(rows)), Objective("y", direction))


def _trial(number: int, params: Params, value: float | None, state: TrialState | None) -> Trial:
    return Trial(
        number,
        str(number),
        Path(f"/s/{number}"),
        SWEEP,
        state or TrialState.COMPLETED,
        cause=FailureCause.EXCEPTION if state is TrialState.FAILED else None,
        params=params,
        final={} if value is None else {"y": value},
        ended=float(number),
    )


def log_uniform(draw: random.Random) -> float:
    return 10 ** draw.uniform(-5, -1)


def random_search(count: int, params: int, *, seeds: int = 1) -> Design:
    """Half of the numbers on a logarithmic scale, half on a linear one."""

    def design(draw: random.Random) -> list[Params]:
        points = [
            {f"p{index}": draw.random() if index % 2 else log_uniform(draw) for index in range(params)}
            for _ in range(count)
        ]
        return repeated(points, seeds)

    return design


def mixed_search(count: int, params: int) -> Design:
    """Choices, switches, whole numbers and numbers by turns, and a parameter that only some trials have."""
    kinds: tuple[Callable[[random.Random], Any], ...] = (
        lambda draw: draw.choice(("sgd", "adam", "lion")),
        lambda draw: draw.random() < 0.5,
        lambda draw: draw.choice((16, 32, 64, 128)),
        log_uniform,
    )

    def design(draw: random.Random) -> list[Params]:
        points = []
        for _ in range(count):
            point = {f"p{index}": kinds[index % 4](draw) for index in range(params)}
            points.append(point | ({"beta": draw.random()} if point["p0"] == "adam" else {}))
        return points

    return design


def grid(*sizes: int, seeds: int = 1, missing: float = 0.0, numeric: bool = False) -> Design:
    """A grid of as many values for each parameter, with some of its trials missing."""

    def design(draw: random.Random) -> list[Params]:
        axes = [[10.0 ** (level - size) if numeric else f"v{level}" for level in range(size)] for size in sizes]
        points = [{f"p{index}": value for index, value in enumerate(point)} for point in itertools.product(*axes)]
        return [point for point in repeated(points, seeds) if draw.random() >= missing]

    return design


def repeated(points: list[Params], seeds: int) -> list[Params]:
    if seeds == 1:
        return points
    return [point | {"seed": seed} for point in points for seed in range(seeds)]


def normal(draw: random.Random) -> float:
    return draw.gauss(0, 1)


def heavy(draw: random.Random) -> float:
    """Student's t of two degrees of freedom: every so often a value is far out."""
    return draw.gauss(0, 1) / math.sqrt(draw.expovariate(1.0))


def skewed(draw: random.Random) -> float:
    return math.exp(1.5 * draw.gauss(0, 1))


def rounded(draw: random.Random) -> float:
    """An accuracy over twenty examples."""
    return sum(draw.random() < 0.8 for _ in range(20)) / 20


def log_search(count: int, params: int) -> Design:
    return lambda draw: [{f"p{index}": log_uniform(draw) for index in range(params)} for _ in range(count)]


def two_levels(count: int, params: int) -> Design:
    """Half of the trials have each level of each parameter, at random."""

    def design(draw: random.Random) -> list[Params]:
        columns = []
        for _ in range(params):
            column = ["a", "b"] * (count // 2) + ["a"] * (count % 2)
            draw.shuffle(column)
            columns.append(column)
        return [
            {f"p{index}": f"{index}{value}" for index, value in enumerate(point)}
            for point in zip(*columns, strict=True)
        ]

    return design


def seeded(design: Design, seeds: int) -> Design:
    return lambda draw: repeated(design(draw), seeds)
