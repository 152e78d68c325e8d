"""`herd-results stop`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.steering`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.numbers import listed, trials_named
from hyperherd.cli.steering import NO_LOG, numbers_parser, refused, sweep_dir_of
from hyperherd.plural import counted


def run(argv: Sequence[str]) -> int:
    """Stop the sweep or the trials that `argv` names."""
    arguments = make_parser().parse_args(argv)
    from hyperherd.sweep.steering import stop

    done = stop(sweep_dir_of(arguments.path), arguments.numbers)
    if done.asked:
        print(f"stopped at the next log call: {trials_named(done.asked)}; {NO_LOG}")
    if done.not_started:
        print(f"cancelled {counted(len(done.not_started), 'trial')} that waited in a queue{listed(done.not_started)}")
    if arguments.numbers is None and done.holder is not None:
        print("the sweep that runs starts nothing more, and ends with its last trial")
    if done.asked or done.not_started or done.holder is not None:
        print("the same sweep command goes on with what is not done")
    elif arguments.numbers is None:
        print("no trial runs or is queued: there is nothing to stop")
    return refused(done)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    return numbers_parser(
        "stop",
        "End running trials at their next log call, to be gone on with later: the same sweep command,\n"
        "or herd-results continue, runs them on from their checkpoints. Without numbers the whole sweep\n"
        "stops, and nothing more starts.",
        "examples:\n"
        "  herd-results stop multirun/s         all that run; nothing more starts\n"
        "  herd-results stop multirun/s 3,7-9   these trials; the others go on",
        all_without=True,
    )
