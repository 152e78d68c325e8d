"""`herd-results show`: parse, dispatch, print; the trial is found by `hyperherd.results.lookup`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_trial, count, trial_words


def run(argv: Sequence[str]) -> int:
    """Show everything about one trial."""
    arguments = _parser().parse_intermixed_args(argv)
    from hyperherd.results.lookup import lookup_trials
    from hyperherd.results.pages.show import show_page, show_record

    (trial,) = lookup_trials(trial_words(arguments.trial, take_all=arguments.all))
    show(
        arguments.format,
        trial,
        partial(show_page, lines=arguments.lines),
        partial(show_record, lines=arguments.lines),
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results show",
        description="Show everything about one trial: parameters, metrics, command, config, code and environment,\n"
        "files, attempts, traceback, the end of its log.",
        epilog="examples:\n"
        "  herd-results show multirun/s 3         trial 3 of a sweep\n"
        "  herd-results show multirun/s/3 -n 100  the same by its folder, with 100 lines of the log",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_trial(parser)
    parser.add_argument(
        "-n", "--lines", type=count, default=20, metavar="N", help="lines of the log (default: 20; 0: none)"
    )
    add_format(parser)
    return parser
