"""`herd-results report`: parse, dispatch, print; what it does is `hyperherd.results.report`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.options import add_choice, add_judging, chosen, command_parser
from hyperherd.cli.terminal import PROGRAM, refuse_existing, say

_EPILOG = """\
The file needs no network and no server: open it in a browser, send it by mail, keep it with the paper.

examples:
  herd-results report                             all of ./multirun, as report.html
  herd-results report multirun/s -o s.html        one sweep
  herd-results report multirun/s -m val/loss:min  ranked by another metric
  herd-results report multirun/s 'lr<0.1'         some of its trials
"""


def run(argv: Sequence[str]) -> int:
    """Write the report that `argv` asks for."""
    arguments = make_parser().parse_intermixed_args(argv)
    refuse_existing(arguments.output, force=arguments.force)
    from hyperherd.results.report.write import write_report

    written = write_report(
        chosen(arguments), arguments.output, command=shlex.join([PROGRAM, "report", *argv]), replace=arguments.force
    )
    for note in written.notes:
        say(note)
    print(written.path)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "report",
        description="Write everything about the trials into one HTML file that works offline.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add_choice(parser)
    add_judging(parser, shows_front=True)
    add(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="default: report.html; an existing file is kept unless --force is given",
    )
    add("--force", action="store_true", help="overwrite the file if it exists")
    return parser
