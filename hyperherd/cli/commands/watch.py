"""`herd-results watch`: refresh until all trials have ended; a table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hyperherd.cli.answer import as_json
from hyperherd.cli.options import add_choice, add_judging, chosen, command_parser, seconds
from hyperherd.cli.terminal import FAILED, say, screen, write

if TYPE_CHECKING:
    from hyperherd.results.api import Trials
    from hyperherd.results.tables.changes import Watcher

_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def run(argv: Sequence[str]) -> int:
    """Watch until all trials have ended; return 0 if all of them succeeded."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.tables.changes import Watcher, all_well, end_record, has_ended, silent_holders

    form = arguments.format or ("table" if sys.stdout.isatty() else "jsonl")
    watcher = Watcher()
    while True:
        trials = chosen(arguments)
        ended = has_ended(trials)
        if form == "jsonl":
            _write_changes(watcher, trials)
        elif sys.stdout.isatty() or ended:
            _paint(trials, arguments.color, last=ended)
        if ended:
            break
        time.sleep(arguments.every)
    if form == "jsonl":
        write(as_json(end_record(trials)) + "\n")
    for sweep, holder in silent_holders(trials):
        say(f"not waiting for {sweep.dir}: {holder}, and resume the sweep")
    return 0 if all_well(trials) else FAILED


def _write_changes(watcher: Watcher, trials: Trials) -> None:
    for record in watcher.changes(trials):
        write(as_json(record) + "\n")


def _paint(trials: Trials, colour: str, *, last: bool) -> None:
    """Draw the table over the previous one, without flicker.

    A screen that scrolled could not be painted over, so what is below it is shown at the end alone.
    """
    from hyperherd.results.pages.overview import render
    from hyperherd.results.trials.pace import pace

    target = screen(None, sys.stdout, colour)
    text = render(trials, target)
    if not last:
        text = pace(trials).line(unicode=target.unicode) + "\n" + text
    if sys.stdout.isatty():
        lines = text.splitlines() if last else text.splitlines()[: shutil.get_terminal_size().lines - 1]
        text = _HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW
    write(text)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "watch",
        description="Watch trials until all of them have ended. On a terminal the table refreshes in place;\n"
        "elsewhere there is a line of JSON for each trial that is new or has changed, and one at the end. Exit codes:\n"
        "0 all succeeded, 1 some did not, 3 nothing found.",
        epilog="examples:\n"
        "  herd-results watch multirun/s                       until all trials of the sweep have ended\n"
        "  herd-results watch multirun/s --every 10 -f jsonl   a line of JSON per change, checked every 10 seconds",
    )
    add_choice(parser)
    add_judging(parser, shows_front=True)
    parser.add_argument(
        "--every", type=seconds, default=2.0, metavar="SEC", help="seconds between refreshes (default: 2)"
    )
    parser.add_argument("-f", "--format", choices=("table", "jsonl"), help="default: table on a terminal, else jsonl")
    return parser
