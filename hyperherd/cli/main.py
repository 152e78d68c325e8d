"""`herd-results`: data on stdout, notes and errors on stderr, and an exit code that tells them apart.

Nothing but the standard library is imported before the arguments have been read, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from hyperherd import __version__
from hyperherd.errors import ResultsError

if TYPE_CHECKING:
    from hyperherd.results.text import Screen
    from hyperherd.results.trials import Trials

PROGRAM = "herd-results"
USAGE, NOTHING_FOUND = 2, 3
_LINES_AROUND_TABLE = 12
"""Rows of a screen that are not the table's: the head, the best trial, the next prompt."""

_EPILOG = """\
On a terminal you get a table, in a pipe exact TSV. Exit codes: 0 shown, 2 wrong usage, 3 nothing found.

examples:
  herd-results                               everything under ./multirun
  herd-results multirun/2026-11-21/*         the sweeps of one day in one table
  herd-results -m val/acc:max                the best value of each trial, not the last
  herd-results -f json | jq .objective
  herd-results compact multirun/s --delete   a finished sweep's metric files become one
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `herd-results` with `argv` (default: the process's arguments) and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["compact"]:
        from hyperherd.cli.compact import compact

        return compact(given[1:])
    arguments = _parser().parse_args(given)
    try:
        return _run(arguments)
    except BrokenPipeError:
        # The reader has seen enough; Python must not complain when it closes the stream either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show the trials of Hydra sweeps as one table: parameters, metrics, states, the best trial.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="sweeps, folders above them, or single trials (default: ./multirun)")
    add(
        "-m",
        "--metric",
        metavar="METRIC[:AGG]",
        help="rank by this metric; AGG: max, min or last (default: final value, else last)",
    )
    add("--direction", choices=("max", "min"), help="whether a high or a low value is better")
    add("-f", "--format", choices=("table", "tsv", "json"), help="default: table on a terminal, else tsv")
    add("-n", dest="rows", type=_count, metavar="N", help="at most N trials, the best ones first; 0: all")
    add(
        "-a",
        "--all-params",
        action="store_true",
        help="every parameter and metric, also constant ones and however wide",
    )
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count of trials")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from hyperherd.results.load import load

    try:
        trials = load(*arguments.paths)
    except ResultsError as error:
        return _fail(error, NOTHING_FOUND)
    try:
        trials = trials.judged_by(arguments.metric, arguments.direction)
    except ResultsError as error:
        return _fail(error, USAGE)
    _write(_output(trials, arguments))
    return 0


def _output(trials: Trials, arguments: argparse.Namespace) -> str:
    form = arguments.format or ("table" if sys.stdout.isatty() else "tsv")
    if form == "table":
        from hyperherd.results.text import render

        return render(trials, _screen(arguments.rows, sys.stdout), everything=arguments.all_params)
    from hyperherd.results.export import to_json, to_tsv
    from hyperherd.results.text import notes

    for note in notes(trials):
        _say(note)
    limit = arguments.rows or None
    return (
        to_json(trials, limit=limit)
        if form == "json"
        else to_tsv(trials, limit=limit, every_param=arguments.all_params)
    )


def _screen(rows: int | None, stream: TextIO) -> Screen:
    """Return what a table on `stream` must fit: a terminal's size, and no bounds elsewhere."""
    from hyperherd.results.text import Screen

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


def _write(text: str) -> None:
    """Write `text` to stdout; what its encoding has no letter for is spelled as an escape."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(text)
    sys.stdout.flush()


def _fail(error: Exception, code: int) -> int:
    _say(f"error: {error}")
    return code


def _say(message: str) -> None:
    from hyperherd.results.cells import one_line

    print(f"{PROGRAM}: {one_line(message)}", file=sys.stderr)
