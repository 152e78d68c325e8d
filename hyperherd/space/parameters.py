"""Parameters: named axes of the search space, each with the values it takes or the interval it is drawn from."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.values import Value, equal, is_number

TextReader = Callable[[str, str], "Values"]
"""Reads the text of a parameter, given its key, in the sweep syntax of whoever uses the space (Hydra's)."""

DEFAULT_STEPS = 5
"""Of a continuous parameter of the first HyperHerd."""

_DIGITS = 12
"""Significant digits of computed points: 0.3, and not 0.30000000000000004."""
_KEYS = ("values", "low", "high", "scale", "steps", "default", "abbrev", "labels", "type", "ordered")
_SCALES = ("linear", "log")
_OTHER_SPELLINGS = {
    "values": ("value", "choices", "choice", "options", "categories", "grid_search", "sequence", "list"),
    "low": ("min", "lower", "start", "from", "minimum", "lo", "lower_bound"),
    "high": ("max", "upper", "stop", "end", "to", "maximum", "hi", "upper_bound"),
    "steps": ("num", "n", "count", "points", "num_steps", "n_steps", "size"),
    "scale": ("distribution", "log", "spacing", "prior"),
    "abbrev": ("short", "alias"),
}
"""What other tools call these keys, for the hint about an unknown one."""


@dataclass(frozen=True)
class Interval:
    """Numbers between two ends, both included, to be cut into steps or drawn from.

    Attributes:
        low: the lower end.
        high: the upper end.
        log: whether the exponents are evenly spread, instead of the numbers.
        integer: whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low > self.high:
            raise SpaceError(f"low must be finite and at most high; low is {self.low} and high is {self.high}")
        if self.log and self.low <= 0:
            raise SpaceError(f"scale: log needs low > 0, not {self.low}")

    def cut(self, steps: int) -> tuple[Value, ...]:
        """Return `steps` evenly spaced points, the ends exact; fewer than 2 give the lower end alone."""
        if steps < 2:
            return Scale((self.low,))
        inner = (self._at(step / (steps - 1)) for step in range(1, steps - 1))
        points = (self.low, *(float(f"{point:.{_DIGITS}g}") for point in inner), self.high)
        if all(isinstance(end, int) for end in (self.low, self.high)) and all(float(p).is_integer() for p in points):
            return Scale(int(point) for point in points)
        return Scale(float(point) for point in points)

    def draw(self, rng: random.Random) -> Value:
        """Return a point drawn evenly from the interval, on its scale."""
        point = self._at(rng.random())
        if self.integer:
            return min(int(self.high), max(int(self.low), round(point)))
        return min(float(self.high), max(float(self.low), point))

    def _at(self, share: float) -> float:
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)


class Scale(tuple[Value, ...]):
    """Values that have an order and are evenly spaced, such as the steps of a range; two neighbours are alike."""


Values = tuple[Value, ...] | Interval


@dataclass(frozen=True)
class Parameter:
    """One named axis.

    Attributes:
        name: a Hydra override key without its prefix: ``lr``, ``trainer.max_epochs``, ``model``, ``db@backup``.
        values: the values it takes, in the order they are tried, never none; or an interval to draw from.
        prefix: ``""``, ``"+"`` or ``"++"``: how the override is to be spelled.
        default: what it is where it is not varied; empty if the composed config gives it.
        abbrev: its token in the names of trials; empty for the last part of its name.
        labels: tokens for its values, in their order; empty for the values themselves.
    """

    name: str
    values: Values
    prefix: str = ""
    default: tuple[Value, ...] = ()
    abbrev: str = ""
    labels: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.values == ():
            raise SpaceError(f"parameter {self.name!r} has no values")
        if self.labels and len(self.labels) != len(self.points):
            raise SpaceError(f"parameter {self.name!r} has {len(self.points)} values and {len(self.labels)} labels")

    @property
    def points(self) -> tuple[Value, ...]:
        """Its values.

        Raises:
            SpaceError: it is an interval, which has no list of values.
        """
        if isinstance(self.values, Interval):
            raise SpaceError(
                f"parameter {self.name!r} is a continuous interval: give it `steps`, draw from it with "
                f"hydra.sweeper.sample=N, or let hydra.sweeper.sampler choose"
            )
        return self.values

    def label(self, value: Value) -> str | None:
        """Return the token of `value` in names of trials, if it was given one."""
        for label, own in zip(self.labels, self.points if self.labels else (), strict=False):
            if equal(own, value):
                return label
        return None


def read_parameter(key: str, written: Any, read_text: TextReader) -> Parameter:
    """Read one parameter as written in a config.

    Args:
        key: its name, with prefix if it has one.
        written: a text in sweep syntax, a list of values, a single value, or a map: ``{values: [...]}`` or
            ``{low, high, scale, steps}``, each with ``default``, ``abbrev``, ``labels`` and ``ordered`` if wanted.
        read_text: reads texts.

    Raises:
        SpaceError: it is not valid; the message names the parameter.
    """
    name = key.lstrip("+")
    prefix = key[: len(key) - len(name)]
    if not isinstance(written, dict):
        return Parameter(name, read_values(key, written, read_text), prefix)
    for option in written:
        if option not in _KEYS:
            raise SpaceError(f"parameter {key!r}: unknown key {option!r}{_hint(key, written, option)}")
    values = read_values(key, written["values"], read_text) if "values" in written else _read_range(key, written)
    if not isinstance(written.get("ordered", False), bool):
        raise SpaceError(f"parameter {key!r}: ordered is {written['ordered']!r}; expected true or false")
    if written.get("ordered") and isinstance(values, tuple):
        values = Scale(values)
    default = (written["default"],) if written.get("default") is not None else ()
    labels = tuple(map(str, written.get("labels") or ()))
    return Parameter(name, values, prefix, default, str(written.get("abbrev") or ""), labels)


def _hint(key: str, written: Mapping[Any, Any], option: Any) -> str:
    """Return a hint for a key that the map of a parameter cannot have."""
    meant = {name: ours for ours, others in _OTHER_SPELLINGS.items() for name in others}
    renamed = {name: meant.get(str(name), name) for name in written}
    if any(name in meant for name in written) and set(renamed.values()) <= set(_KEYS):
        right = ", ".join(f"{renamed[name]}: {_as_scale(renamed[name], value)}" for name, value in written.items())
        return f"; here it is written {{{right}}}"
    if option in meant:
        return f" (did you mean {meant[option]!r}?)"
    near = nearest(str(option), _KEYS)
    if near or not any(isinstance(value, list | dict | str) for value in written.values()):
        return near
    nested = ", ".join(f"{key}.{name}" for name in written)
    return f"; parameters are not nested, so write {nested} as names of their own"


def _as_scale(name: str, value: Any) -> Any:
    if name != "scale":
        return value
    return "log" if value is True or "log" in str(value).lower() else "linear"


def read_values(key: str, written: Any, read_text: TextReader) -> Values:
    """Read what a parameter takes: a list, a text in sweep syntax, a range to be cut, or a single value."""
    if isinstance(written, list):
        return tuple(written)
    if isinstance(written, dict):
        return _read_range(key, written)
    return read_text(key, written) if isinstance(written, str) else (written,)


def _read_range(key: str, written: Mapping[str, Any]) -> Values:
    low, high, scale = written.get("low"), written.get("high"), written.get("scale", "linear")
    if not (is_number(low) and is_number(high)):
        raise SpaceError(
            f"parameter {key!r}: a map needs `values`, or the numbers `low` and `high`, not {dict(written)!r}"
        )
    if scale not in _SCALES:
        raise SpaceError(f"parameter {key!r}: scale is {scale!r}{nearest(str(scale), _SCALES)}; expected linear or log")
    steps = written.get("steps", DEFAULT_STEPS if written.get("type") == "continuous" else None)
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        raise SpaceError(f"parameter {key!r}: steps is {steps!r}; expected a positive whole number")
    try:
        interval = Interval(low, high, scale == "log", isinstance(low, int) and isinstance(high, int))  # type: ignore[arg-type]
    except SpaceError as error:
        raise SpaceError(f"parameter {key!r}: {error}") from None
    return interval if steps is None else interval.cut(steps)
