"""The pieces that pages are made of: headings, aligned tables, names with texts, blocks of text as it was.

Every text that comes from a run must have been made inert (:mod:`hyperherd.results.text.format`) before it gets
here; `block` does so itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.results.text.format import display_width, escaped, one_line, pad
from hyperherd.results.text.layout import BOLD, Screen, paint, wrapped
from hyperherd.results.trials.commands import Command
from hyperherd.results.trials.trial import Trial

if TYPE_CHECKING:
    from hyperherd.results.statistics.best import Chosen

RED = 31
_ROWS = 20
"""Rows of one table among several on a page for a terminal."""


def heading(text: str, screen: Screen) -> list[str]:
    """Return an empty line and a title."""
    return ["", paint(text, BOLD, screen)]


def pairs(items: Iterable[tuple[str, str]], screen: Screen) -> list[str]:
    """Return names and texts in two columns, empty texts left out; a long text continues under itself."""
    known = [(name, text) for name, text in items if text]
    width = max((display_width(name) for name, _ in known), default=0)
    return [
        line for name, text in known for line in wrapped(f"  {pad(name, width)}  {text}", screen, " " * (width + 4))
    ]


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], screen: Screen, *, right: Iterable[int] = ()
) -> list[str]:
    """Return a table with a bold header; the columns in `right` are flush right."""
    flush = set(right)
    every = [list(header), *map(list, rows)]
    widths = [max(map(display_width, column)) for column in zip(*every, strict=True)]
    lines = [
        "  " + "  ".join(pad(cell, widths[place], right=place in flush) for place, cell in enumerate(row))
        for row in every
    ]
    return [paint(lines[0].rstrip(), BOLD, screen), *lines[1:]]


def most_rows(rows: Sequence[object], screen: Screen) -> int:
    """Return how many rows of a table a terminal has room for; all of them where nothing has to fit."""
    return len(rows) if screen.width is None or len(rows) <= _ROWS + 2 else _ROWS


def more_rows(count: int) -> Iterator[str]:
    """Yield a line with the number of rows that are not shown, if there are any."""
    if count:
        yield f"  ... {count} more (-f json shows all)"


def block(text: str, indent: str = "    ") -> list[str]:
    """Return a text of several lines made inert, line by line, and indented."""
    return [indent + escaped(line.expandtabs()) for line in text.rstrip().splitlines()]


def shell_line(command: Command, screen: Screen) -> str:
    """Return a command as one types it, with nothing in it that a terminal would obey or cannot show."""
    return command.shell(ascii_only=not screen.unicode)


def no_command(trial: Trial, screen: Screen) -> Iterator[str]:
    """Yield why no command runs a trial, and what to do instead, if there is none for that reason."""
    if trial.sweep.no_command:
        yield from wrapped(f"  no command runs it: {one_line(trial.sweep.no_command)}", screen, "    ")


def to_use_rows(one: Chosen) -> list[tuple[str, str]]:
    """Return where the files of a configuration's trial are, as names and texts."""
    return [
        ("directory", escaped(str(one.trial.dir or ""))),
        ("config", escaped(str(one.config or ""))),
        ("checkpoint", escaped(str(one.checkpoint or ""))),
    ]


def to_use_lines(one: Chosen, screen: Screen) -> Iterator[str]:
    """Yield the command of a configuration's trial, or why there is none."""
    if command := one.command:
        yield f"  {shell_line(command, screen)}"
    yield from no_command(one.trial, screen)


def to_use_record(one: Chosen) -> dict[str, Any]:
    """Return what one needs to use a configuration as JSON has it."""
    command, config, checkpoint = one.command, one.config, one.checkpoint
    return {
        "overrides": list(one.overrides),
        "command": command_record(command) if command else None,
        "config": None if config is None else str(config),
        "checkpoint": None if checkpoint is None else str(checkpoint),
    }


def command_record(command: Command) -> dict[str, Any]:
    """Return a command as JSON has it."""
    return {
        "argv": list(command.argv),
        "cwd": None if command.cwd is None else str(command.cwd),
        "shell": command.shell(),
    }
