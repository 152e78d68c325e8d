"""A logged value and its forms on disk (docs/format.md, Journals): a number, exact JSON, or both.

Invariant: what was logged can be told from what is stored, to the bit of a float and the last digit of an integer; a
value of which that is not true is refused by its name, and affects no other value of the same call.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hyperherd.records.disk.files import number, strict
from hyperherd.records.disk.guarded import DEPTH, LINE_BYTES, is_deep

EXACT = 2**53
"""The greatest integer up to which a float64 holds every one."""

INT64 = 2**63

_DEPTH = DEPTH - 10
MOST_BYTES = LINE_BYTES // 4
"""Bytes that one value may have as JSON: with some others it still fits a line of a journal."""
NOT_FINITE = "$number"
"""Key of the object that stands for a number that is not finite inside exact JSON: ``{"$number": "NaN"}``."""


class NotLogged(TypeError):
    """Some values of a log call cannot be kept; all others have been.

    Attributes:
        reasons: name -> why that value is not kept.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(dict(reasons))
        self.reasons = dict(reasons)

    def __str__(self) -> str:
        return "; ".join(self.reasons.values())


def as_step(step: Any) -> int:
    """Return `step` as an int; integral floats and NumPy or torch integers are taken.

    Raises:
        TypeError: it is not a whole number of 64 bits; a bool is not one.
    """
    value = step.item() if _is_scalar(step) else step
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -INT64 < value < INT64:
        raise TypeError(f"a step must be a whole number of at most 64 bits, not {step!r} ({type(step).__name__})")
    return int(value)


def as_name(name: Any) -> str:
    """Return a metric's name as text that every file can hold: lone surrogates and NUL become their escapes.

    Raises:
        TypeError: it is not a string.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a metric must be a string, not {name!r} ({type(name).__name__})")
    return name.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def split(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return what belongs under ``metrics`` and under ``json`` in a journal's line, and why the rest cannot be kept."""
    numeric: dict[str, Any] = {}
    exact: dict[str, Any] = {}
    items, refused = _kept(metrics)
    for name, item in items.items():
        if isinstance(item, float):
            numeric[name] = strict(item)
            continue
        if isinstance(item, int):  # bool included: 0 or 1
            _add_integer(numeric, name, int(item))
        if not isinstance(item, int) or isinstance(item, bool) or abs(item) > EXACT:
            exact[name] = wrap(item)
    return numeric, exact, refused


def _add_integer(numeric: dict[str, Any], name: str, value: int) -> None:
    try:
        numeric[name] = value if abs(value) <= EXACT else float(value)
    except OverflowError:
        return  # Greater than any float: only its JSON holds it.


def final(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return final values as they stand under ``final`` in a journal's line, and why the rest cannot be kept."""
    items, refused = _kept(metrics)
    return {name: wrap(item) for name, item in items.items()}, refused


def _kept(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that JSON can hold, by name, and for each of the others why it cannot."""
    items: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for key, value in metrics.items():
        try:
            name = as_name(key)
            items[name] = _short(_shallow(plain(value, name), name), name)
        except TypeError as error:
            refused[key if isinstance(key, str) else repr(key)] = str(error)
    return items, refused


def _short(value: Any, name: str) -> Any:
    """Return a value that fits a line of a journal."""
    if isinstance(value, str | dict | list) or (isinstance(value, int) and abs(value) >= INT64):
        try:
            size = len(dumps(wrap(value)))
        except TypeError as error:
            raise TypeError(f"{name!r} cannot be logged: {error}") from None
        if size > MOST_BYTES:
            raise TypeError(
                f"{name!r} has {size:,} bytes and is too large to log; save it with log_array, or as a file"
            )
    return value


def _shallow(value: Any, name: str) -> Any:
    """Return a value that is nested no deeper than what a reader takes; it will stand inside of a record."""
    if isinstance(value, dict | list) and is_deep(value, _DEPTH):
        raise TypeError(f"{name!r} nests lists or dicts more than {_DEPTH} levels deep")
    return value


def plain(value: Any, name: str) -> Any:
    """Return `value` in Python's own types that JSON knows; `name` is what the error calls it.

    Raises:
        TypeError: JSON cannot represent it.
    """
    try:
        return _plain(value, name)
    except TypeError:
        raise
    except Exception as error:  # noqa: BLE001 - user code: an object of any class, which may raise at any question
        raise TypeError(
            f"{name!r} is of type {type(value).__name__} and cannot be read ({type(error).__name__})"
        ) from None


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Not str(): a subclass, such as the member of an Enum, may print as something else.
        return str.__str__(value)
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {_key(key, name): _plain(item, name) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, name) for item in value]
    return _scalar(value, name)


def _key(key: Any, name: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    raise TypeError(f"{name!r} contains a dict with the key {key!r}; keys must be strings")


def _scalar(value: Any, name: str) -> Any:
    item = value.item() if _is_scalar(value) else value
    if isinstance(item, bool | int | float | str):
        return _plain(item, name)
    if isinstance(item, numbers.Real):  # NumPy's longdouble: its item() is itself.
        return float(item)
    kind, shape = type(value).__name__, getattr(value, "shape", None)
    what = f"{kind} of shape {tuple(shape)}" if shape else kind
    instead = "; log_array keeps arrays" if shape else ""
    raise TypeError(
        f"{name!r} is of type {what}, which JSON cannot hold; log a number, text, or a list or dict of them{instead}"
    )


def _is_scalar(value: Any) -> bool:
    """Return whether `value` is a NumPy or torch scalar, or an array of one element, without importing either."""
    return hasattr(value, "item") and math.prod(getattr(value, "shape", ())) == 1


def wrap(value: Any) -> Any:
    """Return `value` with every number that is not finite as ``{"$number": ...}``."""
    if isinstance(value, float) and not math.isfinite(value):
        return {NOT_FINITE: strict(value)}
    if isinstance(value, dict):
        return {key: wrap(item) for key, item in value.items()}
    if isinstance(value, list):
        return [wrap(item) for item in value]
    return value


def unwrap(value: Any) -> Any:
    """Return what :func:`wrap` was given."""
    if isinstance(value, list):
        return [unwrap(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(token := value.get(NOT_FINITE), str):
        return number(token)
    return {key: unwrap(item) for key, item in value.items()}


def logged(value: float | None, text: str | None) -> Any:
    """Return the value that was logged, given what the columns ``value`` and ``json`` hold of it."""
    if text is None:
        return value
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # Not ours: whoever wrote it meant a text, or nothing good.
        return text
    return text if is_deep(found) else unwrap(found)


def dumps(value: Any) -> bytes:
    """Return JSON of `value`, whose numbers are finite, on one line.

    Raises:
        TypeError: an integer has more digits than Python turns into text.
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # An integer beyond 64 bits, a lone surrogate, deep nesting: the standard library writes them.
        pass
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
    except ValueError as error:
        raise TypeError(f"JSON cannot hold the value: {error}") from None
