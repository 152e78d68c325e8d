"""Expansion: from a search space to its assignments, a pure function of the space, the context and the seed.

In this order: the grids one after the other, each with its own conditions; the conditions of the whole space; equal
assignments merged, the first staying; a sample drawn, or the order shuffled; cut to a greatest number; every one
repeated for each seed. Assignments come in the order of their blocks and values, so conditions that lead to the same
set lead to the same order, however they are arranged.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hyperherd.errors import SpaceError
from hyperherd.garbage import rarely_collected
from hyperherd.plural import counted
from hyperherd.space.actions import NotInThisTrial
from hyperherd.space.conditions import Condition, Effect
from hyperherd.space.expressions import Absent
from hyperherd.space.grids import Grid
from hyperherd.space.parameters import Interval, Parameter
from hyperherd.space.point import Assignment, Context, Point, SharedContext
from hyperherd.space.ranks import ABSENT, Ranks
from hyperherd.space.reading import not_swept, open_questions
from hyperherd.space.values import PerValue, Value, token

MOST_POINTS = 1_000_000
"""A larger space is treated as a mistake unless it is sampled or limited."""

_DRAWS_PER_TRIAL = 100
_SECOND_LOOK = 1000
"""Points of each grid that are drawn to find out whether a name is unknown, where not all points were looked at."""

_Place = tuple[Any, ...]
_Rules = list[tuple[Condition, Effect]]
_Kept = dict[Any, tuple[_Place, Assignment]]
"""By identity: where an assignment stands, and the assignment."""


@dataclass(frozen=True)
class SearchSpace:
    """Parameters + conditions as written.

    Attributes:
        grids: parts that are put one after the other; at least one.
        conditions: rules for all points, after those of the grids.
        sample: how many assignments to draw without replacement; None for all.
        order: ``grid``, or ``random`` for a shuffled order.
        max_trials: how many assignments are kept at most, before seeds.
        seeds: how often every assignment is repeated.
        seed_key: the parameter that differs between repeats: 0, 1, ...
        seed: of everything random.
        strict: whether an unknown name in a condition is an error.
    """

    grids: tuple[Grid, ...]
    conditions: tuple[Condition, ...] = ()
    sample: int | None = None
    order: Literal["grid", "random"] = "grid"
    max_trials: int | None = None
    seeds: int | None = None
    seed_key: str = "seed"
    seed: int = 0
    strict: bool = True

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters of all grids by name; of one that several grids have, the first."""
        found: dict[str, Parameter] = {}
        for parameter in (parameter for grid in self.grids for parameter in grid.parameters):
            found.setdefault(parameter.name, parameter)
        return found

    @property
    def rules(self) -> tuple[Condition, ...]:
        """All conditions: those of the grids, then those of the whole space."""
        return (*(rule for grid in self.grids for rule in grid.conditions), *self.conditions)


@dataclass
class Report:
    """What the expansion did on the way.

    Attributes:
        size: number of points before conditions; an interval counts as one.
        effects: one per condition, in the order they run.
        merged: number of points that became equal to an earlier one.
        left_out: assignments that `sample` or `max_trials` did not keep; None if they were never counted.
        warnings: conditions that matched nothing, and names that no trial has when the space is not strict.
    """

    size: int
    effects: list[Effect]
    merged: int = 0
    left_out: int | None = 0
    warnings: list[str] = field(default_factory=list)


def expand(space: SearchSpace, context: Context | Mapping[str, Value] | None = None) -> tuple[list[Assignment], Report]:
    """Return the assignments of `space` in their order, and what was done on the way.

    Args:
        space: the search space.
        context: the config that each point would have, or plain values that all of them share.

    Raises:
        SpaceError: a name that no trial has, a space that is too large, or one in which nothing is left.
    """
    context = SharedContext(context or {}) if context is None or isinstance(context, Mapping) else context
    with rarely_collected():
        return _expanded(space, context)


def _expanded(space: SearchSpace, context: Context) -> tuple[list[Assignment], Report]:
    effects = {id(rule): Effect(rule.label, rule.actions) for rule in space.rules}
    expander = _Expander(space, context, effects)
    report = Report(sum(grid.size(context) for grid in space.grids), list(effects.values()))
    _complain(not_swept(space.rules, space.parameters), report, strict=space.strict)
    try:
        placed = _kept(expander, report)
    except NotInThisTrial:
        _complain(expander.unanswered(report), report, strict=space.strict)
        raise
    _complain(expander.unanswered(report), report, strict=space.strict)
    if not placed:
        raise SpaceError(_nothing_left(report))
    ignored = tuple(report.warnings)
    for effect in report.effects:
        if effect.warning is not None and not any(text.startswith(f"{effect.label}:") for text in ignored):
            report.warnings.append(effect.warning)
    return repeated(space, placed), report


