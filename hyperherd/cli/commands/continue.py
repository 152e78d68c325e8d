"""`herd-results continue`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.steering`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.numbers import trials_named
from hyperherd.cli.steering import numbers_parser, refused, sweep_dir_of


def run(argv: Sequence[str]) -> int:
    """Have the trials that `argv` names run on."""
    arguments = make_parser().parse_args(argv)
    from hyperherd.sweep.steering import run_on

    done = run_on(sweep_dir_of(arguments.path), arguments.numbers)
    if done.asked:
        again = "when the same sweep command is run again"
        now = f"at once where they belong to what the sweep runs, else {again}"
        print(f"continued {again if done.holder is None else now}: {trials_named(done.asked)}")
    if done.let_be:
        print(f"not to end any more, unless they have seen the request: {trials_named(done.let_be)}")
    return refused(done)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    return numbers_parser(
        "continue",
        "Have trials that were pruned, paused, stopped or cancelled run on, as their next attempt, from\n"
        "the checkpoint that hyperherd.checkpoint() finds: at once if their sweep runs, else when the same\n"
        "sweep command is run again. It takes back a request to end that the trial has not seen yet.",
        "examples:\n  herd-results continue multirun/s 3,7-9",
    )
