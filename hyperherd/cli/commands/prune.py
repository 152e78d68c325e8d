"""`herd-results prune`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.steering`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.numbers import trials_named
from hyperherd.cli.steering import NO_LOG, numbers_parser, refused, sweep_dir_of


def run(argv: Sequence[str]) -> int:
    """Prune the trials that `argv` names."""
    arguments = make_parser().parse_args(argv)
    from hyperherd.sweep.steering import prune

    done = prune(sweep_dir_of(arguments.path), arguments.numbers)
    if done.asked:
        print(f"pruned at the next log call: {trials_named(done.asked)}; {NO_LOG}")
    return refused(done)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    return numbers_parser(
        "prune",
        "End running trials at their next log call, because their values do not promise anything. Values\n"
        "and checkpoints stay, and the sweep does not run them again; herd-results continue takes it back.",
        "examples:\n  herd-results prune multirun/s 3,7-9",
    )
