"""Conditions: what each rule asks of a point, and what it does to those it speaks of. Read once, applied in order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent, Expression, Lookup
from hyperherd.space.matchers import Matcher
from hyperherd.space.point import Point
from hyperherd.space.values import Value, identical, token

_SHOWN = 5
"""Values of a name in the warning about a condition that matched nothing."""

NamedMatchers = tuple[tuple[str, Matcher], ...]


@dataclass(frozen=True)
class Condition:
    """One rule. When all of `when` holds of a point, its actions are done in the order of the attributes.

    Attributes:
        label: how messages and plans call it: its place, its name, and where it was written.
        when: name → matcher; all must hold. A name that is absent from the point makes the rule not apply.
        expression: must be true too.
        exclude: True drops the point; matchers drop it if any of them holds.
        force: parameter → the value it gets.
        replace: key → the values searched instead: their product takes the point's place.
        drop: parameters for which nothing is emitted, so that the config's own value stands.
        set: key → the value of an override added after all others, or an expression that gives it.
        resources: what the launcher is asked for.
        prefixes: how the keys of `replace` are to be spelled, where it is not plainly.
    """

    label: str
    when: NamedMatchers = ()
    expression: Expression | None = None
    exclude: bool | NamedMatchers = False
    force: tuple[tuple[str, Value], ...] = ()
    replace: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    drop: tuple[str, ...] = ()
    set: tuple[tuple[str, Value | Expression], ...] = ()
    resources: tuple[tuple[str, Value], ...] = ()
    prefixes: tuple[tuple[str, str], ...] = ()

    @property
    def asks(self) -> frozenset[str]:
        """Every name whose value it needs."""
        names = {name for name, _ in self.when} | {name for name, _ in self._excluded}
        for expression in (self.expression, *(value for _, value in self.set)):
            if isinstance(expression, Expression):
                names |= expression.names
        return frozenset(names)

    @property
    def adds(self) -> frozenset[str]:
        """Every name it can bring in that need not be a parameter."""
        return frozenset(name for name, _ in (*self.replace, *self.set))

    @property
    def _excluded(self) -> NamedMatchers:
        return () if isinstance(self.exclude, bool) else self.exclude

    def applies(self, point: Point, effect: Effect) -> bool:
        """Return whether `point`, as earlier conditions left it, is one the rule speaks of."""
        look_up = effect.watching(point.look_up)
        try:
            if not all(_matches(look_up, name, matcher) for name, matcher in self.when):
                return False
            return self.expression is None or bool(self.expression.evaluate(look_up))
        except Absent:
            return False
        except SpaceError as error:
            raise SpaceError(f"{self.label}: {error}") from None

    def apply(self, point: Point, effect: Effect) -> list[Point]:
        """Return what becomes of a point it applies to: nothing, the point itself, or several in its place."""
        effect.matched += 1
        if self.exclude is True or any(self._excludes(point, *pair) for pair in self._excluded):
            effect.excluded += 1
            return []
        effect.forced += self._force(point)
        points = self._replaced(point)
        effect.replaced += bool(self.replace)
        for each in points:
            self._finish(each, effect)
        return points

    def _force(self, point: Point) -> bool:
        changed = [(name, value) for name, value in self.force if not identical(point.values.get(name, point), value)]
        for name, value in changed:
            point.force(name, value)
        return bool(changed)

    def _replaced(self, point: Point) -> list[Point]:
        if not self.replace:
            return [point]
        names = [name for name, _ in self.replace]
        points = []
        for values in itertools.product(*(values for _, values in self.replace)):
            points.append(point.copy())
            for name, value in zip(names, values, strict=True):
                points[-1].force(name, value)
        return points

    def _finish(self, point: Point, effect: Effect) -> None:
        effect.dropped += any(name in point.values for name in self.drop)
        for name in self.drop:
            point.drop(name)
        for name, value in [(name, self._computed(point, name, value)) for name, value in self.set]:
            point.add(name, value)
        effect.set += bool(self.set)
        point.resources.update(self.resources)

    def _computed(self, point: Point, name: str, value: Value | Expression) -> Value:
        if not isinstance(value, Expression):
            return value
        try:
            return value.evaluate(point.look_up)
        except Absent as absent:
            raise NotInThisTrial(f"{self.label}: set {name}: {absent} has no value in this trial") from None
        except SpaceError as error:
            raise SpaceError(f"{self.label}: set {name}: {error}") from None

    def _excludes(self, point: Point, name: str, matcher: Matcher) -> bool:
        try:
            return _matches(point.look_up, name, matcher)
        except Absent:
            return False
        except SpaceError as error:
            raise SpaceError(f"{self.label}: exclude: {error}") from None


def _matches(look_up: Lookup, name: str, matcher: Matcher) -> bool:
    try:
        return matcher.matches(look_up(name))
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None


class NotInThisTrial(SpaceError):
    """A value to `set` is computed from a name that the trial does not have, though another trial may."""


@dataclass
class Effect:
    """What one condition did, in numbers of points.

    `seen` holds the first few values that each name had where the condition asked for it, by their token; they are
    kept only until the condition has matched, to explain why it did not.
    """

    label: str
    matched: int = 0
    excluded: int = 0
    forced: int = 0
    replaced: int = 0
    dropped: int = 0
    set: int = 0
    resources: dict[str, Value] = field(default_factory=dict)
    seen: dict[str, dict[str, Value]] = field(default_factory=dict)

    def watching(self, look_up: Lookup) -> Lookup:
        """Return `look_up`, noting what it finds for as long as the condition has matched nothing."""
        if self.matched:
            return look_up

        def noted(name: str) -> Value:
            value = look_up(name)
            values = self.seen.setdefault(name, {})
            if len(values) <= _SHOWN:
                values.setdefault(token(value), value)
            return value

        return noted

    @property
    def warning(self) -> str | None:
        """Why it matched nothing, with the values that it met; None if it matched."""
        if self.matched:
            return None
        met = "; ".join(f"{name} was {_some(list(values.values()))}" for name, values in self.seen.items())
        return f"{self.label} matched nothing: {met or 'no trial has what it asks for'}"

    @property
    def summary(self) -> str:
        """What it did, e.g. ``matched 4: excluded 2, forced 2``; empty-handed rules say so."""
        done = {name: getattr(self, name) for name in ("excluded", "forced", "replaced", "dropped", "set")}
        parts = [f"{name} {count}" for name, count in done.items() if count]
        if self.resources and self.matched:
            parts.append(f"asked for {', '.join(f'{name}={value}' for name, value in self.resources.items())}")
        if not self.matched:
            return "matched nothing"
        return f"matched {self.matched}: {', '.join(parts) or 'changed nothing'}"


def _some(values: list[Value]) -> str:
    more = ", ..." if len(values) > _SHOWN else ""
    return ", ".join(f"{value!r:.60}" for value in values[:_SHOWN]) + more
