"""A point on its way through the conditions: what it has, what it lost, and where its values can be looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperherd.space.expressions import Absent
from hyperherd.space.values import Value


@dataclass(frozen=True)
class Assignment:
    """Parameter → value for one point of the space: what one trial is.

    Attributes:
        values: of parameters and of keys that conditions added; they make the trial's identity.
        added: names among them that a condition `set`: overrides to be added after all others.
        resources: what the launcher is asked for; no part of the identity.
    """

    values: dict[str, Value]
    added: frozenset[str] = frozenset()
    resources: dict[str, Value] = field(default_factory=dict)


class Point:
    """An assignment that conditions may still change.

    A name is looked up in what the point has, then in the context, which all points share; a parameter that a condition
    dropped is absent, although the config has a value for it, because the trial is not about it.
    """

    def __init__(self, values: Mapping[str, Value], context: Mapping[str, Value]) -> None:
        self.values = dict(values)
        self.added: set[str] = set()
        self.resources: dict[str, Value] = {}
        self._dropped: set[str] = set()
        self._context = context

    def lookup(self, name: str) -> Value:
        """Return the value of `name` here; raises Absent if it has none."""
        if name in self.values:
            return self.values[name]
        if name in self._dropped or name not in self._context:
            raise Absent(name)
        return self._context[name]

    def force(self, name: str, value: Value) -> None:
        """Give a parameter another value."""
        self.values[name] = value
        self.added.discard(name)
        self._dropped.discard(name)

    def drop(self, name: str) -> None:
        """Take a parameter out: nothing is emitted for it."""
        self.values.pop(name, None)
        self.added.discard(name)
        self._dropped.add(name)

    def add(self, name: str, value: Value) -> None:
        """Add an override that comes after all others."""
        self.values[name] = value
        self.added.add(name)
        self._dropped.discard(name)

    def copy(self) -> Point:
        """Return a point that can be changed without changing this one."""
        other = Point(self.values, self._context)
        other.added, other._dropped = set(self.added), set(self._dropped)
        other.resources = dict(self.resources)
        return other

    def assignment(self) -> Assignment:
        """Return it as it is now."""
        return Assignment(dict(self.values), frozenset(self.added), dict(self.resources))
