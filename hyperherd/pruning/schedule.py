"""Where the rungs are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

MOST = 2**62
"""No trial has as many steps."""


class Schedule(Protocol):
    """The rungs of a sweep, in steps or epochs."""

    def __iter__(self) -> Iterator[int]:
        """Yield them in their order; there may be no end of them."""

    def reached(self, position: float, above: int) -> list[int]:
        """Return the rungs above `above` at which a value stands that was logged at `position`, in their order."""

    def following(self, position: int) -> float:
        """Return the first rung above a position; infinite if there is none."""


@dataclass(frozen=True)
class Geometric:
    """The rungs ``first * factor ** k``, rounded up; a value stands at each that it has passed.

    Attributes:
        first: the first of them.
        factor: above 1.
        end: no rung lies there or beyond.
    """

    first: int
    factor: float
    end: int | None = None

    def __iter__(self) -> Iterator[int]:
        """Yield the rungs in their order."""
        last, power = 0, 0
        while (exact := self.first * self.factor**power) < (self.end or MOST):
            position = math.ceil(exact)
            if last < position < (self.end or MOST):
                yield position
            last, power = position, power + 1

    def reached(self, position: float, above: int) -> list[int]:
        """Return all rungs up to `position`."""
        return [rung for rung in takewhile(lambda rung: rung <= position, self) if rung > above]

    def following(self, position: int) -> float:
        """Return the first rung above a position."""
        return next((rung for rung in self if rung > position), math.inf)


@dataclass(frozen=True)
class Regular:
    """The rungs `first`, ``first + every``, ...; a value stands at the last that it has passed.

    Attributes:
        first: the first of them.
        every: between two of them.
        end: no rung lies there or beyond.
    """

    first: int
    every: int
    end: int | None = None

    def __iter__(self) -> Iterator[int]:
        """Yield the rungs in their order."""
        return iter(range(self.first, self.end or MOST, self.every))

    def reached(self, position: float, above: int) -> list[int]:
        """Return the last rung up to `position`: a trial that logs rarely need not stand at all between."""
        up_to = min(position, (self.end or MOST) - 1)
        if up_to < self.first:
            return []
        rung = self.first + int((up_to - self.first) // self.every) * self.every
        return [rung] if rung > above else []

    def following(self, position: int) -> float:
        """Return the first rung above a position."""
        rung = self.first if position < self.first else position + self.every - (position - self.first) % self.every
        return rung if rung < (self.end or MOST) else math.inf


class Nowhere:
    """No rungs."""

    def __iter__(self) -> Iterator[int]:
        """Yield nothing."""
        return iter(())

    def reached(self, position: float, above: int) -> list[int]:
        """Return nothing."""
        return []

    def following(self, position: int) -> float:
        """Return that there is none."""
        return math.inf
