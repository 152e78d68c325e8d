"""Condition actions: what a rule does to a point that it matches.

An action is a class derived from :class:`Action` and listed in :data:`ACTIONS`, which is everything that reading,
applying and reporting know of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent, Expression, Lookup, read_expression
from hyperherd.space.matchers import Matcher, read_matcher
from hyperherd.space.parameters import Interval, TextReader, read_values
from hyperherd.space.point import Point
from hyperherd.space.values import Value, identical

NamedMatchers = tuple[tuple[str, Matcher], ...]
IsFixed = Callable[[str], bool]
"""Whether the value of a name is fixed by an override that takes precedence."""


class NotInThisTrial(SpaceError):
    """A value to `set` is computed from a name that the trial does not have, though another trial may."""


class Action:
    """One action of one condition, as read.

    Attributes:
        key: its key in a condition.
        done: what a plan calls it once it was done.
        other_spellings: what other tools call it, for the hint about an unknown key.
        needs_swept: whether the parameters it changes have to be searched.
    """

    key: ClassVar[str]
    done: ClassVar[str]
    other_spellings: ClassVar[tuple[str, ...]] = ()
    needs_swept: ClassVar[bool] = False

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Return the action as written below `key`, or None if it asks for nothing; SpaceError if it is invalid."""
        raise NotImplementedError

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the points that take the place of `point`, and whether the action counts as done.

        Raises:
            SpaceError: a value cannot be compared or computed; the message starts with `key`.
        """
        raise NotImplementedError

    @property
    def asks(self) -> frozenset[str]:
        """Every name whose value it needs."""
        return frozenset()

    @property
    def changes(self) -> tuple[str, ...]:
        """The parameters that it changes."""
        return ()

    @property
    def searches(self) -> dict[str, str]:
        """Name → prefix (a ``+``, or nothing) of every key for which it brings in values to search."""
        return {}

    @property
    def sets(self) -> tuple[str, ...]:
        """The keys for which it adds an override after all others."""
        return ()

    @property
    def gives_way(self) -> tuple[str, ...]:
        """The names for which a plan notes that a fixed override takes precedence."""
        return ()

    @property
    def varies_names(self) -> bool:
        """Whether points can have different names because of it."""
        return bool(self.searches or self.sets)

    def without(self, is_fixed: IsFixed) -> Action | None:
        """Return the action for the names that are not fixed, or None if none is left."""
        return self

    def summary(self, count: int) -> str:
        """Return what it did in a matched condition, `count` times; empty for nothing."""
        return f"{self.done} {count}" if count else ""


@dataclass(frozen=True)
class Exclude(Action):
    """Drops the point; with matchers, only if one of them matches."""

    key = "exclude"
    done = "excluded"
    other_spellings = ("skip", "remove", "reject", "forbid", "ignore")

    matchers: NamedMatchers | None

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a bool, or a map from names to matchers."""
        if isinstance(written, bool):
            return cls(None) if written else None
        matchers = read_matchers("exclude", read_pairs("exclude", written))
        return cls(matchers) if matchers else None

    @property
    def asks(self) -> frozenset[str]:
        """The names that it matches."""
        return frozenset(name for name, _ in self.matchers or ())

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the point unless it is excluded."""
        excluded = self.matchers is None or any(self._excludes(point, *pair) for pair in self.matchers)
        return ([], True) if excluded else ([point], False)

    def _excludes(self, point: Point, name: str, matcher: Matcher) -> bool:
        try:
            return matches(point.look_up, name, matcher)
        except Absent:
            return False
        except SpaceError as error:
            raise SpaceError(f"exclude: {error}") from None


@dataclass(frozen=True)
class Force(Action):
    """Gives parameters other values."""

    key = "force"
    done = "forced"
    other_spellings = ("then", "fix", "assign", "override")
    needs_swept = True

    values: tuple[tuple[str, Value], ...]

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a map from parameters to values."""
        values = read_pairs("force", written)
        return cls(values) if values else None

    @property
    def changes(self) -> tuple[str, ...]:
        """The parameters that get a value."""
        return tuple(name for name, _ in self.values)

    @property
    def gives_way(self) -> tuple[str, ...]:
        """The same parameters."""
        return self.changes

    def without(self, is_fixed: IsFixed) -> Action | None:
        """Return the action for the parameters that are not fixed."""
        values = tuple(pair for pair in self.values if not is_fixed(pair[0]))
        return replace(self, values=values) if values else None

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the point with the values."""
        changed = [(name, value) for name, value in self.values if not identical(point.values.get(name, point), value)]
        for name, value in changed:
            point.force(name, value)
        return [point], bool(changed)


@dataclass(frozen=True)
class Replace(Action):
    """Searches other values: their product takes the place of the point."""

    key = "replace"
    done = "replaced"
    other_spellings = ("search", "sweep", "values", "params")

    values: tuple[tuple[str, tuple[Value, ...]], ...]
    prefixes: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a map from keys to their values."""
        replaced = []
        for name, value in read_pairs("replace", written):
            values = read_values(name, value, read_text)
            if isinstance(values, Interval) or not values:
                raise SpaceError(f"replace.{name}: it needs a list of values, not an empty list or an interval")
            replaced.append((name, values))
        prefixes = tuple(_prefix(key) for key in written or () if str(key).startswith("+"))
        return cls(tuple(replaced), prefixes) if replaced else None

    @property
    def searches(self) -> dict[str, str]:
        """The keys with their prefixes."""
        prefixes = dict(self.prefixes)
        return {name: prefixes.get(name, "") for name, _ in self.values}

    @property
    def gives_way(self) -> tuple[str, ...]:
        """The keys that are searched."""
        return tuple(name for name, _ in self.values)

    def without(self, is_fixed: IsFixed) -> Action | None:
        """Return the action for the keys that are not fixed."""
        values = tuple(pair for pair in self.values if not is_fixed(pair[0]))
        return replace(self, values=values) if values else None

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return a copy of the point for each combination of the values."""
        names = [name for name, _ in self.values]
        points = []
        for values in itertools.product(*(values for _, values in self.values)):
            points.append(point.copy())
            for name, value in zip(names, values, strict=True):
                points[-1].force(name, value)
        return points, True


@dataclass(frozen=True)
class Drop(Action):
    """Emits nothing for parameters, so that the config's own values apply."""

    key = "drop"
    done = "dropped"
    other_spellings = ("unset", "delete", "omit")
    needs_swept = True

    names: tuple[str, ...]

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a parameter, or a list of them."""
        names = [written] if isinstance(written, str) else written or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SpaceError(f"`drop` is a list of parameters, not {written!r}")
        return cls(tuple(name.lstrip("+") for name in names)) if names else None

    @property
    def changes(self) -> tuple[str, ...]:
        """The parameters that it drops."""
        return self.names

    @property
    def varies_names(self) -> bool:
        """A dropped parameter is missing from some points."""
        return True

    def without(self, is_fixed: IsFixed) -> Action | None:
        """Return the action for the parameters that are not fixed."""
        names = tuple(name for name in self.names if not is_fixed(name))
        return replace(self, names=names) if names else None

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the point without the parameters."""
        dropped = any(name in point.values for name in self.names)
        for name in self.names:
            point.drop(name)
        return [point], dropped


