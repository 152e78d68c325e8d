"""When two values are the same: typed, so that `true` is not 1, while 1 and 1.0 are one number."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

Value = Any
"""None, bool, int, float, str, or lists and dicts (with string keys) of them."""

T = TypeVar("T")

_SCALARS = (str, int, float, type(None))
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_REMEMBERED = frozenset((str, int, float, bool, type(None)))
_MOST_REMEMBERED = 100_000
_TOLERANCE = 1e-9
"""Relative; as in the first HyperHerd, so that 0.1 + 0.2 matches 0.3."""


def is_number(value: Value) -> bool:
    """Return whether `value` is a number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Value, right: Value) -> bool:
    """Return whether two values are the same, at any depth."""
    if is_number(left) and is_number(right):
        return left == right or math.isclose(left, right, rel_tol=_TOLERANCE)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def identical(left: Value, right: Value) -> bool:
    """Return whether two values are the same in type too: to a trial 1, 1.0 and true are three values."""
    return repr(left) == repr(right)


def token(value: Value) -> str:
    """Return one text for all values that are identical to `value`, and for no other."""
    return repr(value) if isinstance(value, _SCALARS) else identity({"": value})


def identity(values: Mapping[str, Value]) -> str:
    """Return one text for all mappings of the same names to identical values, in whatever order."""
    try:
        return _SORTED.encode(values)
    except TypeError:  # a value with keys that cannot be sorted: numbers beside texts
        return json.dumps({name: repr(value) for name, value in values.items()}, sort_keys=True)


class PerValue(Generic[T]):
    """A function of a value, computed once for each distinct scalar: millions of points have few values."""

    def __init__(self, function: Callable[[Value], T]) -> None:
        self._function = function
        self._known: dict[tuple[type, Value], T] = {}

    def __call__(self, value: Value) -> T:
        """Return what the function returns; what it raises is raised each time."""
        try:
            return self._known[value.__class__, value]
        except (KeyError, TypeError):  # not met before, or a list or a dict
            pass
        found = self._function(value)
        # Python takes 0.0 and -0.0 for one key, and they are two values.
        is_key = value.__class__ in _REMEMBERED and (value or value.__class__ is not float)
        if is_key and len(self._known) < _MOST_REMEMBERED:
            self._known[value.__class__, value] = found
        return found
