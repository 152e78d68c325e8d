"""What people are shown in the cells of a table: means with their errors, rounded, and how many seeds count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.columns import Column, View, group_columns
from hyperherd.results.tables.front_marks import FRONT, front_values
from hyperherd.results.text.format import escaped, measure, setting
from hyperherd.results.text.layout import GLYPHS
from hyperherd.results.trials.fields import Role
from hyperherd.results.values import Gap


def with_error(spread: Spread, err: str, precision: int = 4, digits: int | None = None) -> str:
    """Return ``mean ± error`` with as many decimals as the mean has; the mean alone of a single value.

    Args:
        spread: of the values.
        err: which spread stands behind the mean.
        precision: significant digits of the mean.
        digits: its decimals instead.
    """
    if spread.mean is None:
        return Gap.MISSING.value
    mean = _rounded(spread.mean, precision) if digits is None else f"{spread.mean:.{digits}f}"
    part = "" if spread.planned in (None, spread.n) else f" ({spread.n}/{spread.planned})"
    low, high = spread.bounds(err)
    if low is None or high is None:
        return mean + part
    alike = partial(_alike, mean=mean, precision=precision) if digits is None else f"{{:.{digits}f}}".format
    if err == "range":
        return f"{mean} ({alike(low)} to {alike(high)}){part}"
    return f"{mean} ± {alike(spread.error(err) or 0.0)}{part}"


def _rounded(value: float, precision: int) -> str:
    """Return a mean with all its significant digits, also where the last ones are zeros."""
    if value == 0 or not 1e-3 <= abs(value) < 10 ** max(precision, 6):
        return measure(value, precision)
    exponent = int(f"{value:.{precision - 1}e}".partition("e")[2])
    return f"{value:.{max(0, precision - 1 - exponent)}f}"


def _alike(value: float, mean: str, precision: int) -> str:
    """Return a value with the decimals of `mean`, unless nothing would be left of it."""
    if "e" in mean:
        return measure(value, precision)
    text = f"{value:.{len(mean.partition('.')[2])}f}"
    return text if float(text) or not value else measure(value, 2)


def people_columns(groups: AnyGroups, rows: Sequence[AnyGroup], view: View) -> list[Column]:
    """Return the columns of configurations for people: their place, settings, how many seeds count, and measures."""
    lead = _lead(groups, rows)
    if view.bare:
        return _bare(groups, rows, view, lead)
    columns = group_columns(groups, rows, view)
    settings = [column for column in columns if column.role in (Role.PARAM, Role.IDENTITY)]
    measured = [column for column in columns if column not in settings]
    place = [lead["rank"]] if groups.objective else []
    if groups.trials.objectives:
        place = [Column(FRONT, Role.PROGRESS, front_values(groups, rows, for_people=True))]
    return [*place, *settings, lead[_counts(groups)], *_scores(groups, rows, view), *measured]


def _counts(groups: AnyGroups) -> str:
    return "seeds" if groups.keys else "trials"


def _lead(groups: AnyGroups, rows: Sequence[AnyGroup]) -> dict[str, Column]:
    """Return the columns that no trial has by itself: the places, and how many trials count."""
    places = {id(group): str(place) for place, group in enumerate(groups.ranked, 1)}
    counts = [seed_count(group, groups) for group in rows]
    return {
        "rank": Column("rank", Role.PROGRESS, [places.get(id(group), Gap.MISSING) for group in rows]),
        _counts(groups): Column(_counts(groups), Role.IDENTITY, counts),
    }


def _bare(groups: AnyGroups, rows: Sequence[AnyGroup], view: View, lead: dict[str, Column]) -> list[Column]:
    """Return the columns that are asked for, in that order, and no others."""
    heads = {text: name for text in view.columns if (name := text.partition("=")[0]) in lead}
    others = replace(view, columns=tuple(text for text in view.columns if text not in heads))
    fields = iter(group_columns(groups, rows, others) if others.columns else ())
    found = []
    for text in view.columns:
        if text in heads:
            column = lead[heads[text]]
            found.append(replace(column, name=text.partition("=")[2].strip() or column.name))
        else:
            found.append(next(fields))
    return found


def _scores(groups: AnyGroups, rows: Sequence[AnyGroup], view: View) -> list[Column]:
    """Return the values that rank the groups, unless the means that are shown do."""
    if groups.by_mean:
        return []
    objective = groups.objective
    unit = 100 if objective and {objective.metric, objective.label} & set(view.percent) else 1
    known = {id(group): unit * score for group, score in zip(groups.ranked, groups.scores, strict=True)}
    return [Column("ranked by", Role.OBJECTIVE, [known.get(id(group), Gap.MISSING) for group in rows])]


def seed_count(group: AnyGroup, groups: AnyGroups) -> str:
    """Return ``3/3``, or ``1/3 ✗✗`` with a sign for every seed that does not count, and what repeats others."""
    objective = groups.objective
    done = group.judged(objective).n if objective else len(group.counted)
    text = f"{done}/{group.planned}"
    signs = "".join(GLYPHS[trial.state] for trial in group.missing)
    if objective and done < len(group.counted):
        signs += "∅" * (len(group.counted) - done)
    if group.superseded:
        signs += f" +{counted(len(group.superseded), 'duplicate')}"
    return f"{text} {signs.strip()}".rstrip()


def whole(column: Column) -> list[Any]:
    """Return the values, measured floats as ints if all are whole: Arrow and JSON keep epochs as floats."""
    floats = [value for value in column.values if isinstance(value, float)]
    if column.role is Role.PARAM or not all(value.is_integer() and abs(value) < 1e15 for value in floats):
        return column.values
    return [int(value) if isinstance(value, float) else value for value in column.values]


class Chosen(str):
    """A text that someone chose for a table, shown as it is also where it reads as a number."""


def cell(value: Any, role: Role, view: View, err: str) -> str:
    """Return one value for people."""
    if isinstance(value, Gap):
        return value.value
    if isinstance(value, Spread):
        return with_error(value, err, view.precision, view.digits)
    if isinstance(value, Chosen):
        return escaped(value)
    if role in (Role.METRIC, Role.OBJECTIVE):
        if view.digits is not None and isinstance(value, float):
            return f"{value:.{view.digits}f}"
        return measure(value, view.precision)
    return escaped(str(value)) if role is Role.PROGRESS else setting(value, full=view.full)
