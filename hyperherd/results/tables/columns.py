"""Which columns a table has, and their values: one decision for the terminal, TSV and Arrow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperherd.errors import ResultsError
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups
from hyperherd.results.statistics.front import front_among, front_of
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.asked import asked_fields, in_percent
from hyperherd.results.tables.front_marks import FRONT, front_fields, front_values
from hyperherd.results.text.format import duration, is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.directions import interest, is_statistic
from hyperherd.results.trials.fields import (
    Field,
    Role,
    fact_field,
    find_field,
    metric_field,
    param_field,
    tag_fields,
)
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap


@dataclass(frozen=True)
class View:
    """What someone asks a table to show."""

    columns: tuple[str, ...] = ()
    """These and no others, each ``NAME`` or ``NAME=HEADING``; empty: what varies."""
    hidden: str = ""
    """A regular expression for the names of columns to leave out."""
    bare: bool = False
    """For people, too, nothing stands beside `columns`: no rank, trial or number of seeds that is not one of them."""
    everything: bool = False
    """Every parameter, also constant ones, and no column is left out to fit the width."""
    sort: str = ""
    """``NAME[:asc|desc]``; empty: best first."""
    precision: int = 4
    """Significant digits of measured numbers, for people."""
    full: bool = False
    """Long texts are not shortened."""
    escape_formulas: bool = False
    """In CSV a text that a spreadsheet would take for a formula gets a ``'`` before it."""
    percent: tuple[str, ...] = ()
    """Measured columns that people are shown a hundred times as large."""
    digits: int | None = None
    """Decimals of measured numbers, for people; None: as `precision` says."""
    bold: str = "column"
    """What the best is in bold of, one of :data:`.best_cells.BOLD`, in formats that have bold."""
    caption: str = ""
    """In LaTeX, that of the table; empty: a ``tabular`` alone."""
    label: str = ""
    """In LaTeX, by which the text refers to it."""
    ranked: int | None = None
    """In LaTeX, how many rows stand above a rule, because the others are not ranked; None: no rule."""
    about: str = ""
    """What its numbers are, in a sentence: a comment in LaTeX."""


@dataclass(frozen=True)
class Column:
    """One column: a value or a gap for each row; a `Spread` where the rows are configurations."""

    name: str
    """As a heading."""
    role: Role
    values: list[Any]
    field: Field | None = None
    """What it shows; None where that is not asked of trials."""
    best: frozenset[int] = frozenset()
    """The rows that are set in bold."""
    span: tuple[str, str] | None = None
    """The name and the value in its heading, where several columns are one name's."""


def exact_columns(trials: TrialCollection, rows: Sequence[Trial], view: View, *, sweep: bool) -> list[Column]:
    """Return the columns for programs; their order depends on names alone, never on what is best.

    Args:
        trials: all trials; they decide which columns there are.
        rows: those to show, in this order.
        view: what to show.
        sweep: whether the first column names the sweep.
    """
    if view.columns:
        return [_column(field, rows) for field in asked_fields(trials, view.columns)]
    names = dict.fromkeys((*trials.params, *trials.varying)) if view.everything else trials.varying
    fields = [
        *([_sweep_field(trials)] if sweep else []),
        fact_field("number"),
        fact_field("state"),
        *front_fields(trials),
        *(param_field(trials, name) for name in names),
        *(metric_field(trials, name) for name in trials.metric_names),
        *_aggregated(trials),
        *tag_fields(trials),
        fact_field("dir"),
    ]
    return [_column(field, rows) for field in _not_hidden(fields, view)]


def shown_columns(trials: TrialCollection, rows: Sequence[Trial], view: View) -> list[Column]:
    """Return the columns for people: the objective first, then the other metrics that are numbers, then progress.

    Args:
        trials: all trials; they decide which columns there are.
        rows: those to show.
        view: what to show.
    """
    lead = [*([_sweep_field(trials)] if len(trials.sweeps) > 1 else []), fact_field("trial")]
    if view.columns:
        chosen = asked_fields(trials, view.columns)
        if view.bare:
            return [_readable(field, rows) for field in in_percent(trials, chosen, view.percent)]
        trial = next((field for field in chosen if field.name == "trial"), lead[-1])
        lead, chosen = [*lead[:-1], trial], [field for field in chosen if field.name != "trial"]
        return [_readable(field, rows) for field in [*lead, *in_percent(trials, chosen, view.percent)]]
    names = dict.fromkeys((*trials.params, *trials.varying)) if view.everything else trials.varying
    fields = [
        *front_fields(trials, for_people=True),
        *(param_field(trials, name) for name in names),
        *measures(trials, everything=view.everything),
        *_progress(trials),
    ]
    fields += tag_fields(trials)
    return [_readable(field, rows) for field in [*lead, *in_percent(trials, _not_hidden(fields, view), view.percent)]]


