"""The objective by two names: a row for each value of one, a column for each value of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hyperherd.errors import ResultsError, one_of
from hyperherd.results.statistics.best_of import best_of
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, GroupCollection
from hyperherd.results.statistics.marginal import best_configurations, check_rest
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.asked import named
from hyperherd.results.tables.columns import Column, View
from hyperherd.results.tables.people import Chosen
from hyperherd.results.text.format import is_number, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
from hyperherd.results.trials.objective import Objective
from hyperherd.results.values import Gap


def pivot_groups(trials: TrialCollection, row: str, column: str, err: str, rest: str = "all") -> AnyGroups:
    """Return the trials by the two names.

    Args:
        trials: those to show.
        row: the name whose values are the rows.
        column: the name whose values are the columns.
        err: the measure of spread.
        rest: ``all``: a cell is all of its trials; ``best``: the best configuration among them.

    Raises:
        ResultsError: there is no objective, or the names are the same or unknown.
    """
    if trials.objective is None:
        raise ResultsError("a pivot needs one objective; choose it with -m METRIC")
    if row == column:
        raise ResultsError(f"a pivot needs two different names, not {row!r} twice")
    groups: AnyGroups = GroupCollection.by_names(trials, (row, column), err)
    if check_rest(rest) == "all":
        return groups
    best, keys = best_configurations(trials, (row, column), err)
    return GroupCollection(trials, best, groups.fields, keys, err)


def pivot_columns(groups: AnyGroups, view: View | None = None, *, exact: bool) -> list[Column]:
    """Return the pivot of groups by two names.

    Args:
        groups: what :func:`pivot_groups` returned.
        view: what its names and values are called, in which unit, and what the best is in bold of.
        exact: whether a cell is the mean alone, for programs, instead of a spread with its number of trials.

    Raises:
        ResultsError: the view gives a heading to what is not in the pivot, or names another metric than the objective.
    """
    view = view or View()
    objective = groups.objective
    assert objective is not None
    row, column = (field.name for field in groups.fields)
    rows, columns = _values(groups, row), _values(groups, column)
    cells = {(repr(group.settings[row]), repr(group.settings[column])): group for group in groups}
    grid = [[cells.get((repr(item), repr(value))) for item in rows] for value in columns]
    called = _headings(view.columns, [row, column, *_named(row, rows), *_named(column, columns)])
    unit = 1 if exact or not _is_percentage(view, objective) else 100
    labels = [called.get(text, value) for text, value in zip(_named(row, rows), rows, strict=True)]
    found = [Column(called.get(row, row), Role.PARAM, labels)]
    best = _best(grid, groups, view)
    for place, text in enumerate(_named(column, columns)):
        spreads = [_spread(group, groups, unit) if group else Spread(()) for group in grid[place]]
        told: list[Any] = [Gap.MISSING if item.mean is None else item.mean for item in spreads] if exact else spreads
        span = called.get(column, column), called.get(text, text.removeprefix(f"{column}="))
        name = called.get(text, f"{span[0]}={span[1]}")
        found.append(Column(name, Role.OBJECTIVE, told, None, best[place], span))
    return found


def _named(name: str, values: Sequence[Any]) -> list[str]:
    """Return ``NAME=VALUE`` for each value, as people write it."""
    return [f"{name}={value.value if isinstance(value, Gap) else setting(value)}" for value in values]


def _headings(texts: Sequence[str], known: Sequence[str]) -> dict[str, Chosen]:
    """Return what names and values of a pivot are called, from texts such as ``model=cnn=CNN``."""

    def find(name: str) -> str:
        return one_of(name, known, "a name or a value of this pivot")

    found = {}
    for text in texts:
        name, heading = named(text, find)
        if "=" in heading and name in known[:2]:  # a value that is misspelt, not a heading of all of them
            find(f"{name}={heading.partition('=')[0]}")
        if not heading:
            raise ResultsError(f"with --pivot, -c gives headings: {name}=HEADING")
        found[name] = Chosen(heading)
    return found


def _is_percentage(view: View, objective: Objective) -> bool:
    for name in view.percent:
        one_of(name, dict.fromkeys((objective.label, objective.metric)), "the metric of this pivot")
    return bool(view.percent)


def _best(grid: Sequence[Sequence[AnyGroup | None]], groups: AnyGroups, view: View) -> list[frozenset[int]]:
    """Return for each column the rows that are in bold."""
    samples = [[groups.sample(group) if group else None for group in column] for column in grid]
    if view.bold == "row":
        across = [best_of(row) for row in zip(*samples, strict=True)]
        return [frozenset(row for row, best in enumerate(across) if place in best) for place in range(len(grid))]
    return [best_of(column) if view.bold == "column" else frozenset() for column in samples]


def _spread(group: AnyGroup, groups: AnyGroups, unit: int) -> Spread:
    assert groups.objective is not None
    return Spread(tuple(unit * value for value in group.judged(groups.objective).values), group.planned)


def _values(groups: AnyGroups, name: str) -> list[Any]:
    """Return the different values of a name, numbers in order, then texts in theirs, gaps last."""
    found = {repr(group.settings[name]): group.settings[name] for group in groups}.values()
    return sorted(found, key=_place)


def _place(value: Any) -> tuple[int, float, str]:
    if is_number(value):
        return 0, float(value), ""
    return (2, 0.0, "") if isinstance(value, Gap) else (1, 0.0, str(value))
