"""Trials in a notebook: a table with what a terminal shows around it, as HTML in which all texts are inert."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hyperherd.plural import counted
from hyperherd.records.states import TrialState
from hyperherd.results.pages.overview import above, below, below_groups
from hyperherd.results.pages.table_page import giving_way
from hyperherd.results.statistics.configurations import AnyGroups
from hyperherd.results.tables.best_cells import best_groups, best_trials
from hyperherd.results.tables.columns import Column, View, shown_columns
from hyperherd.results.tables.formats import to_html
from hyperherd.results.tables.people import people_columns
from hyperherd.results.text.layout import GLYPHS, Screen, page
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
from hyperherd.results.trials.trial import Trial

_SCREEN = Screen(width=120)
"""For the texts around the table."""
_ROWS = 60
_COLUMNS = 24
_STYLE = "font-family: monospace; line-height: 1.3; white-space: pre-wrap; margin: 0.5em 0"


def trials_html(trials: TrialCollection) -> str:
    """Return a table of trials for a notebook; one for each objective of theirs."""
    return "".join(map(_trials, trials.by_objective()))


def groups_html(groups: AnyGroups) -> str:
    """Return a table of configurations for a notebook."""
    rows = list(groups)[:_ROWS]
    columns, hidden = _fitting(people_columns(groups, rows, View()))
    table = to_html(best_groups(columns, groups, rows), View(), groups.err)
    head = above(groups.trials, _SCREEN, View(), groups)
    return _whole(head, table, _left(len(groups) - len(rows), hidden), below_groups(groups, _SCREEN))


def _trials(trials: TrialCollection) -> str:
    rows = list(trials.sorted())[:_ROWS]
    columns, hidden = _fitting([*_states(rows), *shown_columns(trials, rows, View())])
    table = to_html(best_trials(columns, trials, rows), View(), "std")
    left = _left(len(trials) - len(rows), hidden)
    return _whole(above(trials, _SCREEN, View()), table, left, below(trials, _SCREEN))


def _states(rows: Sequence[Trial]) -> list[Column]:
    """Return a column that tells which values are of trials that did not finish, if any did not."""
    if all(trial.state is TrialState.COMPLETED for trial in rows):
        return []
    return [Column("state", Role.IDENTITY, [f"{GLYPHS[trial.state]} {trial.state}" for trial in rows])]


def _fitting(columns: Sequence[Column]) -> tuple[list[Column], int]:
    """Return the columns that a page has room for, and how many it has not."""
    gone = set(giving_way(columns)[::-1][: max(0, len(columns) - _COLUMNS)])
    return [column for place, column in enumerate(columns) if place not in gone], len(gone)


def _left(rows: int, columns: int) -> list[str]:
    parts = [counted(count, what) for count, what in ((rows, "more row"), (columns, "more column")) if count]
    return [f"... {' and '.join(parts)}: .to_pandas() has all"] if parts else []


def _whole(head: Sequence[str], table: str, left: Sequence[str], rest: Sequence[str]) -> str:
    return f"<div>{_text(head)}{table}{_text([*left, *rest])}</div>"


def _text(lines: Sequence[str]) -> str:
    return f'<pre style="{_STYLE}">{escape(page(lines, _SCREEN))}</pre>' if lines else ""
