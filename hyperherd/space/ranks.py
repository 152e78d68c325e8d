"""Where the values of a parameter stand among each other: they decide the order of trials, and which are equal."""

from __future__ import annotations

import math

from hyperherd.space.parameters import Parameter
from hyperherd.space.values import PerValue, Value, is_number, token

ABSENT = 0


class Ranks:
    """The ranks of one parameter's values: absent first, then its own in their order, then others by size.

    Values get numbers when they are met, and identical ones the same. Numbers of its own values are ranks already;
    those of others, which conditions brought in, become ranks when all of them are known.
    """

    def __init__(self, parameter: Parameter) -> None:
        own = parameter.values if isinstance(parameter.values, tuple) else ()
        self._numbers = {token(value): index for index, value in reversed(list(enumerate(own, ABSENT + 1)))}
        self._first_other = len(own) + ABSENT + 1
        self._others: list[tuple[float, str, int]] = []
        self.number = PerValue(self._number)
        """Returns the number of a value."""

    def _number(self, value: Value) -> int:
        text = token(value)
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = self._first_other + len(self._others)
            self._others.append((_size(value), text, number))
        return number

    def by_number(self) -> list[int] | None:
        """Return the rank of each number; None if that is the number itself."""
        if not self._others:
            return None
        ranks = list(range(self._first_other + len(self._others)))
        for rank, (_, _, number) in enumerate(sorted(self._others), self._first_other):
            ranks[number] = rank
        return ranks


def _size(value: Value) -> float:
    """Return what a value is sorted by; one that is not a number goes by its text."""
    return float(value) if is_number(value) and not math.isnan(value) else 0.0
