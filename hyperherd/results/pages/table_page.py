"""The table itself, as lines: a row per trial or per configuration, aligned, with what is not ranked below a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hyperherd.results.statistics.configurations import AnyGroups
from hyperherd.results.statistics.front import front_among, front_of
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.columns import (
    Column,
    View,
    groups_sorted_by,
    shown_columns,
    sorted_by,
)
from hyperherd.results.tables.people import cell, people_columns, whole
from hyperherd.results.tables.pivot import pivot_columns
from hyperherd.results.tables.sparklines import curve_columns
from hyperherd.results.text.format import align, display_width, escaped, is_number, pad
from hyperherd.results.text.layout import BOLD, DIM, GLYPHS, Screen, enough, paint, shown, state_colour, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
from hyperherd.results.values import Gap

_HIDDEN_LINES = 3
_REST = "not ranked: no seed has a value"
_OFF_FRONT = "not on the front"


@dataclass(frozen=True)
class _GridRows:
    """What all kinds of rows have in common once their cells are known."""

    columns: list[Column]
    leads: list[tuple[str, int]]
    """What stands before each row, with its colour."""
    ranked: int | None
    """How many of the rows are ranked; None where the order is not the ranking."""
    total: int
    """How many rows there would be without a limit."""
    rest: str = "not ranked"
    """The heading above the rows that are not ranked."""


def trial_grid(trials: TrialCollection, screen: Screen, view: View) -> Iterator[str]:
    """Yield the lines of a table with a row per trial."""
    ordered = sorted_by(trials, view)
    rows = ordered[: screen.rows]
    ranked = None if view.sort or trials.objective is None else min(len(trials.ranked), len(rows))
    rest = "not ranked"
    if trials.objectives and not view.sort:
        ranked, rest = sum(front_of(trials).standing.get(trial, False) for trial in rows), _OFF_FRONT
    leads = [(GLYPHS[trial.state], state_colour(trial.state)) for trial in rows]
    columns = [*shown_columns(trials, rows, view), *curve_columns(trials, [[trial] for trial in rows], view)]
    yield from _lines(_GridRows(columns, leads, ranked, len(ordered), rest), screen, view, "std")


def group_grid(groups: AnyGroups, screen: Screen, view: View) -> Iterator[str]:
    """Yield the lines of a table with a row per configuration."""
    ordered = groups_sorted_by(groups, view)
    rows = ordered[: screen.rows]
    ranked, rest = None if view.sort or groups.objective is None else min(len(groups.ranked), len(rows)), _REST
    if groups.trials.objectives and not view.sort:
        ranked, rest = min(front_among(groups).size, len(rows)), _OFF_FRONT
    curves = curve_columns(groups.trials, [group.counted or tuple(group.trials) for group in rows], view)
    columns = [*people_columns(groups, rows, view), *curves]
    leads = [("", 0)] * len(rows)
    yield from _lines(_GridRows(columns, leads, ranked, len(ordered), rest), screen, view, groups.err)


def pivot_grid(groups: AnyGroups, screen: Screen, view: View) -> Iterator[str]:
    """Yield the lines of the objective by two names."""
    columns = pivot_columns(groups, view, exact=False)
    rows = len(columns[0].values)
    yield from _lines(_GridRows(columns, [("", 0)] * rows, None, rows), screen, view, groups.err)


def giving_way(columns: Sequence[Column]) -> list[int]:
    """Return the columns that may be left out on a narrow screen; the last of them goes first.

    The last metrics give way first, then the last parameters or values of a pivot; what the rows are named by and what
    they are judged by stays.
    """
    places = range(len(columns))
    measured = (Role.METRIC, Role.PROGRESS)
    last = next((place for place in reversed(places) if columns[place].role not in measured), 0)
    settings = [place for place in places[1:] if columns[place].role is Role.PARAM or columns[place].span]
    return [*settings, *places[last + 1 :]]


def _lines(rows: _GridRows, screen: Screen, view: View, err: str) -> Iterator[str]:
    columns = rows.columns
    cells = [_formatted(column, view, err, screen) for column in columns]
    lead = max((len(text) for text, _ in rows.leads), default=0)
    margin = lead + 1 if lead else 0
    kept = _fitting(columns, cells, margin, None if view.everything or view.full else screen.width)
    yield paint(" " * margin + "  ".join(cells[place][0] for place in kept).rstrip(), BOLD, screen)
    for index, (sign, colour) in enumerate(rows.leads):
        if index == rows.ranked:
            yield paint(f"  {rows.rest}", DIM, screen)
        line = "  ".join(cells[place][index + 1] for place in kept)
        dim = rows.ranked is not None and index >= rows.ranked
        yield f"{paint(sign, colour, screen)} {_dimmed(line, dim, screen)}" if lead else _dimmed(line, dim, screen)
    if len(rows.leads) < rows.total:
        yield f"... {rows.total - len(rows.leads)} more (-n 0 shows all)"
    if len(kept) < len(columns):
        names = [escaped(column.name) for place, column in enumerate(columns) if place not in set(kept)]
        told = enough(names, screen, lines=_HIDDEN_LINES, between=", ")
        yield from wrapped(f"hidden (terminal too narrow): {told} (-a shows all)", screen)


def _dimmed(line: str, dim: bool, screen: Screen) -> str:
    return paint(line, DIM, screen) if dim else line


def _fitting(columns: Sequence[Column], cells: Sequence[list[str]], margin: int, width: int | None) -> list[int]:
    """Return the columns that fit."""
    places = range(len(columns))
    giving = giving_way(columns)
    taken = margin + sum(display_width(column[0]) + 2 for column in cells) - 2
    gone: set[int] = set()
    while width is not None and taken > width and giving:
        place = giving.pop()
        gone.add(place)
        taken -= display_width(cells[place][0]) + 2
    return [place for place in places if place not in gone]


def _formatted(column: Column, view: View, err: str, screen: Screen) -> list[str]:
    """Return the heading and the cells of a column as text of one width."""
    numbers = all(isinstance(value, Gap | Spread) or is_number(value) for value in column.values)
    cells = [shown(cell(value, column.role, view, err), screen) for value in whole(column)]
    if numbers:
        cells = align(cells)
    heading = escaped(column.name)
    width = max(map(display_width, (heading, *cells)))
    right = column.role is Role.PROGRESS or (numbers and not any(isinstance(item, Spread) for item in column.values))
    return [pad(text, width, right=right) for text in (heading, *cells)]
