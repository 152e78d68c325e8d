"""`herd-results failures`: parse, dispatch, print; the groups are made by `hyperherd.results.statistics.failures`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_choice, chosen


def run(argv: Sequence[str]) -> int:
    """Show the failed trials."""
    arguments = _parser().parse_intermixed_args(argv)
    from hyperherd.results.pages.failures import failures_page, failures_record
    from hyperherd.results.statistics.failures import failures

    show(arguments.format, failures(chosen(arguments)), failures_page, failures_record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results failures",
        description="Show the trials that failed, were lost, went silent or cannot be read: grouped by error and\n"
        "place, with the settings only failed trials share, a traceback, and the command to run them again.",
        epilog="examples:\n"
        "  herd-results failures multirun/s          all failed trials of a sweep\n"
        "  herd-results failures multirun/s lr=0.1   only those with this setting",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_choice(parser)
    add_format(parser)
    parser.set_defaults(metric=None, direction=None)
    return parser
