"""`herd-results [PATH ...]`: the table of all trials."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hyperherd import __version__
from hyperherd.cli.commands import COMMANDS
from hyperherd.cli.terminal import PROGRAM, say, screen, write

if TYPE_CHECKING:
    from hyperherd.results.trials import Trials

_EPILOG = """\
On a terminal you get a table, in a pipe exact TSV. Exit codes: 0 shown, 2 wrong usage, 3 nothing found.

examples:
  herd-results                               everything under ./multirun
  herd-results multirun/2026-11-21/*         the sweeps of one day in one table
  herd-results -m val/acc:max                the best value of each trial, not the last
  herd-results -f json | jq .objective

commands (herd-results COMMAND --help):
"""


def run(argv: Sequence[str]) -> int:
    """Show the table that `argv` asks for."""
    arguments = _parser().parse_args(argv)
    from hyperherd.results.load import load

    trials = load(*arguments.paths).judged_by(arguments.metric, arguments.direction)
    write(_output(trials, arguments))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show the trials of Hydra sweeps as one table: parameters, metrics, states, the best trial.",
        epilog=_EPILOG + "".join(f"  {name:<12}{told}\n" for name, told in COMMANDS.items()),
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


def _output(trials: Trials, arguments: argparse.Namespace) -> str:
    form = arguments.format or ("table" if sys.stdout.isatty() else "tsv")
    if form == "table":
        from hyperherd.results.text import render

        return render(trials, screen(arguments.rows, sys.stdout), everything=arguments.all_params)
    from hyperherd.results.export import to_json, to_tsv
    from hyperherd.results.text import notes

    for note in notes(trials):
        say(note)
    limit = arguments.rows or None
    return (
        to_json(trials, limit=limit)
        if form == "json"
        else to_tsv(trials, limit=limit, every_param=arguments.all_params)
    )
