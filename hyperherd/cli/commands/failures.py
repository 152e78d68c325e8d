"""`herd-results failures`: parse, dispatch, print; the groups are made by `hyperherd.results.statistics.failures`."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_choice, chosen, command_parser


def run(argv: Sequence[str]) -> int:
    """Show the failed trials."""
    arguments = make_parser().parse_intermixed_args(argv)
    gc.disable()  # As for the table: one answer, and this process ends.
    from hyperherd.results.pages.failures import failures_page, failures_record
    from hyperherd.results.statistics.failures import failures

    show(arguments, failures(chosen(arguments)), failures_page, failures_record)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "failures",
        description="Show the trials that failed, were lost, went silent or cannot be read: grouped by error and\n"
        "place, with the settings that fail more often or that only failed trials share, a traceback, and the\n"
        "command to run them again.",
        epilog="examples:\n"
        "  herd-results failures multirun/s          all failed trials of a sweep\n"
        "  herd-results failures multirun/s lr=0.1   only those with this setting",
    )
    add_choice(parser)
    add_format(parser)
    parser.set_defaults(metric=None, direction=None)
    return parser
