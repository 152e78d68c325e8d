"""`herd-results cancel`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.cancel`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.numbers import listed, numbers_in, trials_named
from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import say
from hyperherd.plural import counted


def run(argv: Sequence[str]) -> int:
    """Cancel the trials that `argv` names."""
    arguments = make_parser().parse_args(argv)
    from hyperherd.results.files.newest import resolved
    from hyperherd.sweep.cancel import cancel

    done = cancel(resolved(arguments.path).absolute(), arguments.only)
    print(f"cancelled {counted(len(done.numbers), 'trial')}{listed(done.numbers)}")
    if arguments.only is not None and done.passed_over:
        say(f"not running: {trials_named(done.passed_over)}")
    if done.asked:
        say(
            f"asked to end, but not seen to end within a minute: {trials_named(done.asked)}; run the same command again"
        )
    return 1 if done.asked else 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "cancel",
        description="Cancel running and waiting trials of a sweep, in a scheduler's queue or in the sweep process.\n"
        "Logged values are kept, and the same sweep command runs the trials again.",
        epilog="examples:\n"
        "  herd-results cancel multirun/s                  all running and waiting trials\n"
        "  herd-results cancel multirun/s --only pending   only those that have not started\n"
        "  herd-results cancel multirun/s --only 0,3-5     only these trials",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of one sweep, or latest")
    parser.add_argument(
        "--only",
        type=_only,
        metavar="pending|NUMBERS|JOBS",
        help="trials that have not started, trial numbers such as 0,3-5, or job ids such as 4242_3 or 4242@cluster",
    )
    return parser


def _only(text: str) -> str | set[int | str]:
    from hyperherd.records.job_ids import is_given_job

    if text == "pending":
        return text
    numbers: set[int | str] = set()
    for word in text.split(","):
        if (found := numbers_in(word)) is not None:
            numbers |= found
        elif is_given_job(word.strip()):
            numbers.add(word.strip())
        else:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither 'pending' nor numbers such as 0,3-5 nor job ids such as 4242_3"
            )
    return numbers
