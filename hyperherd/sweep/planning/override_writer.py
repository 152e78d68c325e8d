"""Assignments as Hydra overrides, one per key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperherd.errors import SpaceError
from hyperherd.overrides import Argument, override
from hyperherd.space.point import Assignment, Point
from hyperherd.space.values import equal
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.base_config import group_choices
from hyperherd.sweep.planning.given_space import SpaceAsGiven

_NOTE = "overrides"


class OverrideWriter:
    """Writes assignments as overrides: what is fixed or searched in its order, then what conditions `set`."""

    def __init__(self, app: HydraApp, given: SpaceAsGiven) -> None:
        self._app = app
        self._given = given
        self._parameters = given.space.parameters
        self._choices = group_choices(app.config)
        self._replaced = {
            name: prefix for rule in given.space.rules for name, prefix in rule.searches.items() if prefix
        }
        self._keys: dict[tuple[str, bool], str] = {}
        self._texts: dict[tuple[str, str], str] = {}

    def overrides(self, assignment: Assignment | Point) -> tuple[str, ...]:
        """Return the overrides of the trial that an assignment is; they are stored in its notes."""
        if _NOTE not in assignment.notes:
            assignment.notes[_NOTE] = tuple(self._overrides(assignment))
        texts: tuple[str, ...] = assignment.notes[_NOTE]
        return texts

    def _overrides(self, assignment: Assignment | Point) -> Iterator[str]:
        values, added = assignment.values, assignment.added
        for name in self._given.names:
            fixed = self._fixed(name, assignment)
            if fixed is not None:
                yield fixed.text
            elif name in values and name not in added:
                yield self._text(name, values[name])
        for name, value in values.items():
            if name not in self._given.names and name not in added:
                yield self._text(name, value)
        for name in values:
            if name in added and name not in self._given.fixed:
                yield self._text(name, values[name], added=True)

    def _fixed(self, name: str, assignment: Assignment | Point) -> Argument | None:
        """Return the fixed override of `name` that applies in this trial."""
        argument = self._given.fixed.get(name)
        if argument is None:
            return None if name in assignment.added else self._given.static.get(name)
        if name in assignment.added and not equal(assignment.values[name], argument.value):
            raise SpaceError(
                f"{self._setters(name)}: set {name} to {assignment.values[name]!r} contradicts {argument.text} on the "
                f"command line; remove one of them"
            )
        return argument

    def _setters(self, name: str) -> str:
        return " and ".join(rule.label for rule in self._given.space.rules if name in rule.sets)

    def _text(self, name: str, value: Any, *, added: bool = False) -> str:
        spelled = self._keys.get((name, added))
        if spelled is None:
            spelled = self._keys[name, added] = f"{self._prefix(name, added=added)}{name}"
        # By repr, because 1, 1.0 and true are the same key and different values.
        key = spelled, repr(value)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = override(spelled, value)
        return text

    def _prefix(self, name: str, *, added: bool) -> str:
        """Return how an override is spelled: a group as the defaults list wants it, anything else as written."""
        if name in self._choices:
            return ""
        parameter = self._parameters.get(name)
        if parameter is not None and parameter.prefix and not added:
            return parameter.prefix
        if self._app.is_group(name.split("@")[0]):
            return "+"
        return "++" if added else self._replaced.get(name, "")
