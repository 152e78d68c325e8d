"""Expanding a conditional grid: ours beside the algorithms of the first HyperHerd and of hypnettorch, in one run.

    python benchmarks/expansion.py            # up to 200,000 points
    python benchmarks/expansion.py 2000       # up to so many

The peers' algorithms are written here in the plainest way that gives their trials; that ours gives the same ones is a
property test (tests/space/test_expansion.py). hypnettorch's searches its whole list for each duplicate, so it is run on
the smallest grid only.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from hyperherd.space.expansion import SearchSpace, expand
from hyperherd.space.grids import Grid
from hyperherd.space.parameters import Parameter
from hyperherd.space.reading import read_conditions

REPEATS = 3
SIZES = (10, 30, 100)
MOST_FOR_HYPNETTORCH = 10


def axes(size: int) -> dict[str, list[Any]]:
    return {"a": list(range(size)), "b": list(range(size)), "c": list(range(10)), "d": ["x", "y"]}


EXCLUDE_AND_FORCE: list[dict[str, Any]] = [
    {"when": {"d": ["x"], "a": [0, 1, 2]}, "exclude": {"b": [0, 1]}},
    {"when": {"b": [3]}, "force": {"c": 1}},
]
REPLACE = [({"d": ["x"], "a": [0, 1]}, {"b": [0]}), ({"c": [5]}, {"d": ["z"]})]


def ours(size: int, conditions: list[dict[str, Any]]) -> int:
    grid = Grid(tuple(Parameter(name, tuple(values)) for name, values in axes(size).items()))
    return len(expand(SearchSpace((grid,), read_conditions(conditions, lambda key, text: (text,))))[0])


def first_hyperherd(size: int) -> int:
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    names = axes(size)
    for values in itertools.product(*names.values()):
        point: dict[str, Any] | None = dict(zip(names, values, strict=True))
        for condition in EXCLUDE_AND_FORCE:
            if point is None or not all(point[name] in listed for name, listed in condition["when"].items()):
                continue
            if any(point[name] in listed for name, listed in condition.get("exclude", {}).items()):
                point = None
                continue
            point = {**point, **condition.get("force", {})}
        if point is not None:
            kept.setdefault(tuple(point.values()), point)
    return len(kept)


def hypnettorch(size: int) -> int:
    names = axes(size)
    trials = [dict(zip(names, values, strict=True)) for values in itertools.product(*names.values())]
    for keys, replacement in REPLACE:
        hit = [trial for trial in trials if all(trial[name] in listed for name, listed in keys.items())]
        trials = [trial for trial in trials if trial not in hit]
        for trial in hit:
            trials += [
                {**trial, **dict(zip(replacement, values, strict=True))}
                for values in itertools.product(*replacement.values())
            ]
    unique: list[dict[str, Any]] = []
    for trial in trials:
        if trial not in unique:
            unique.append(trial)
    return len(unique)


def median(work: Callable[[], int]) -> tuple[float, int]:
    seconds, count = [], 0
    for _ in range(REPEATS):
        started = time.perf_counter()
        count = work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), count


def main(most: float) -> None:
    replace = [{"when": keys, "replace": values} for keys, values in REPLACE]
    print(f"{'points':>8}  {'rules':16}  {'trials':>7}  {'ours s':>8}  {'theirs s':>8}  theirs / ours")
    for size in SIZES:
        points = size * size * 20
        if points > most:
            break
        for name, theirs, conditions in (
            ("exclude, force", first_hyperherd, EXCLUDE_AND_FORCE),
            ("replace", hypnettorch, replace),
        ):
            own, count = median(lambda conditions=conditions, size=size: ours(size, conditions))  # type: ignore[misc]
            if theirs is hypnettorch and size > MOST_FOR_HYPNETTORCH:
                print(f"{points:8,}  {name:16}  {count:7,}  {own:8.3f}  {'-':>8}  -")
                continue
            other, their_count = median(lambda theirs=theirs, size=size: theirs(size))  # type: ignore[misc]
            assert count == their_count, (count, their_count)
            print(f"{points:8,}  {name:16}  {count:7,}  {own:8.3f}  {other:8.3f}  {other / own:.2f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else float("inf"))
