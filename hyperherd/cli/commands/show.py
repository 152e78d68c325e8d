"""`herd-results show`: parse, dispatch, print; the trial is found by `hyperherd.results.lookup`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_trial, command_parser, count, trial_words
from hyperherd.cli.terminal import say

_LISTED = 3


def run(argv: Sequence[str]) -> int:
    """Show everything about one trial."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.lookup import lookup_newest
    from hyperherd.results.pages.show import show_page, show_record

    trial, older = lookup_newest(trial_words(arguments.trial, take_all=arguments.all))
    if older:
        others = ", ".join(str(other.dir or other.sweep.dir) for other in older[:_LISTED])
        say(
            f"{len(older) + 1} sweeps have this trial; this is the one of the newest, {trial.sweep.dir}; "
            f"the others: {others}{', ...' if len(older) > _LISTED else ''}"
        )
    show(
        arguments,
        trial,
        partial(show_page, lines=arguments.lines),
        partial(show_record, lines=arguments.lines),
    )
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "show",
        description="Show everything about one trial: parameters, metrics, command, config, code and environment,\n"
        "files, attempts, traceback, the end of its log.",
        epilog="examples:\n"
        "  herd-results show multirun/s 3         trial 3 of a sweep\n"
        "  herd-results show multirun/s/3 -n 100  the same by its folder, with 100 lines of the log\n"
        "  herd-results show multirun/s/3/last.ckpt   the same by a file in its folder\n"
        "  herd-results show multirun/s 4242_3    the trial that a scheduler's job ran\n"
        "  herd-results show 3                    trial 3 of the newest sweep under ./multirun that has one",
    )
    add_trial(parser)
    parser.add_argument(
        "-n", "--lines", type=count, default=20, metavar="N", help="lines of the log (default: 20; 0: none)"
    )
    add_format(parser)
    return parser
