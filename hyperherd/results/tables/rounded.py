"""The cells of a table as texts for people, in a format that has its own signs: escaped, and the best ones in bold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hyperherd.results.tables.columns import Column, View
from hyperherd.results.tables.people import cell, whole
from hyperherd.results.text.format import escaped
from hyperherd.results.trials.fields import Role


def rounded_cells(
    columns: Sequence[Column], view: View, err: str, escape: Callable[[str], str], bold: str
) -> list[list[str]]:
    """Return the heading and the cells of each column.

    Args:
        columns: what to show.
        view: how much is shown of a number or a text.
        err: which spread stands behind a mean.
        escape: makes a text inert in the format: names and values come from runs.
        bold: what stands around a text in bold, with ``{}`` for that.
    """
    found = []
    for column in columns:
        values = column.values if view.digits is not None else whole(column)
        cells = [escape(cell(value, column.role, view, err)) for value in values]
        cells = [bold.format(text) if row in column.best else text for row, text in enumerate(cells)]
        found.append([escape(escaped(column.name)), *cells])
    return found


def is_numeric(column: Column) -> bool:
    """Return whether a column stands flush right."""
    measured = column.role in (Role.OBJECTIVE, Role.METRIC, Role.PROGRESS)
    return measured or not any(isinstance(value, str) for value in column.values)