def measures(trials: TrialCollection, *, everything: bool = False) -> list[Field]:
    """Return the objectives and the other metrics that are numbers, those first that are worth seeing.

    What trainers log about the machine is left out unless everything is asked for, or nothing else was logged.
    """
    names = [name for name in trials.metric_names if any(is_number(trial.value(name)) for trial in trials)]
    if not everything:
        names = [name for name in names if not is_statistic(name)] or names
    judges = _judges(trials)
    first = [objective_field(trials, objective) for objective in judges]
    shown = {objective.metric for objective in judges if not objective.aggregate}
    names = [name for name in names if name not in shown]
    return [*first, *(metric_field(trials, name) for name in sorted(names, key=interest))]


def objective_field(trials: TrialCollection, objective: Objective) -> Field:
    """Return what the trials are judged by as a column."""
    field = metric_field(trials, objective.metric, objective.aggregate)
    return replace(field, role=Role.OBJECTIVE)


def group_columns(groups: AnyGroups, rows: Sequence[AnyGroup], view: View) -> list[Column]:
    """Return the columns of a table of groups except the first, the number of trials of each."""
    trials = groups.trials
    if view.columns:
        chosen = in_percent(trials, asked_fields(trials, view.columns), view.percent)
        return [_group_column(field, rows, groups) for field in chosen]
    constant = [name for name in trials.constant if name not in groups.keys] if view.everything else []
    settings = [*groups.fields, *(param_field(trials, name) for name in constant)]
    fields = _not_hidden([*settings, *measures(trials, everything=view.everything), *_progress(trials)], view)
    return [_group_column(field, rows, groups) for field in in_percent(trials, fields, view.percent)]


def spread_columns(groups: AnyGroups, view: View, rows: Sequence[AnyGroup] | None = None) -> list[Column]:
    """Return the columns of groups for programs: their settings, how many count, and the statistics of each metric."""
    chosen = list(groups) if rows is None else rows
    trials = groups.trials
    counts = [
        Column("n", Role.IDENTITY, [_judged(group, groups) for group in chosen]),
        Column("planned", Role.IDENTITY, [group.planned for group in chosen]),
    ]
    if view.columns:
        asked = asked_fields(trials, view.columns)
    else:
        names = trials.constant if view.everything else ()
        constant = [param_field(trials, name) for name in names if name not in groups.keys]
        metrics = [metric_field(trials, name) for name in trials.metric_names]
        asked = _not_hidden([*groups.fields, *constant, *metrics, *_aggregated(trials)], view)
    measured = [field for field in asked if field.role in (Role.METRIC, Role.OBJECTIVE, Role.PROGRESS)]
    settings = [_group_column(field, chosen, groups) for field in asked if field not in measured]
    if trials.objectives and not view.columns:
        counts.append(Column(FRONT, Role.IDENTITY, front_values(groups, chosen)))
    return [*settings, *counts, *(column for field in measured for column in _statistics(field, chosen))]


def _judged(group: AnyGroup, groups: AnyGroups) -> int:
    return group.judged(groups.objective).n if groups.objective else len(group.counted)


def _statistics(field: Field, rows: Sequence[AnyGroup]) -> list[Column]:
    spreads = [group.of(field) for group in rows]
    told = {
        "mean": [item.mean for item in spreads],
        "std": [item.std for item in spreads],
        "sem": [item.sem for item in spreads],
        "ci": [item.ci for item in spreads],
        "min": [item.bounds("range")[0] if item.n > 1 else item.mean for item in spreads],
        "max": [item.bounds("range")[1] if item.n > 1 else item.mean for item in spreads],
    }
    return [
        Column(
            f"{field.heading or field.name}:{name}",
            field.role,
            [Gap.MISSING if value is None else value for value in values],
        )
        for name, values in told.items()
    ]


def sort_key(view: View) -> tuple[str, bool] | None:
    """Return the name to sort by and whether the greatest comes first; None if nothing was asked."""
    if not view.sort:
        return None
    name, _, order = view.sort.rpartition(":")
    return (name, order == "desc") if order in ("asc", "desc") and name else (view.sort, False)


def sorted_by(trials: TrialCollection, view: View) -> list[Trial]:
    """Return the trials in the order asked for; what has no value comes last."""
    key = sort_key(view)
    if key is None:
        return front_of(trials).trial_order() if trials.objectives else list(trials.sorted())
    field = find_field(trials, key[0])
    return _in_order([(field.value(trial), trial) for trial in trials], descending=key[1])


