"""Parameters as columns of a linear model: levels, or a line and a smooth curve where the values are numbers.

All columns are centred, of length one, and orthogonal to the others of their parameter. Nothing here looks at the
objective, so that choosing a form costs no error rate.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hyperherd.results.text.format import is_number

Column = Sequence[float]
Tokens = Sequence[str | None]
"""The level of each trial as a text; None where the parameter does not apply."""

_FEW_LEVELS = 5
"""A curve through at most this many values is free; through more it is a natural spline of three degrees of freedom."""
_LOGARITHMIC = 4.0
"""Values within a smaller ratio are on a linear scale: there is little between the two."""
_HUGE = 1e300
_DEPENDENT = 1e-6
"""A column of which less than this part is new follows from those before it."""


@dataclass(frozen=True)
class Term:
    """A parameter in a model, or several that always change together."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    """Its levels, or a line; empty if it has a level of its own for each trial."""
    curve: tuple[Column, ...] = ()
    """What a curve adds to the line."""
    applies: tuple[Column, ...] = ()
    """Whether a trial has the parameter, which is not what it does."""
    lone: bool = False
    """Whether it has two levels, and one of them a single trial."""


def dot(one: Column, other: Column) -> float:
    """Return the sum of the products."""
    product: Iterator[float] = map(operator.mul, one, other)
    return sum(product)


def orthonormal(columns: Sequence[Column]) -> list[Column]:
    """Return what each column adds to those before it and the constant, of length one; without what adds nothing."""
    found: list[Column] = []
    for column in columns:
        mean = fmean(column)
        rest = [value - mean for value in column]
        before = math.sqrt(dot(rest, rest))
        for _ in range(2):  # twice is enough (Giraud, Langou and Rozloznik 2005)
            for known in found:
                part = dot(rest, known)
                rest = [value - part * other for value, other in zip(rest, known, strict=True)]
        length = math.sqrt(dot(rest, rest))
        if length > _DEPENDENT * before:
            found.append([value / length for value in rest])
    return found


def term(name: str, tokens: Tokens, known: Mapping[str, Any]) -> Term:
    """Return the columns of one parameter.

    Args:
        name: of the parameter.
        tokens: the level of each trial.
        known: token -> value.
    """
    having = Counter(token for token in tokens if token is not None)
    absent = len(tokens) - sum(having.values())
    applies = orthonormal([[float(token is not None) for token in tokens]]) if absent else []
    if len(having) == 1:  # it is there or not: that is all that it can do
        return Term((name,), tuple(applies), lone=min(absent, *having.values()) == 1)
    if len(having) > 2 and all(is_number(value) and abs(value) < _HUGE for value in known.values()):
        numeric = _numeric(tokens, known)
        return Term((name,), tuple(numeric[:1]), tuple(numeric[1:]), tuple(applies))
    if len(having) == sum(having.values()):
        return Term((name,), (), (), tuple(applies))
    lone = len(having) == 2 and min(having.values()) == 1
    return Term((name,), tuple(_within(tokens, [_is(tokens, level) for level in having])), (), tuple(applies), lone)


def together(terms: Sequence[Term]) -> Term:
    """Return parameters that cannot be told apart as one term."""
    columns = orthonormal([column for item in terms for column in item.columns])
    names = tuple(name for item in terms for name in item.names)
    applies = tuple(column for item in terms for column in item.applies)
    return Term(names, tuple(columns), (), applies, any(item.lone for item in terms))


def _numeric(tokens: Tokens, known: Mapping[str, Any]) -> list[Column]:
    """Return a line and what a curve adds to it, over the scale on which the values are spread more evenly."""
    largest = max(abs(value) for value in known.values()) or 1.0
    places = {token: value / largest for token, value in known.items()}  # a whole number may be beyond any float
    if is_logarithmic(list(places.values())):
        places = {token: math.log(value) for token, value in places.items()}
    xs = [None if token is None else places[token] for token in tokens]
    levels = sorted(set(places.values()))
    line = [0.0 if x is None else x for x in xs]
    if len(levels) <= _FEW_LEVELS:
        bends: list[Column] = [[float(x == level) for x in xs] for level in levels[1:-1]]
    else:
        bends = _spline(xs, sorted(x for x in xs if x is not None), levels)
    return _within(tokens, [line, *bends])


def is_logarithmic(values: Sequence[float]) -> bool:
    """Return whether the logarithms of some numbers are spread more evenly than the numbers."""
    if min(values) <= 0 or max(values) < _LOGARITHMIC * min(values):
        return False
    return abs(_skewness([math.log(value) for value in values])) < abs(_skewness(values))


def _skewness(values: Sequence[float]) -> float:
    mean = fmean(values)
    second = fmean((value - mean) ** 2 for value in values)
    return fmean((value - mean) ** 3 for value in values) / second**1.5 if second else 0.0


def _spline(xs: Sequence[float | None], ordered: Sequence[float], levels: Sequence[float]) -> list[Column]:
    """Return the nonlinear part of a natural cubic spline with four knots (Hastie et al. 2009, 5.2.1)."""
    last = len(ordered) - 1
    knots = sorted({ordered[round(last * part / 3)] for part in range(4)})
    if len(knots) < 4:
        knots = [levels[round((len(levels) - 1) * part / 3)] for part in range(4)]
    end = knots[-1]

    def bend(x: float, knot: float) -> float:
        return (max(0.0, x - knot) ** 3 - max(0.0, x - end) ** 3) / (end - knot)

    return [[0.0 if x is None else bend(x, knot) - bend(x, knots[-2]) for x in xs] for knot in knots[:2]]


def _is(tokens: Tokens, level: str) -> Column:
    return [float(token == level) for token in tokens]


def _within(tokens: Tokens, columns: Sequence[Column]) -> list[Column]:
    """Return columns that differ only among the trials that have the parameter: centred there, nothing elsewhere."""
    having = [token is not None for token in tokens]
    if all(having):
        return orthonormal(columns)
    centred = []
    for column in columns:
        mean = fmean(value for value, has in zip(column, having, strict=True) if has)
        centred.append([value - mean if has else 0.0 for value, has in zip(column, having, strict=True)])
    return orthonormal(centred)
