"""The terminal, the pipe and stderr as `herd-results` writes to them."""

from __future__ import annotations

import os
import shutil
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from hyperherd.results.layout import Screen

PROGRAM = "herd-results"
FAILED, USAGE, NOTHING_FOUND, UNHEALTHY = 1, 2, 3, 4
_LINES_AROUND_TABLE = 12
"""Rows of a screen that are not the table's: the head, the best trial, the next prompt."""


def screen(rows: int | None, stream: TextIO) -> Screen:
    """Return what a table on `stream` must fit: a terminal's size, and no bounds elsewhere."""
    from hyperherd.results.layout import Screen

    terminal = stream.isatty()
    size = shutil.get_terminal_size()
    if rows is None and terminal:
        rows = max(size.lines - _LINES_AROUND_TABLE, 10)
    return Screen(
        width=size.columns if terminal else None,
        rows=rows or None,
        colour=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        unicode=_can_write(stream, "✓✗▶■○→†·–…"),
    )


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def write(text: str) -> None:
    """Write `text` to stdout; what its encoding has no letter for is spelled as an escape."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(text)
    sys.stdout.flush()


def say(message: str) -> None:
    """Write a note or an error to stderr, on one line, with nothing in it that a terminal would obey."""
    from hyperherd.results.cells import one_line

    print(f"{PROGRAM}: {one_line(message)}", file=sys.stderr)
