"""Grids: parameters put together into raw points, lazily, in an order that depends on nothing else.

The last axis runs fastest. Zipped parameters are one axis. A point comes with its block, which says which part of the
space it belongs to: points of an earlier block come first, whatever conditions do to them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.conditions import Condition
from hyperherd.space.parameters import Interval, Parameter
from hyperherd.space.values import Value, equal

Shape = Literal["all", "one_at_a_time"] | tuple[str, ...]
"""How a grid puts its parameters together: the product of all, or of the named ones, or one after the other."""

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

    def size(self, context: Mapping[str, Value]) -> int:
        """Return its number of points before conditions; an interval counts as one.

        Raises:
            SpaceError: zipped parameters differ in length, or a parameter that stands still has no value to stand at.
        """
        if self.shape == "one_at_a_time":
            return sum(1 for _ in self._one_at_a_time(context))
        size = 1
        for axis in self._axes(context):
            size *= len(axis)
        return size

    def points(self, context: Mapping[str, Value]) -> Iterator[RawPoint]:
        """Yield every point; SpaceError if a parameter is an interval."""
        for parameter in self.parameters:
            parameter.points  # noqa: B018 - says so if it is an interval
        if self.shape == "one_at_a_time":
            yield from self._one_at_a_time(context)
            return
        for levels in itertools.product(*self._axes(context)):
            yield 0, self._point(levels)

    def draw(self, context: Mapping[str, Value], rng: random.Random) -> RawPoint:
        """Return a point drawn evenly, intervals included."""
        if self.shape == "one_at_a_time":
            return rng.choice(list(self._one_at_a_time(context)))
        point = self._point(tuple(rng.choice(axis) for axis in self._axes(context)))
        return 0, {name: value.draw(rng) if isinstance(value, Interval) else value for name, value in point.items()}

    def _point(self, levels: tuple[dict[str, Value], ...]) -> dict[str, Value]:
        """Return one point in the order of the parameters, from one level of each axis."""
        merged = {name: value for level in levels for name, value in level.items()}
        return {name: merged[name] for name in self.names}

    def _axes(self, context: Mapping[str, Value]) -> list[list[dict[str, Value]]]:
        """Return the axes of the product, each a list of levels: values for the parameters it moves."""
        moving = self.names if self.shape == "all" else self.shape
        axes: list[list[dict[str, Value]]] = []
        done: set[str] = set()
        for parameter in self.parameters:
            if parameter.name in done:
                continue
            together = next((names for names in self.zips if parameter.name in names), (parameter.name,))
            done |= set(together)
            if not any(name in moving for name in together):
                axes.append([{name: self._still(self._parameter(name), context) for name in together}])
            else:
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

    def _one_at_a_time(self, context: Mapping[str, Value]) -> Iterator[RawPoint]:
        still = {parameter.name: self._still(parameter, context) for parameter in self.parameters}
        yield 0, dict(still)
        for block, parameter in enumerate(self.parameters, start=1):
            if any(parameter.name in names for names in self.zips):
                raise SpaceError(
                    "grid: one_at_a_time varies one parameter at a time and cannot be combined with zip; remove "
                    "one of the two"
                )
            for value in parameter.points:
                if not equal(value, still[parameter.name]):
                    yield block, {**still, parameter.name: value}

    def _still(self, parameter: Parameter, context: Mapping[str, Value]) -> Value:
        if parameter.default:
            return parameter.default[0]
        if parameter.name in context:
            return context[parameter.name]
        raise SpaceError(
            f"parameter {parameter.name!r} is not varied everywhere, and the config has no value for it: "
            f"give it a `default`"
        )

    def _parameter(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)
