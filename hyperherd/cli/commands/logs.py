"""`herd-results logs`: parse, dispatch, print; `hyperherd.results.files.logs` makes logs safe to show."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from hyperherd.cli.options import add_trial, command_parser, count, trial_words
from hyperherd.cli.terminal import write

if TYPE_CHECKING:
    from hyperherd.results.trials.trial import Trial


def run(argv: Sequence[str]) -> int:
    """Print a log."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.files.logs import shown
    from hyperherd.results.lookup import lookup_trials

    (trial,) = lookup_trials(trial_words(arguments.trial, take_all=arguments.all))
    for line in _lines(trial, arguments):
        write(shown(line) + "\n")
    return 0


def _lines(trial: Trial, arguments: argparse.Namespace) -> Iterator[str]:
    from hyperherd.results.files.logs import follow, read_lines
    from hyperherd.results.files.trial_dir import log_file

    path = log_file(trial.path(), arguments.stream, arguments.attempt)
    if not arguments.follow:
        return read_lines(path, arguments.lines)
    return follow(path, _ended(trial), arguments.lines)


def _ended(trial: Trial) -> Callable[[], bool]:
    def ended() -> bool:
        from hyperherd.records.states import TrialState
        from hyperherd.results.api import load

        (now,) = load(trial.path())
        return now.state is not TrialState.RUNNING or now.attempt > trial.attempt

    return ended


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "logs",
        description="Print a trial's log with terminal escape sequences neutralised.",
        epilog="examples:\n"
        "  herd-results logs multirun/s 3               all that trial 3 printed\n"
        "  herd-results logs multirun/s 3 -n 50 -f      its last 50 lines, and new ones as they come\n"
        "  herd-results logs multirun/s 3 --stderr      its stderr",
    )
    add_trial(parser)
    stream = parser.add_mutually_exclusive_group()
    stream.add_argument(
        "--stderr",
        dest="stream",
        action="store_const",
        const="stderr",
        default="stdout",
        help="show stderr instead of stdout",
    )
    stream.add_argument(
        "--file", dest="stream", metavar="NAME", help="show another log in the trial's directory, e.g. train.log"
    )
    parser.add_argument("--attempt", type=count, metavar="N", help="number of the attempt, from 0 (default: the last)")
    parser.add_argument("-n", "--lines", type=count, metavar="N", help="show the last N lines (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="follow the log until the attempt ends")
    return parser
