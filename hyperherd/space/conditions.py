"""Conditions: which points each rule matches, and what it does to them. Read once, applied in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hyperherd.errors import SpaceError
from hyperherd.space.actions import Action, Exclude, IsFixed, NamedMatchers, matches
from hyperherd.space.expressions import Absent, Expression, Lookup
from hyperherd.space.point import Point
from hyperherd.space.values import Value, token

_SHOWN = 5
"""Values of a name in the warning about a condition that matched nothing."""


@dataclass(frozen=True)
class Condition:
    """One rule. When all of `when` matches a point, its actions are applied in their order.

    Attributes:
        label: how messages and plans call it: its place, its name, and where it was written.
        when: name → matcher; all must match. A name that is absent from the point makes the rule not apply.
        expression: must be true too.
        actions: what is done, in the order of the registry; an action that asks for nothing is not among them.
    """

    label: str
    when: NamedMatchers = ()
    expression: Expression | None = None
    actions: tuple[Action, ...] = ()

    @property
    def asks(self) -> frozenset[str]:
        """Every name whose value it needs."""
        names = frozenset(name for name, _ in self.when) | (self.expression.names if self.expression else frozenset())
        return names.union(*(action.asks for action in self.actions))

    @property
    def adds(self) -> frozenset[str]:
        """Every name it can bring in that need not be a parameter."""
        return frozenset(self.searches) | frozenset(self.sets)

    @property
    def searches(self) -> dict[str, str]:
        """Name → prefix of every key for which it brings in values to search."""
        return {name: prefix for action in self.actions for name, prefix in action.searches.items()}

    @property
    def sets(self) -> tuple[str, ...]:
        """The keys for which it adds an override after all others."""
        return tuple(name for action in self.actions for name in action.sets)

    @property
    def varies_names(self) -> bool:
        """Whether points can have different names because of it."""
        return any(action.varies_names for action in self.actions)

    def without(self, is_fixed: IsFixed) -> Condition:
        """Return the condition without what it would change of names that are fixed."""
        kept = (action.without(is_fixed) for action in self.actions)
        return replace(self, actions=tuple(action for action in kept if action is not None))

    def applies(self, point: Point, effect: Effect) -> bool:
        """Return whether `point`, as earlier conditions left it, is one that the rule matches."""
        look_up = point.look_up if effect.matched else effect.watching(point.look_up)
        try:
            for name, matcher in self.when:
                if not matches(look_up, name, matcher):
                    return False
            return self.expression is None or bool(self.expression.evaluate(look_up))
        except Absent:
            return False
        except SpaceError as error:
            raise SpaceError(f"{self.label}: {error}") from None

    def apply(self, point: Point, effect: Effect) -> list[Point]:
        """Return what becomes of a point it applies to: nothing, the point itself, or several in its place."""
        effect.matched += 1
        points = [point]
        for action in self.actions:
            points = [after for each in points for after in self._applied(action, each, effect)]
        return points

    def _applied(self, action: Action, point: Point, effect: Effect) -> list[Point]:
        try:
            points, done = action.apply(point)
        except SpaceError as error:
            # Of the same type: that a name is missing in one trial alone is judged by the caller.
            raise type(error)(f"{self.label}: {error}") from None
        effect.done[action.key] = effect.done.get(action.key, 0) + done
        return points


@dataclass
class Effect:
    """What one condition did, in numbers of points.

    `done` counts by the key of the action. `seen` holds the first few values that each name had where the condition
    asked for it, by their token; they are kept only until the condition has matched, to explain why it did not.
    """

    label: str
    actions: tuple[Action, ...] = ()
    matched: int = 0
    done: dict[str, int] = field(default_factory=dict)
    seen: dict[str, dict[str, Value]] = field(default_factory=dict)

    @property
    def excluded(self) -> int:
        """How many points it excluded."""
        return self.done.get(Exclude.key, 0)

    def watching(self, look_up: Lookup) -> Lookup:
        """Return `look_up`, noting what it finds: asked for as long as the condition has matched nothing."""

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
        return f"{self.label} matched nothing: {met or 'no trial has the names it asks for'}"

    @property
    def summary(self) -> str:
        """What it did, e.g. ``matched 4: excluded 2, forced 2``; or that it matched or changed nothing."""
        if not self.matched:
            return "matched nothing"
        parts = [action.summary(self.done.get(action.key, 0)) for action in self.actions]
        return f"matched {self.matched}: {', '.join(filter(None, parts)) or 'changed nothing'}"


def _some(values: list[Value]) -> str:
    more = ", ..." if len(values) > _SHOWN else ""
    return ", ".join(f"{value!r:.60}" for value in values[:_SHOWN]) + more
