"""`herd-results failures`: parse, dispatch, print; the groups are made by `hyperherd.results.failures`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.asking import add_format, add_paths, show


def run(argv: Sequence[str]) -> int:
    """Show what went wrong."""
    arguments = _parser().parse_args(argv)
    from hyperherd.results.failures import failures
    from hyperherd.results.load import load
    from hyperherd.results.pages.failures import failures_page, failures_record

    show(arguments.format, failures(load(*arguments.paths)), failures_page, failures_record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results failures",
        description="Show the trials that failed, were lost, went silent or cannot be read: grouped by what ended them "
        "and where, with what they share and no finished trial has, a traceback, and the command to run them again.",
    )
    add_paths(parser)
    add_format(parser)
    return parser
