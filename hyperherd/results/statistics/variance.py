"""Sums of squares of one-way and additive models, in plain Python: a sweep has few numbers, and NumPy starts slowly."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

Factor = Sequence[str | None]
"""The level of each trial; None where the parameter does not apply, which is a level like the others in a model."""

_MOST_COLUMNS = 100
"""An additive model with more levels in all is not fitted: it would take seconds, and explain each trial by itself."""
_DEPENDENT = 1e-9
"""A column of which less than this part is new is a combination of those before it."""


def squares(values: Sequence[float]) -> float:
    """Return the sum of squared deviations from the mean; nothing of equal ones, however their mean is rounded."""
    if values.count(values[0]) == len(values):
        return 0.0
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def share_alone(values: Sequence[float], levels: Sequence[str]) -> float | None:
    """Return eta squared, the sum of squares between levels over the total; None if all values are equal."""
    total = squares(values)
    if not total:
        return None
    groups = defaultdict(list)
    for value, level in zip(values, levels, strict=True):
        groups[level].append(value)
    within = math.fsum(map(squares, groups.values()))
    return max(0.0, 1.0 - within / total)


def shares_beyond(values: Sequence[float], factors: Mapping[str, Factor]) -> dict[str, float | None]:
    """Return for each factor the share of the variance that the additive model of all others leaves to it.

    These are type II sums of squares of main effects over the total one. On a complete grid they equal eta squared; on
    one with holes a factor gets nothing for the company it was in, and factors that always change together get nothing.
    """
    total = squares(values) if values else 0.0
    columns = {name: _columns(factor) for name, factor in factors.items()}
    if not total or sum(map(len, columns.values())) > _MOST_COLUMNS:
        return dict.fromkeys(factors)
    whole = _unexplained(values, [column for own in columns.values() for column in own])
    beyond: dict[str, float | None] = {}
    for name in factors:
        others = [column for other, own in columns.items() if other != name for column in own]
        beyond[name] = min(1.0, max(0.0, (_unexplained(values, others) - whole) / total))
    return beyond


def _columns(factor: Factor) -> list[list[int]]:
    """Return the places of each level but the first: the columns of a design matrix, as lists of its ones."""
    places: dict[str | None, list[int]] = defaultdict(list)
    for place, level in enumerate(factor):
        places[level].append(place)
    return list(places.values())[1:]


def _unexplained(values: Sequence[float], columns: Sequence[Sequence[int]]) -> float:
    """Return the residual sum of squares of the least squares fit of a constant and `columns`.

    The cross products, all about their means, are swept column by column (Goodnight 1979); a column that the ones
    before it determine is passed over.
    """
    count, mean = len(values), fmean(values)
    centred = [value - mean for value in values]
    sets = [frozenset(column) for column in columns]
    size = len(columns)
    matrix = [[len(one & other) - len(one) * len(other) / count for other in sets] for one in sets]
    for row, column in zip(matrix, columns, strict=True):
        row.append(math.fsum(centred[place] for place in column))
    residual = math.fsum(value * value for value in centred)
    own = [matrix[index][index] for index in range(size)]
    for pivot in range(size):
        head = matrix[pivot][pivot]
        if head <= _DEPENDENT * own[pivot]:
            continue
        line = matrix[pivot]
        residual -= line[size] ** 2 / head
        for row in matrix[pivot + 1 :]:
            factor = row[pivot] / head
            if factor:
                for place in range(pivot, size + 1):
                    row[place] -= factor * line[place]
    return max(0.0, residual)
