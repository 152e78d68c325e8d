"""Conditions: rules that exclude points of the grid or force values in them, read once and applied in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.matchers import Matcher, read_matcher
from hyperherd.space.values import Value

Assignment = dict[str, Value]
"""Parameter → value: one point of the space."""

_KEYS = ("name", "when", "exclude", "force")


@dataclass(frozen=True)
class Condition:
    """One rule: when every matcher of `when` holds of an assignment, do something about it.

    Attributes:
        label: how messages and plans call it: its name, else its place.
        when: name → matcher; all must hold. A name that the assignment lacks makes the condition not apply.
        exclude: True drops the assignment; a map drops it if any named parameter matches.
        force: parameter → the value it gets instead.
    """

    label: str
    when: tuple[tuple[str, Matcher], ...]
    exclude: bool | tuple[tuple[str, Matcher], ...] = False
    force: tuple[tuple[str, Value], ...] = ()

    def applies(self, assignment: Assignment, context: Mapping[str, Value]) -> bool:
        """Return whether `assignment` is one the condition speaks of.

        Args:
            assignment: as earlier conditions left it.
            context: values that are the same in every assignment: the composed config, fixed overrides.
        """
        return all(self._matches(name, matcher, assignment, context) for name, matcher in self.when)

    def excludes(self, assignment: Assignment) -> bool:
        """Return whether an assignment that it applies to is dropped."""
        if isinstance(self.exclude, bool):
            return self.exclude
        return any(self._matches(name, matcher, assignment, {}) for name, matcher in self.exclude)

    def _matches(self, name: str, matcher: Matcher, assignment: Assignment, context: Mapping[str, Value]) -> bool:
        if name in assignment:
            value = assignment[name]
        elif name in context:
            value = context[name]
        else:
            return False
        try:
            return matcher.matches(value)
        except SpaceError as error:
            raise SpaceError(f"{self.label}: {name}: {error}") from None


def read_conditions(written: Sequence[Any]) -> tuple[Condition, ...]:
    """Read the conditions of a search space from plain lists and dicts.

    Raises:
        SpaceError: one that cannot be meant as written; the message names it.
    """
    return tuple(_read(raw, index) for index, raw in enumerate(written))


def check_names(conditions: Iterable[Condition], parameters: Iterable[str], context: Mapping[str, Value]) -> None:
    """Raise SpaceError for a name that no parameter and no config value bears, naming the nearest one."""
    swept = list(parameters)
    for condition in conditions:
        for name, _ in condition.when:
            if name not in swept and name not in context:
                known = nearest(name, [*swept, *context])
                raise SpaceError(f"{condition.label}: there is no parameter or config value {name!r}{known}")
        excluded = condition.exclude if isinstance(condition.exclude, tuple) else ()
        for action, pairs in (("exclude", excluded), ("force", condition.force)):
            for name, _ in pairs:
                if name not in swept:
                    raise SpaceError(
                        f"{condition.label}: {action} names {name!r}, which is not swept{nearest(name, swept)}"
                    )


def _read(raw: Any, index: int) -> Condition:
    label = f"condition {index}"
    if not isinstance(raw, dict):
        raise SpaceError(f"{label}: a condition is a map with `when` and an action, not {raw!r}")
    if raw.get("name"):
        label = f"condition {index} ({raw['name']})"
    for key in raw:
        if key not in _KEYS:
            raise SpaceError(f"{label}: unknown key {key!r}{nearest(str(key), _KEYS)}; there are {', '.join(_KEYS)}")
    try:
        when = _matchers("when", raw.get("when"))
        exclude = _exclude(raw.get("exclude", False))
        force = _pairs("force", raw.get("force", {}))
    except SpaceError as error:
        raise SpaceError(f"{label}: {error}") from None
    if not (exclude or force):
        raise SpaceError(f"{label}: it does nothing; give it `exclude` or `force`")
    return Condition(label, when, exclude, force)


def _exclude(written: Any) -> bool | tuple[tuple[str, Matcher], ...]:
    return written if isinstance(written, bool) else _matchers("exclude", written)


def _matchers(key: str, written: Any) -> tuple[tuple[str, Matcher], ...]:
    return tuple((name, _named(f"{key}.{name}", value)) for name, value in _pairs(key, written))


def _named(place: str, written: Any) -> Matcher:
    try:
        return read_matcher(written)
    except SpaceError as error:
        raise SpaceError(f"{place}: {error}") from None


def _pairs(key: str, written: Any) -> tuple[tuple[str, Value], ...]:
    if not isinstance(written, dict) or not (written or key == "force"):
        raise SpaceError(f"`{key}` is a map from parameters to values, not {written!r}")
    return tuple((str(name).lstrip("+"), value) for name, value in written.items())