def _complain(complaints: Iterable[str], report: Report, *, strict: bool) -> None:
    for complaint in complaints:
        if strict:
            raise SpaceError(complaint)
        report.warnings.append(f"{complaint}: ignored")


def _kept(expander: _Expander, report: Report) -> list[Assignment]:
    """Return the assignments before they are repeated for seeds."""
    space = expander.space
    if _must_draw(space, report.size):
        kept = expander.drawn(space.sample or 0)
        report.left_out = None
    else:
        limit = space.max_trials if space.sample is None and space.order == "grid" else None
        kept = expander.enumerated(limit, report)
    ordered = expander.in_order(kept)
    everything = len(ordered)
    rng = random.Random(space.seed)
    if space.sample is not None and space.sample < everything:
        ordered = [ordered[index] for index in sorted(rng.sample(range(everything), space.sample))]
    if space.order == "random":
        rng.shuffle(ordered)
    ordered = ordered[: space.max_trials]
    if report.left_out is not None:
        report.left_out += everything - len(ordered)
    return ordered


def _must_draw(space: SearchSpace, size: int) -> bool:
    """Return whether points have to be drawn one by one, because there are too many, or infinitely many."""
    if space.sample is None:
        if size > MOST_POINTS and space.max_trials is None:
            raise SpaceError(
                f"the grid has {size:,} points, which is probably a mistake; sample it with hydra.sweeper.sample=N, or "
                f"limit it with hydra.sweeper.max_trials=N"
            )
        return False
    intervals = (isinstance(parameter.values, Interval) for grid in space.grids for parameter in grid.parameters)
    return size > MOST_POINTS or any(intervals)


class _Expander:
    """Takes points of a space through its conditions and keeps one assignment of each kind."""

    def __init__(self, space: SearchSpace, context: Context, effects: dict[int, Effect]) -> None:
        self.space = space
        self.effects = effects
        self._context = context
        self._searched = space.parameters
        self._ranks = {name: Ranks(parameter) for name, parameter in self._searched.items()}
        self._numbers = [(name, ranks.number) for name, ranks in self._ranks.items()]
        self._token = PerValue(token)
        self._questions = open_questions(space.rules, space.parameters, context)
        self._added = tuple({name: None for rule in space.rules for name in rule.adds if name not in self._searched})
        axes = {frozenset(grid.names) for grid in space.grids}
        self._completes = len(axes) > 1 or any(rule.varies_names for rule in space.rules)

    def enumerated(self, limit: int | None, report: Report) -> _Kept:
        """Return all assignments by their identity, or the first `limit` of them."""
        kept: _Kept = {}
        for number, grid in enumerate(self.space.grids):
            rules = self.rules(grid)
            for block, values in grid.points(self._context):
                for point in self.conditioned(rules, values):
                    report.merged += not self._keep(kept, (number, block), point)
                if limit is not None and len(kept) >= limit:
                    report.left_out = None
                    return dict(list(kept.items())[:limit])
                if limit is None and len(kept) > MOST_POINTS:
                    raise SpaceError(
                        f"more than {MOST_POINTS:,} trials remain; limit them with hydra.sweeper.max_trials"
                    )
        return kept

    def drawn(self, sample: int) -> _Kept:
        """Return up to `sample` assignments from points drawn at random; fewer if new ones become hard to find."""
        rng = random.Random(self.space.seed)
        sizes = [grid.size(self._context) for grid in self.space.grids]
        kept: _Kept = {}
        for _ in range(sample * _DRAWS_PER_TRIAL):
            if len(kept) >= sample:
                break
            (number,) = rng.choices(range(len(sizes)), sizes)
            grid = self.space.grids[number]
            block, values = grid.draw(self._context, rng)
            left = self.conditioned(self.rules(grid), values)
            if left:
                self._keep(kept, (number, block), rng.choice(left))
        return kept

    def in_order(self, kept: _Kept) -> list[Assignment]:
        """Return assignments in the order of their places."""
        ranks = [each.by_number() for each in self._ranks.values()]
        if any(ranks):

            def place(item: tuple[_Place, Assignment]) -> _Place:
                grid, block, numbers, others = item[0]
                known = zip(numbers, ranks, strict=True)
                return grid, block, [number if given is None else given[number] for number, given in known], others

        else:

            def place(item: tuple[_Place, Assignment]) -> _Place:
                return item[0]

        return [assignment for _, assignment in sorted(kept.values(), key=place)]

    def unanswered(self, report: Report) -> Iterator[str]:
        """Yield an error message for each name that no trial was found to have, after a second look if not all were."""
        if report.left_out is None and self._questions:
            rng = random.Random(self.space.seed)
            for grid in self.space.grids:
                for _ in range(_SECOND_LOOK if self._questions else 0):
                    self._ask(Point(grid.draw(self._context, rng)[1], self._context), None)
        for question in self._questions:
            yield question.complaint

    def _ask(self, point: Point, rule: Condition | None) -> None:
        """Strike out the questions of `rule`, or of all, that `point` answers."""
        for question in self._questions:
            if rule is None or question.condition is rule:
                question.answered = _has(point, question.name)
        self._questions = [question for question in self._questions if not question.answered]

    def conditioned(self, rules: _Rules, values: dict[str, Value]) -> list[Point]:
        """Return what conditions leave of a point."""
        point = Point(values, self._context)
        if self._questions:
            self._ask(point, None)
        points = [point]
        for condition, effect in rules:
            after: list[Point] = []
            for point in points:
                if self._questions:
                    self._ask(point, condition)
                if condition.applies(point, effect):
                    after += condition.apply(point, effect)
                else:
                    after.append(point)
            points = after
        return points

    def rules(self, grid: Grid) -> _Rules:
        """Return the conditions that points of a grid meet, each with what it has done."""
        return [(rule, self.effects[id(rule)]) for rule in (*grid.conditions, *self.space.conditions)]

    def _keep(self, kept: _Kept, block: tuple[int, int], point: Point) -> bool:
        """Keep the assignment of a point unless there is an equal one; return whether it was new."""
        values = point.values
        numbers = tuple([number(values[name]) if name in values else ABSENT for name, number in self._numbers])
        others: list[tuple[str, str]] = []
        if len(values) > len(numbers) - numbers.count(ABSENT):
            others = sorted((name, self._token(value)) for name, value in values.items() if name not in self._searched)
        key: Any = self.what_it_comes_to(point) if self._completes else (numbers, *others) if others else numbers
        if key in kept:
            return False
        # What a condition `set` comes last: the other names it made room for are the coarser difference.
        last = sorted((name in point.added, name, text) for name, text in others) if others else []
        kept[key] = ((*block, numbers, last), point.assignment())
        return True

    def what_it_comes_to(self, point: Point) -> frozenset[tuple[str, str]]:
        """Return the values of everything searched or added anywhere, where `point` leaves them to the config too.

        So a trial for which a parameter was dropped equals one that is given the value which the config has there.
        """
        found = [(name, self._token(value)) for name, value in point.values.items()]
        for name in (*self._searched, *self._added):
            if name not in point.values:
                with contextlib.suppress(Absent, SpaceError):
                    found.append((name, self._token(point.look_up(name))))
        return frozenset(found)


