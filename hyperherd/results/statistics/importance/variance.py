"""Least squares over terms: how much of the variance each explains beyond others, and by how much that is chance.

Cross products of all columns are swept (Goodnight 1979), in plain Python: a sweep has few numbers, and NumPy starts
slowly. What two terms share belongs to neither of them (type II sums of squares).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from hyperherd.results.statistics.distributions import f_tail
from hyperherd.results.statistics.importance.design import Column, Term, dot

Matrix = list[list[float]]

_DEPENDENT = 0.01
"""A column of which less than this part is new beside the others cannot be told apart from them."""
_ROUNDED = 1e-20
"""A smaller part of the variance comes from rounding: where all is explained, any of it would seem to matter."""
_LACK_OF_FIT = ((8, 0.25), (4, 0.05), (1, 0.01))
"""Below these p, by the degrees of freedom between configurations, these differ by more than the model and their seeds
explain, and are what is counted. Many cost little power where they are counted in vain (Bancroft 1964), few much."""


def squares(values: Sequence[float]) -> float:
    """Return the sum of squared deviations from the mean; nothing of equal ones, however their mean is rounded."""
    if values.count(values[0]) == len(values):
        return 0.0
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


@dataclass(frozen=True)
class Noise:
    """What repeated trials say about chance: the sum of squares within configurations."""

    squares: float
    freedom: int

    def error(self, rest: float, freedom: int) -> tuple[float, int]:
        """Return the variance that is chance, and its degrees of freedom.

        Trials of one configuration are evidence of the seed alone. As long as configurations differ from the model by
        no more than their seeds do, both are the same chance and are pooled; else each configuration is one piece of
        evidence, however many seeds it has.

        Args:
            rest: the sum of squares that the model leaves.
            freedom: its degrees of freedom.
        """
        between, lack = freedom - self.freedom, max(0.0, rest - self.squares)
        if between > 0 and self.freedom > 0 and lack:
            limit = next(p for least, p in _LACK_OF_FIT if between >= least)
            if self.squares == 0 or f_tail(self._ratio(lack, between), between, self.freedom) < limit:
                return lack / between, between
        return rest / freedom, freedom

    def differ(self, total: float, freedom: int) -> float | None:
        """Return the p of whether configurations differ at all; None where seeds say nothing of chance.

        Args:
            total: the sum of squares of all trials.
            freedom: its degrees of freedom.
        """
        between = freedom - self.freedom
        if between < 1 or self.freedom < 1 or self.squares < _ROUNDED:
            return None
        return f_tail(self._ratio(total - self.squares, between), between, self.freedom)

    def _ratio(self, lack: float, between: int) -> float:
        return lack / between / (self.squares / self.freedom)


@dataclass(frozen=True)
class Explained:
    """What one term explains beyond those of a model."""

    squares: float
    freedom: int
    rest: float
    """The sum of squares that is left with it in the model."""
    left: int
    """The degrees of freedom of `rest`."""

    def p(self, noise: Noise) -> float:
        """Return the p of its F test; 1 if nothing is explained, or nothing is left to compare with."""
        if self.left <= 0 or not self.freedom or self.squares < _ROUNDED:
            return 1.0
        variance, freedom = noise.error(self.rest, self.left)
        return f_tail(self.squares / self.freedom / variance if variance > 0 else math.inf, self.freedom, freedom)


class Products:
    """The values that models fit, with the products of columns that models have in common."""

    def __init__(self, values: Column) -> None:
        """Take values that are centred, of length one."""
        self.values = values
        self._known: dict[tuple[int, int], tuple[float, Column, Column]] = {}

    def matrix(self, columns: Sequence[Column]) -> Matrix:
        """Return the products of `columns` and, last, of the values."""
        every = [*columns, self.values]
        matrix = [[0.0] * len(every) for _ in every]
        for row, one in enumerate(every):
            for column in range(row, len(every)):
                matrix[row][column] = matrix[column][row] = self._product(one, every[column])
        return matrix

    def _product(self, one: Column, other: Column) -> float:
        key = id(one), id(other)
        if key not in self._known:  # what is kept with it cannot be replaced by another column of the same id
            self._known[key] = dot(one, other), one, other
        return self._known[key][0]


class Model:
    """A linear model of values of which the total sum of squares is 1."""

    def __init__(
        self,
        values: Products,
        terms: Sequence[Term],
        base: Iterable[Term],
        curved: Collection[Term],
        curves: bool = True,
    ) -> None:
        """Fit `values`.

        Args:
            values: what is fitted.
            terms: all that may be asked about.
            base: those whose columns are in the model.
            curved: those of `base` whose curves are in it, too.
            curves: whether the curves of others may be asked about.
        """
        self._count = len(values.values)
        self._places: dict[int, tuple[list[int], list[int]]] = {}
        chosen = {id(item) for item in base}
        columns: list[Column] = []
        swept: list[int] = []
        applies: list[Column] = []
        for item in terms:
            is_curved = any(item is other for other in curved)
            own = list(range(len(columns), len(columns) + len(item.columns)))
            columns += item.columns
            curve = list(range(len(columns), len(columns) + len(item.curve))) if curves or is_curved else []
            columns += item.curve[: len(curve)]
            self._places[id(item)] = own, curve
            if id(item) in chosen:
                swept += own + (curve if is_curved else [])
                applies += item.applies
        # These come last: where they follow from a parameter, the effect is that parameter's.
        swept += range(len(columns), len(columns) + len(applies))
        self._matrix = values.matrix([*columns, *applies])
        self._swept: set[int] = set()
        self.dependent: list[int] = []
        """Columns that follow from others of the model."""
        for place in swept:
            if self._matrix[place][place] > _DEPENDENT:
                _sweep(self._matrix, place)
                self._swept.add(place)
            else:
                self.dependent.append(place)

    @property
    def rest(self) -> float:
        """The part of the variance that it leaves."""
        return max(0.0, self._matrix[-1][-1])

    @property
    def left(self) -> int:
        """The degrees of freedom of that."""
        return self._count - 1 - len(self._swept)

    def of(self, item: Term, *, curve: bool = False) -> Explained:
        """Return what a term explains beyond the others of the model, with its curve or without what it does not have.

        A term of the model is taken out of it for that, another one is put into it.
        """
        own, bends = self._places[id(item)]
        inside = [place for place in (*own, *bends) if place in self._swept]
        asked = bends if inside and curve else [] if inside else [*own, *bends] if curve else own
        outside = [place for place in asked if place not in self._swept and self._matrix[place][place] > _DEPENDENT]
        within, _ = self._block(inside)
        beyond, added = self._block(outside)
        return Explained(within + beyond, len(inside) + added, max(0.0, self.rest - beyond), self.left - added)

    def _block(self, places: Sequence[int]) -> tuple[float, int]:
        """Return the sum of squares of some columns, all swept or none, and how many of them are new."""
        last = len(self._matrix) - 1
        small = [[self._matrix[row][column] for column in (*places, last)] for row in places]
        small.append([row[-1] for row in small] + [0.0])
        count = 0
        for place in range(len(places)):
            if small[place][place] > 1e-9:
                _sweep(small, place)
                count += 1
        return max(0.0, -small[-1][-1]), count

    def entangled(self) -> list[set[int]]:
        """Return the ids of terms of which one follows from the others, a set for each column that does."""
        owner = {place: key for key, (own, _) in self._places.items() for place in own}
        found = []
        for place in self.dependent:
            if place in owner:
                with_ = {
                    owner[other] for other in self._swept if other in owner and abs(self._matrix[other][place]) > 0.05
                }
                found.append({owner[place], *with_})
        return found


def _sweep(matrix: Matrix, pivot: int) -> None:
    head = matrix[pivot][pivot]
    line = [value / head for value in matrix[pivot]]
    for place, row in enumerate(matrix):
        factor = row[pivot]
        if place != pivot and factor:
            matrix[place] = [value - factor * other for value, other in zip(row, line, strict=True)]
            matrix[place][pivot] = -factor / head
    line[pivot] = 1.0 / head
    matrix[pivot] = line
