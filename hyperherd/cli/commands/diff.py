"""`herd-results diff`: parse, dispatch, print; the trials are compared by `hyperherd.results.statistics.diff`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_all, command_parser, trial_words


def run(argv: Sequence[str]) -> int:
    """Show the differences between two trials."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.lookup import lookup_trials
    from hyperherd.results.pages.diff import diff_page, diff_record
    from hyperherd.results.statistics.diff import diff

    trials = lookup_trials(trial_words(arguments.trials, take_all=arguments.all), 2)
    show(arguments, diff(*trials), diff_page, diff_record)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "diff",
        description="Show the differences between two trials: parameters, the rest of the config, code version,\n"
        "environment, metrics.",
        epilog="examples:\n  herd-results diff multirun/2026-11-21/21-40-16 3 7\n"
        "  herd-results diff multirun/a/3 multirun/b/7",
    )
    parser.add_argument(
        "trials",
        nargs="+",
        metavar="TRIAL",
        help="the folders of two trials, or two trial numbers and the folders to search (default: ./multirun, of which "
        "a terminal takes the newest sweep; latest: that sweep)",
    )
    add_all(parser)
    add_format(parser)
    return parser