class SinglePoints:
    """Takes points of a space through its conditions one by one, for a search that chooses them as it goes.

    Args:
        space: the search space; it may have intervals.
        context: the config that each point would have.

    Attributes:
        effects: what each condition has done so far.
        warnings: names that no trial has, if the space is not strict.

    Raises:
        SpaceError: a condition has a name that no trial has.
    """

    def __init__(self, space: SearchSpace, context: Context) -> None:
        effects = {id(rule): Effect(rule.label, rule.actions) for rule in space.rules}
        report = Report(1, list(effects.values()), left_out=None)
        _complain(not_swept(space.rules, space.parameters), report, strict=space.strict)
        self._expander = _Expander(space, context, effects)
        self._grid = space.grids[0]
        _complain(self._expander.unanswered(report), report, strict=space.strict)
        self.effects = report.effects
        self.warnings = report.warnings

    def left_of(self, values: Mapping[str, Value]) -> list[tuple[Hashable, Assignment]]:
        """Return what conditions leave of a point, each assignment with its identity: equal ones have equal ones."""
        expander = self._expander
        points = expander.conditioned(expander.rules(self._grid), dict(values))
        return [(expander.what_it_comes_to(point), point.assignment()) for point in points]


def _has(point: Point, name: str) -> bool:
    try:
        point.look_up(name)
    except Absent:
        return False
    return True


def repeated(space: SearchSpace, assignments: list[Assignment]) -> list[Assignment]:
    """Return every assignment once for each seed, the repeats of one beside each other."""
    if space.seeds is None:
        return assignments
    if any(space.seed_key in assignment.values for assignment in assignments):
        raise SpaceError(
            f"seeds: {space.seed_key!r} is already a search parameter; remove it there, or name another seed_key"
        )
    return [
        replace(assignment, values={**assignment.values, space.seed_key: seed}, notes={})
        for assignment in assignments
        for seed in range(space.seeds)
    ]


def excluded_by(effects: Iterable[Effect]) -> str:
    """Return which conditions have excluded how many points; empty if none has."""
    return "; ".join(f"{effect.label} excluded {effect.excluded}" for effect in effects if effect.excluded)


def _nothing_left(report: Report) -> str:
    blame = excluded_by(report.effects)
    return f"no trial remains of {counted(report.size, 'grid point')}" + (f": {blame}" if blame else "")
