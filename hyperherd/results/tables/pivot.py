"""The objective by two names: a row for each value of one, a column for each value of the other."""

from __future__ import annotations

from typing import Any

from hyperherd.errors import ResultsError
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, GroupCollection
from hyperherd.results.statistics.marginal import best_configurations, check_rest
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.columns import Column
from hyperherd.results.text.format import is_number, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
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
        raise ResultsError("a pivot needs an objective; choose one with -m METRIC")
    if row == column:
        raise ResultsError(f"a pivot needs two different names, not {row!r} twice")
    groups: AnyGroups = GroupCollection.by_names(trials, (row, column), err)
    if check_rest(rest) == "all":
        return groups
    best, keys = best_configurations(trials, (row, column), err)
    return GroupCollection(trials, best, groups.fields, keys, err)


def pivot_columns(groups: AnyGroups, *, exact: bool) -> list[Column]:
    """Return the pivot of groups by two names.

    Args:
        groups: what :func:`pivot_groups` returned.
        exact: whether a cell is the mean alone, for programs, instead of a spread with its number of trials.
    """
    objective = groups.objective
    assert objective is not None
    row, column = (field.name for field in groups.fields)
    rows, columns = _values(groups, row), _values(groups, column)
    cells = {(repr(group.settings[row]), repr(group.settings[column])): group for group in groups}
    found = [Column(row, Role.PARAM, rows)]
    for value in columns:
        at = [cells.get((repr(item), repr(value))) for item in rows]
        heading = f"{column}={value.value if isinstance(value, Gap) else setting(value)}"
        spreads = [_spread(group, groups) if group else Spread(()) for group in at]
        told: list[Any] = [Gap.MISSING if item.mean is None else item.mean for item in spreads] if exact else spreads
        found.append(Column(heading, Role.OBJECTIVE, told))
    return found


def _spread(group: AnyGroup, groups: AnyGroups) -> Spread:
    assert groups.objective is not None
    return Spread(group.judged(groups.objective).values, group.planned)


def _values(groups: AnyGroups, name: str) -> list[Any]:
    """Return the different values of a name, numbers in order, then texts in theirs, gaps last."""
    found = {repr(group.settings[name]): group.settings[name] for group in groups}.values()
    return sorted(found, key=_place)


def _place(value: Any) -> tuple[int, float, str]:
    if is_number(value):
        return 0, float(value), ""
    return (2, 0.0, "") if isinstance(value, Gap) else (1, 0.0, str(value))
