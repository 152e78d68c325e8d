"""`herd-results best`: parse, dispatch, print, and start the sweep that adds seeds, if that is asked for."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from hyperherd.cli.answer import add_format, as_json, show
from hyperherd.cli.options import add_choice, add_judging, chosen, count
from hyperherd.cli.terminal import FAILED, say, write
from hyperherd.errors import ResultsError
from hyperherd.masking import MASK

if TYPE_CHECKING:
    from hyperherd.results.api import Trials
    from hyperherd.results.statistics.best import Winner
    from hyperherd.results.trials.commands import Command


def run(argv: Sequence[str]) -> int:
    """Show the winners, or the sweep that adds seeds to them."""
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.run and not arguments.seeds:
        parser.error("--run starts the sweep that --seeds asks for: add e.g. --seeds 5..9")
    from hyperherd.results.pages.best import best_page, best_record
    from hyperherd.results.statistics.best import winners

    trials = chosen(arguments)
    found = winners(trials, max(arguments.count, 1))
    if arguments.seeds:
        return _add_seeds(trials, found, arguments)
    show(arguments.format, found, partial(best_page, trials), partial(best_record, trials))
    return 0


def _add_seeds(trials: Trials, found: Sequence[Winner], arguments: argparse.Namespace) -> int:
    from hyperherd.results.pages.best import seeds_record
    from hyperherd.results.statistics.configurations import seed_keys
    from hyperherd.results.trials.commands import more_seeds, parse_seeds

    keys = seed_keys(trials)
    seeds = parse_seeds(arguments.seeds)
    commands = [more_seeds(winner.trial, seeds, keys[0] if keys else "") for winner in found]
    if arguments.format == "json":
        write(as_json(seeds_record(commands), indent=1) + "\n")
    else:
        write("".join(command.shell() + "\n" for command in commands))
    codes = [_run(winner, command) for winner, command in zip(found, commands, strict=True) if arguments.run]
    return max(codes, default=0)


def _run(winner: Winner, command: Command) -> int:
    """Run a sweep with the Python that ran the trial, and wait for it, also after a Ctrl-C, which is its to answer."""
    from hyperherd.results.trials.commands import executable

    if any(MASK in item for item in command.argv):
        raise ResultsError(f"the command holds a secret, which is shown as {MASK}: put it in, and run it yourself")
    argv = [executable(winner.trial) or sys.executable, *command.argv[1:]]
    try:
        process = subprocess.Popen(argv, cwd=command.cwd)
    except OSError as error:
        say(f"error: the sweep cannot be started: {error}")
        return FAILED
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results best",
        description="Show the best configuration: its overrides, seeds, config, checkpoint, and the command that "
        "reproduces it. Failed and unfinished trials never win.",
        epilog="examples:\n"
        "  herd-results best -k 3                 the three best configurations\n"
        "  herd-results best --seeds 5..9         the command that runs the best one with five more seeds\n"
        "  herd-results best --seeds 5..9 --run   and runs it, in the directory of the sweep",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_choice(parser)
    add_judging(parser)
    parser.add_argument("-k", dest="count", type=count, default=1, metavar="K", help="how many (default: 1)")
    parser.add_argument("--seeds", metavar="5..9", help="print the sweep that adds these seeds, also as 1,2,5..9")
    parser.add_argument("--run", action="store_true", help="start that sweep, and wait for it")
    add_format(parser)
    return parser
