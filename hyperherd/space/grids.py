"""Grids: parameters put together into raw points, lazily, in an order that depends on nothing else.

The last axis runs fastest. Zipped parameters are one axis. A point comes with its block, which is the part of the
space that it belongs to: points of an earlier block come first, whatever conditions do to them.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.conditions import Condition
from hyperherd.space.expressions import Absent
from hyperherd.space.parameters import Interval, Parameter
from hyperherd.space.point import Context, Point
from hyperherd.space.values import Value, equal

Shape = Literal["all", "one_at_a_time"] | tuple[str, ...]
"""How a grid puts its parameters together: the product of all, or of the named ones, or one after the other."""

_LOOKED_AT = 1000

RawPoint = tuple[int, dict[str, Value]]
"""A block, and the values of the parameters."""


@dataclass(frozen=True)
class Grid:
    """A part of the search space with rules of its own.

    Attributes:
        parameters: its axes.
        zips: names of parameters that are walked together.
        shape: how the axes are put together.
        conditions: rules for its points alone, applied before those of the whole space.
    """

    parameters: tuple[Parameter, ...]
    zips: tuple[tuple[str, ...], ...] = ()
    shape: Shape = "all"
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        names = [parameter.name for parameter in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise SpaceError(f"parameter {name!r} is given twice")
        zipped = list(itertools.chain.from_iterable(self.zips))
        shaped = self.shape if isinstance(self.shape, tuple) else ()
        for option, named in (("zip", zipped), ("grid", shaped)):
            for name in named:
                if name not in names:
                    raise SpaceError(f"{option}: there is no parameter {name!r}{nearest(name, names)}")
                if list(named).count(name) > 1:
                    raise SpaceError(f"{option}: {name!r} is named twice")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its parameters, in their order."""
        return tuple(parameter.name for parameter in self.parameters)

    def size(self, context: Context) -> int:
        """Return its number of points before conditions; an interval counts as one.

        Raises:
            SpaceError: zipped parameters differ in length, or a parameter that is not varied has no value.
        """
        self._check_still(context)
        if self.shape == "one_at_a_time":
            return sum(1 for _ in self._one_at_a_time(context))
        size = 1
        for axis in self._axes():
            size *= len(axis)
        return size

    def points(self, context: Context) -> Iterator[RawPoint]:
        """Yield every point; SpaceError if a parameter is an interval."""
        for parameter in self.parameters:
            parameter.points  # noqa: B018 - raises if it is an interval
        if self.shape == "one_at_a_time":
            yield from self._one_at_a_time(context)
            return
        axes = self._axes()
        moved = [name for axis in axes for name in axis[0]]
        if self.shape == "all" and moved == list(self.names):  # unless zipped parameters stand apart
            for levels in itertools.product(*axes):
                values: dict[str, Value] = {}
                for level in levels:
                    values.update(level)
                yield 0, values
            return
        for levels in itertools.product(*axes):
            yield 0, self._point(levels, context)

    def draw(self, context: Context, rng: random.Random) -> RawPoint:
        """Return a point drawn evenly, intervals included."""
        if self.shape == "one_at_a_time":
            return rng.choice(list(self._one_at_a_time(context)))
        levels = [rng.choice(axis) for axis in self._axes()]
        drawn = ({name: _drawn(value, rng) for name, value in level.items()} for level in levels)
        return 0, self._point(tuple(drawn), context)

    def _point(self, levels: tuple[dict[str, Value], ...], context: Context) -> dict[str, Value]:
        """Return one point in the order of the parameters, from one level of each axis."""
        merged = {name: value for level in levels for name, value in level.items()}
        if self.shape == "all":
            return {name: merged[name] for name in self.names}
        return self._completed(merged, context)

    def _completed(self, moved: dict[str, Value], context: Context) -> dict[str, Value]:
        """Return `moved` with the parameters that are not varied, where the config that these values lead to has them.

        One that it does not have is left out: a key of another option of a config group, for example.
        """
        defaults = {parameter.name: parameter.default[0] for parameter in self.parameters if parameter.default}
        point = Point({**defaults, **moved}, context)
        for name in self.names:
            if name not in point.values:
                with contextlib.suppress(Absent):
                    point.force(name, point.look_up(name))
        return {name: point.values[name] for name in self.names if name in point.values}

    def _axes(self) -> list[list[dict[str, Value]]]:
        """Return the axes of the product, each a list of levels: values for the parameters it moves."""
        moving = self.names if self.shape == "all" else self.shape
        axes: list[list[dict[str, Value]]] = []
        done: set[str] = set()
        for parameter in self.parameters:
            if parameter.name in done:
                continue
            together = next((names for names in self.zips if parameter.name in names), (parameter.name,))
            done |= set(together)
            if any(name in moving for name in together):
                axes.append(self._levels(together))
        return axes

    def _levels(self, together: tuple[str, ...]) -> list[dict[str, Value]]:
        columns = {name: self._parameter(name).values for name in together}
        if len(together) == 1:
            values = columns[together[0]]
            return [{together[0]: value} for value in (values if isinstance(values, tuple) else (values,))]
        lengths = {name: len(self._parameter(name).points) for name in together}
        if len(set(lengths.values())) > 1:
            lengths_shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise SpaceError(f"zip: zipped parameters must have the same number of values; {lengths_shown}")
        rows = zip(*(self._parameter(name).points for name in together), strict=True)
        return [dict(zip(together, row, strict=True)) for row in rows]

    def _one_at_a_time(self, context: Context) -> Iterator[RawPoint]:
        start = self._completed({}, context)
        yield 0, dict(start)  # conditions change what they get
        for block, parameter in enumerate(self.parameters, start=1):
            if any(parameter.name in names for names in self.zips):
                raise SpaceError(
                    "grid: one_at_a_time varies one parameter at a time and cannot be combined with zip; remove "
                    "one of the two"
                )
            for value in parameter.points:
                if parameter.name not in start or not equal(value, start[parameter.name]):
                    yield block, self._completed({parameter.name: value}, context)

    def _check_still(self, context: Context) -> None:
        """Raise SpaceError for a parameter that is not varied everywhere and has no value where it is not."""
        if self.shape == "all":
            return
        moved = {name for axis in self._axes() for name in axis[0]} if self.shape != "one_at_a_time" else set()
        for parameter in self.parameters:
            name = parameter.name
            if name in moved or parameter.default or name in context or self._is_somewhere(name, context):
                continue
            raise SpaceError(
                f"parameter {name!r} is not varied everywhere, and the config has no value for it: give it a `default`"
            )

    def _is_somewhere(self, name: str, context: Context) -> bool:
        """Return whether the config has a value for `name` at one of the first points."""
        if self.shape == "one_at_a_time":
            return False
        points = itertools.islice(itertools.product(*self._axes()), _LOOKED_AT)
        return any(name in self._point(levels, context) for levels in points)

    def _parameter(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)


def _drawn(value: Value | Interval, rng: random.Random) -> Value:
    return value.draw(rng) if isinstance(value, Interval) else value
