"""Matchers: the comparisons of a condition with one value. A scalar, a list (any of), or a map of comparisons."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.values import PerValue, Value, equal, is_number

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_OPERATORS = ("eq", "ne", *_ORDER, "in", "not_in")
_OTHER_SPELLINGS = {
    "eq": ("==", "=", "$eq", "equals", "is"),
    "ne": ("!=", "<>", "neq", "not", "$ne", "not_eq"),
    "gt": (">", "$gt", "greater", "above", "min_exclusive"),
    "ge": (">=", "=>", "gte", "geq", "$gte", "min", "at_least"),
    "lt": ("<", "$lt", "less", "below", "max_exclusive"),
    "le": ("<=", "=<", "lte", "leq", "$lte", "max", "at_most"),
    "in": ("$in", "any", "any_of", "isin", "one_of"),
    "not_in": ("nin", "$nin", "not in", "notin", "none_of"),
}
"""What other tools and languages call these, for the hint about an unknown one."""


@dataclass(frozen=True)
class Matcher:
    """Comparisons that must all be true for one value; read from what the user wrote by :func:`read_matcher`."""

    tests: tuple[tuple[str, Value], ...]
    matches: Callable[[Value], bool] = field(init=False, repr=False, compare=False)
    """Returns whether every comparison is true for a value.

    Raises SpaceError for an order comparison of something that is not a number.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", PerValue(self._matches))

    def _matches(self, value: Value) -> bool:
        return all(_holds(name, value, operand) for name, operand in self.tests)


def read_matcher(written: Any) -> Matcher:
    """Read a matcher: ``adam``, ``[adam, sgd]``, ``{gt: 0.05}``, or ``{eq: [1, 2]}`` for a value that is a list.

    Raises:
        SpaceError: an unknown comparison, or an operand that it cannot take.
    """
    if isinstance(written, list):
        return Matcher((("in", written),))
    if not isinstance(written, dict):
        return Matcher((("eq", written),))
    if not written:
        raise SpaceError("an empty map matches nothing; write a value, a list, or e.g. {gt: 0.05}")
    return Matcher(tuple((_operator(name), _operand(name, operand)) for name, operand in written.items()))


def _operator(name: Any) -> str:
    if name not in _OPERATORS:
        meant = next((ours for ours, others in _OTHER_SPELLINGS.items() if str(name).lower() in others), None)
        hint = f" (did you mean {meant!r}?)" if meant else nearest(str(name), _OPERATORS)
        raise SpaceError(f"{name!r} is not a comparison{hint}; expected one of {', '.join(_OPERATORS)}")
    return str(name)


def _operand(name: str, operand: Any) -> Value:
    if name in ("in", "not_in") and not isinstance(operand, list):
        raise SpaceError(f"{name} takes a list, not {operand!r}")
    if name in _ORDER and not is_number(operand):
        raise SpaceError(f"{name} needs a number, not {operand!r}")
    return operand


def _holds(name: str, value: Value, operand: Value) -> bool:
    if name == "eq":
        return equal(value, operand)
    if name == "ne":
        return not equal(value, operand)
    if name == "in":
        return any(equal(value, item) for item in operand)
    if name == "not_in":
        return not any(equal(value, item) for item in operand)
    if not is_number(value):
        raise SpaceError(f"{name} {operand!r} needs a number, but the value is {value!r}")
    return _ORDER[name](value, operand)