def groups_sorted_by(groups: AnyGroups, view: View) -> list[AnyGroup]:
    """Return the groups in the order asked for; what has no value comes last."""
    key = sort_key(view)
    if key is None:
        return front_among(groups).group_order() if groups.trials.objectives else list(groups)
    field = find_field(groups.trials, key[0])
    (column,) = [_group_column(field, list(groups), groups)]
    values = [value.mean if isinstance(value, Spread) else value for value in column.values]
    return _in_order(list(zip(values, groups, strict=True)), descending=key[1])


def sweep_labels(sweeps: Sequence[Sweep]) -> dict[Sweep, str]:
    """Return a name for each sweep that no other has: its own, else its directory below what they all share."""
    names = [sweep.name for sweep in sweeps]
    if len(set(names)) == len(names):
        return dict(zip(sweeps, names, strict=True))
    shared = os.path.commonpath([sweep.dir.parent for sweep in sweeps])
    return {sweep: os.path.relpath(sweep.dir, shared) for sweep in sweeps}


def _in_order(pairs: list[tuple[Any, Any]], *, descending: bool) -> list[Any]:
    """Return the second items by the first: numbers, then texts, and what is neither last in either direction."""
    numbers = sorted((pair for pair in pairs if _comparable(pair[0])), key=lambda pair: pair[0], reverse=descending)
    texts = [pair for pair in pairs if not is_number(pair[0]) and not isinstance(pair[0], Gap) and pair[0] is not None]
    texts.sort(key=lambda pair: str(pair[0]), reverse=descending)
    done = {id(pair) for pair in (*numbers, *texts)}
    return [item for _, item in (*numbers, *texts, *(pair for pair in pairs if id(pair) not in done))]


def _comparable(value: Any) -> bool:
    return is_number(value) and value == value


def _not_hidden(fields: Sequence[Field], view: View) -> list[Field]:
    if not view.hidden:
        return list(fields)
    try:
        hidden = re.compile(view.hidden)
    except re.error as error:
        raise ResultsError(f"{view.hidden!r} is not a regular expression: {error}") from None
    return [field for field in fields if not hidden.search(field.name)]


def _column(field: Field, rows: Iterable[Trial]) -> Column:
    return Column(field.heading or field.name, field.role, [field.value(trial) for trial in rows], field)


def _readable(field: Field, rows: Sequence[Trial]) -> Column:
    """Return a column with progress in the words people use for it."""
    column = _column(field, rows)
    tell = {"step": _step, "time": _time}.get(field.name) if field.role is Role.PROGRESS else None
    if tell is None:
        return column
    found = [tell(trial) for trial in rows]
    return replace(column, values=[Gap.MISSING if text is None else text for text in found])


def _group_column(field: Field, rows: Sequence[AnyGroup], groups: AnyGroups) -> Column:
    if field.role in (Role.METRIC, Role.OBJECTIVE):
        values = [group.of(field) for group in rows]
    elif field.role is Role.PROGRESS:
        values = [_group_progress(field, group) for group in rows]
    else:
        values = [_common(field, group) for group in rows]
    return Column(field.heading or field.name, field.role, values, field)


def _group_progress(field: Field, group: AnyGroup) -> Any:
    found = group.of(field)
    if found.mean is None:
        return Gap.MISSING
    if field.name == "time":
        return duration(found.mean)
    least, most = min(found.values), max(found.values)
    return f"{most:.0f}" if least == most else f"{least:.0f}-{most:.0f}"


def _common(field: Field, group: AnyGroup) -> Any:
    """Return the value that all trials of a group have; texts for several."""
    values = [field.value(trial) for trial in group.trials]
    first = values[0]
    return first if all(repr(value) == repr(first) for value in values) else Gap.MISSING


def _sweep_field(trials: TrialCollection) -> Field:
    labels = sweep_labels(trials.sweeps)
    return Field("sweep", Role.IDENTITY, lambda trial: labels[trial.sweep])


def _aggregated(trials: TrialCollection) -> list[Field]:
    """Return the columns of objectives such as ``val/acc:max``, which no plain metric column shows."""
    return [objective_field(trials, objective) for objective in _judges(trials) if objective.aggregate]


def _judges(trials: TrialCollection) -> Sequence[Objective]:
    return [trials.objective] if trials.objective else trials.objectives


def _progress(trials: TrialCollection) -> list[Field]:
    has_step = any(trial.step is not None for trial in trials)
    has_time = any(trial.seconds is not None for trial in trials)
    return [*([fact_field("step")] if has_step else []), *([fact_field("time")] if has_time else [])]


def _step(trial: Trial) -> str | None:
    if trial.step is None or trial.max_step is None or trial.state.finished:
        return None if trial.step is None else str(trial.step)
    return f"{trial.step}/{trial.max_step}"


def _time(trial: Trial) -> str | None:
    return None if trial.seconds is None else duration(trial.seconds)
