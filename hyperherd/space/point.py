"""A point on its way through the conditions: what it has, what it lost, and where its values can be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hyperherd.space.expressions import Absent
from hyperherd.space.values import Value


@dataclass(slots=True)
class Assignment:
    """Parameter → value for one point of the space: what one trial is. Nobody changes it.

    It is not frozen, because making one would take three times as long, and there may be a million.

    Attributes:
        values: of parameters and of keys that conditions added; they make the trial's identity.
        added: names among them that a condition `set`: overrides to be added after all others.
        resources: what the launcher is asked for; no part of the identity.
        notes: what the context worked out about it on the way.
    """

    values: dict[str, Value]
    added: frozenset[str] = frozenset()
    resources: dict[str, Value] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Context(Protocol):
    """What gives a name its value in a point: the config that the trial would have."""

    def look_up(self, point: Point, name: str) -> Value:
        """Return the value of `name` in `point` as it is now; raises Absent if it has none."""

    def __contains__(self, name: object) -> bool:
        """Return whether `name` is known to have a value before any point is looked at."""

    def __iter__(self) -> Iterator[str]:
        """Yield names that have a value, for the message about one that has none."""


_NONE: frozenset[str] = frozenset()


class Point:
    """An assignment that conditions may still change.

    There may be a million of them, so it is light: it takes the dict that it is given, and shares what is empty.

    Attributes:
        values: parameter → value, with what conditions added.
        added: names among them that a condition `set`.
        dropped: parameters that a condition took out: nothing is emitted for them.
        resources: what the launcher is asked for.
        notes: what the context worked out about the point as it is now; any change empties it.
    """

    __slots__ = ("_context", "added", "dropped", "notes", "resources", "values")

    def __init__(self, values: dict[str, Value], context: Context) -> None:
        self.values = values
        self.added = _NONE
        self.dropped = _NONE
        self.resources: dict[str, Value] = {}
        self.notes: dict[str, Any] = {}
        self._context = context

    def look_up(self, name: str) -> Value:
        """Return the value of `name` here; raises Absent if it has none."""
        return self._context.look_up(self, name)

    def force(self, name: str, value: Value) -> None:
        """Give a parameter another value."""
        self.values[name] = value
        self.added -= {name}
        self.dropped -= {name}
        self.notes = {}

    def drop(self, name: str) -> None:
        """Take a parameter out: nothing is emitted for it."""
        self.values.pop(name, None)
        self.added -= {name}
        self.dropped |= {name}
        self.notes = {}

    def add(self, name: str, value: Value) -> None:
        """Add an override that comes after all others."""
        self.values[name] = value
        self.added |= {name}
        self.dropped -= {name}
        self.notes = {}

    def copy(self) -> Point:
        """Return a point that can be changed without changing this one."""
        other = Point(dict(self.values), self._context)
        other.added, other.dropped = self.added, self.dropped
        other.resources = dict(self.resources)
        return other

    def assignment(self) -> Assignment:
        """Return what it is when all conditions are done: it is not to be changed any more."""
        return Assignment(self.values, self.added, self.resources, self.notes)


class SharedContext:
    """Values that all points share, for a space that has no config behind it.

    A parameter that a condition dropped is absent here: its value in the config is not known here.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def look_up(self, point: Point, name: str) -> Value:
        """Return what the point has, else what all points share."""
        if name in point.values:
            return point.values[name]
        if name in point.dropped or name not in self._values:
            raise Absent(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)
