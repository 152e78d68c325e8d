"""What the fields of a record may be: fields of files that others wrote are used only if type and bounds are right.

A wrong one is a broken file, which is reported, and not a crash wherever the value is used.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from hyperherd.records.disk.guarded import is_deep

Kind = Callable[[Any], bool]

_END_OF_TIME = 253_402_300_800
"""Seconds from 1970 to the year 10000, in which the functions of the clock end."""
_LONGEST = 1e12


def text(value: Any) -> bool:
    """Return whether `value` is text."""
    return isinstance(value, str)


def texts(value: Any) -> bool:
    """Return whether `value` is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def path(value: Any) -> bool:
    """Return whether `value` is text that can name a file."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # Half of a surrogate pair.
        return False
    return True


def flag(value: Any) -> bool:
    """Return whether `value` is a truth value."""
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    """Return whether `value` is an integer of 64 bits."""
    # Not isinstance, to which true is an int.
    return type(value) is int and -(2**63) <= value < 2**63


def integer(value: Any) -> bool:
    """Return whether `value` is an integer of any size."""
    return type(value) is int


def count(value: Any) -> bool:
    """Return whether `value` is an integer from 0 on, of 31 bits as attempts are."""
    return type(value) is int and 0 <= value < 2**31


def seconds(value: Any) -> bool:
    """Return whether `value` is a span of time."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < _LONGEST


def amount(value: Any) -> bool:
    """Return whether `value` is a number from 0 on, of a size that makes sense to count."""
    return type(value) in (int, float) and 0 <= value < 2**31


def moment(value: Any) -> bool:
    """Return whether `value` is a time of day in seconds since 1970."""
    return type(value) in (int, float) and 0 <= value < _END_OF_TIME


def mapping(value: Any) -> bool:
    """Return whether `value` is a JSON object."""
    return isinstance(value, dict) and not is_deep(value)


def flat_mapping(value: Any) -> bool:
    """Return whether `value` is a JSON object, of whose depth something else takes care."""
    return isinstance(value, dict)


def mappings(value: Any) -> bool:
    """Return whether `value` is a list of JSON objects."""
    return isinstance(value, list) and all(map(mapping, value))


def optional(kind: Kind) -> Kind:
    """Return the kind of what may also be null."""
    return lambda value: value is None or kind(value)


def fault(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str:
    """Return which of some fields is not of its kind; an empty string if all are. Fields that are absent are passed."""
    for name, kind in kinds.items():
        if name in values and not kind(values[name]):
            return f"{name!r} cannot be {values[name]!r:.80}"
    return ""
