"""Columns as text in each format: exact for programs (TSV, CSV), rounded for people (Markdown, HTML, LaTeX)."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hyperherd.results.tables.columns import Column, View
from hyperherd.results.tables.latex import to_latex
from hyperherd.results.tables.rounded import is_numeric, rounded_cells
from hyperherd.results.text.format import escaped, exact, tsv
from hyperherd.results.values import Gap

_FORMULA = re.compile(r"[=@]|[+-](?![0-9.]+(?:e[+-]?[0-9]+)?$)")
"""How a formula may begin in a spreadsheet: a number is none, and tabs and line breaks are escaped anyhow."""
_MARKDOWN = str.maketrans(
    {**{char: f"\\{char}" for char in "\\|`*_[]#~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;", "$": "\\$"}
)


def to_tsv(columns: Sequence[Column]) -> str:
    """Return a header and one line per row: nothing rounded, nothing cut.

    An empty cell is a missing value; backslash, tab, newline and what is not printable are escaped as in Python.
    """
    rows = zip(*([tsv(value) for value in column.values] for column in columns), strict=True)
    return "\n".join(["\t".join(tsv(column.name) for column in columns), *map("\t".join, rows)]) + "\n"


def to_csv(columns: Sequence[Column], *, escape_formulas: bool = False) -> str:
    """Return what :func:`to_tsv` does as CSV (RFC 4180, but for lines that end as on this system).

    Args:
        columns: what to show.
        escape_formulas: whether a text that a spreadsheet would take for a formula gets a ``'`` before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    cell = partial(csv_cell, escape_formulas=escape_formulas)
    writer.writerow([cell(column.name) for column in columns])
    writer.writerows(zip(*(map(cell, column.values) for column in columns), strict=True))
    return stream.getvalue()


def csv_cell(value: Any, *, escape_formulas: bool = False) -> str:
    """Return a value as CSV has it everywhere: exact, a gap as nothing, and no line break or escape sequence inside."""
    if isinstance(value, Gap):
        return ""
    text = escaped(exact(value))
    return f"'{text}" if escape_formulas and isinstance(value, str) and _FORMULA.match(text) else text


def to_markdown(columns: Sequence[Column], view: View, err: str) -> str:
    """Return a GitHub table, rounded as on a terminal.

    Args:
        columns: what to show.
        view: how much is shown of a number or a text.
        err: which spread stands behind a mean.
    """
    table = rounded_cells(columns, view, err, lambda text: text.translate(_MARKDOWN), "**{}**")
    lines = [" | ".join(cells) for cells in zip(*table, strict=True)]
    rule = " | ".join("---:" if is_numeric(column) else "---" for column in columns)
    return "".join(f"| {line} |\n" for line in (lines[0], rule, *lines[1:]))


def to_html(columns: Sequence[Column], view: View, err: str) -> str:
    """Return a plain ``table`` for an e-mail, rounded as on a terminal (see :func:`to_markdown`).

    The styles stand in the cells, because mail programs drop style sheets, and every text is escaped: names and values
    come from runs, and whoever reads the mail did not choose them.
    """
    table = rounded_cells(columns, view, err, html.escape, "<b>{}</b>")
    styles = [f"padding: 2px 8px; text-align: {'right' if is_numeric(column) else 'left'}" for column in columns]
    heading, *rows = zip(*table, strict=True)
    lines = [_html_row("th", styles, heading), *(_html_row("td", styles, row) for row in rows)]
    return "\n".join(['<table border="1" style="border-collapse: collapse">', *lines, "</table>"]) + "\n"


def _html_row(tag: str, styles: Sequence[str], cells: Sequence[str]) -> str:
    parts = [f'<{tag} style="{style}">{text}</{tag}>' for style, text in zip(styles, cells, strict=True)]
    return f"<tr>{''.join(parts)}</tr>"


ForPrograms = Callable[[Sequence[Column], View], str]
ForPeople = Callable[[Sequence[Column], View, str], str]

FOR_PROGRAMS: dict[str, ForPrograms] = {
    "tsv": lambda columns, view: to_tsv(columns),
    "csv": lambda columns, view: to_csv(columns, escape_formulas=view.escape_formulas),
}
"""Format -> what writes exact columns in it, as the view asks."""
FOR_PEOPLE: dict[str, ForPeople] = {"md": to_markdown, "latex": to_latex, "html": to_html}
"""Format -> what writes rounded columns in it: they, the view, and which spread stands behind a mean."""