@dataclass(frozen=True)
class Set(Action):
    """Adds overrides after all others; a value may be an expression that gives it."""

    key = "set"
    done = "set"
    other_spellings = ("overrides", "add")

    values: tuple[tuple[str, Value | Expression], ...]

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a map from keys to values or expressions."""
        values = tuple((name, _settable(name, value)) for name, value in read_pairs("set", written))
        return cls(values) if values else None

    @property
    def asks(self) -> frozenset[str]:
        """The names in its expressions."""
        used = [value.names for _, value in self.values if isinstance(value, Expression)]
        return frozenset().union(*used)

    @property
    def sets(self) -> tuple[str, ...]:
        """The keys."""
        return tuple(name for name, _ in self.values)

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the point with the overrides."""
        # All values are computed before the first is added: none of them sees another one.
        for name, value in [(name, self._computed(point, name, value)) for name, value in self.values]:
            point.add(name, value)
        return [point], True

    def _computed(self, point: Point, name: str, value: Value | Expression) -> Value:
        if not isinstance(value, Expression):
            return value
        try:
            return value.evaluate(point.look_up)
        except Absent as absent:
            raise NotInThisTrial(f"set {name}: {absent} has no value in this trial") from None
        except SpaceError as error:
            raise SpaceError(f"set {name}: {error}") from None


@dataclass(frozen=True)
class Resources(Action):
    """Requests resources from the launcher."""

    key = "resources"
    done = "asked for"
    other_spellings = ("resource", "launcher")

    values: tuple[tuple[str, Value], ...]

    @classmethod
    def read(cls, written: Any, read_text: TextReader) -> Action | None:
        """Read a map from resources to amounts."""
        values = read_pairs("resources", written)
        return cls(values) if values else None

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        """Return the point with the request."""
        point.resources.update(self.values)
        return [point], True

    def summary(self, count: int) -> str:
        """Return the request itself, which is the same for every trial."""
        return f"{self.done} {', '.join(f'{name}={value}' for name, value in dict(self.values).items())}"


ACTIONS: tuple[type[Action], ...] = (Exclude, Force, Replace, Drop, Set, Resources)
"""All actions, in the order in which a condition applies them."""


def read_pairs(key: str, written: Any) -> tuple[tuple[str, Any], ...]:
    """Read a map from names to values; SpaceError if it is not one."""
    if written is None:
        return ()
    if not isinstance(written, dict):
        raise SpaceError(f"`{key}` is a map from names to values, not {written!r}")
    return tuple((str(name).lstrip("+"), value) for name, value in written.items())


def read_matchers(key: str, pairs: Iterable[tuple[str, Any]]) -> NamedMatchers:
    """Read what each name has to match."""
    return tuple((name, _matcher(f"{key}.{name}", value)) for name, value in pairs)


def matches(look_up: Lookup, name: str, matcher: Matcher) -> bool:
    """Return whether the value of `name` matches; raises Absent without one, SpaceError if they do not compare."""
    value = look_up(name)  # an error in that names it already
    try:
        return matcher.matches(value)
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None


def _matcher(place: str, written: Any) -> Matcher:
    try:
        return read_matcher(written)
    except SpaceError as error:
        raise SpaceError(f"{place}: {error}") from None


def _prefix(key: str) -> tuple[str, str]:
    name = key.lstrip("+")
    return name, key[: len(key) - len(name)]


def _settable(name: str, written: Any) -> Value | Expression:
    if not (isinstance(written, dict) and written.keys() == {"expr"}):
        return written
    try:
        return read_expression(written["expr"])
    except SpaceError as error:
        raise SpaceError(f"set.{name}: {error}") from None
