"""`herd-results export`: parse, dispatch, print.

The files are written by `hyperherd.results.tables.archive`; `hyperherd.forward` sends to trackers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.options import add_choice, chosen, command_parser, seconds
from hyperherd.cli.terminal import FAILED, say, write

if TYPE_CHECKING:
    from hyperherd.forward.sent import Sent

_TRACKERS = ("mlflow", "wandb", "tensorboard", "jsonl")
_OF_FILES = {"format": "-f/--format", "escape_formulas": "--escape-formulas"}
_OF_TRACKERS = {"project": "--project", "follow": "--follow", "every": "--every"}


def run(argv: Sequence[str]) -> int:
    """Write trials and metrics into files, or send them to a tracker."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    wrong = _OF_FILES if arguments.to else _OF_TRACKERS
    if given := [option for name, option in wrong.items() if getattr(arguments, name)]:
        parser.error(
            f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} for an export "
            f"{'without' if arguments.to else 'with'} --to"
        )
    if arguments.output is None and arguments.to != "mlflow":
        parser.error("the following arguments are required: -o/--output")
    if arguments.every and not arguments.follow:
        parser.error("--every is for --follow")
    try:
        return _send(arguments) if arguments.to else _write_files(arguments)
    except OSError as error:
        say(f"error: cannot write {arguments.output or arguments.to}: {error.strerror or error}")
        return FAILED


def _write_files(arguments: argparse.Namespace) -> int:
    from hyperherd.results.text.format import escaped

    form = arguments.format or "parquet"
    for path in chosen(arguments).export(Path(arguments.output), form, escape_formulas=arguments.escape_formulas):
        write(escaped(str(path)) + "\n")
    return 0


def _send(arguments: argparse.Namespace) -> int:
    from hyperherd.forward.forwarding import follow, forward, tracker

    trials = chosen(arguments)  # Before the tracker's package is imported: what is wrong is reported soon.
    target = tracker(arguments.to, arguments.output, arguments.project)
    try:
        if arguments.follow:
            sent = follow(lambda: chosen(arguments), target, arguments.every or 10.0, _report_round)
        else:
            sent = forward(trials, target)
    finally:
        target.close()
    write(f"{sent}\n")
    for name, other in sent.renamed:
        say(f"{name!r} is called {other!r} there: {arguments.to} does not take that name")
    _report_problems(sent)
    return FAILED if sent.failed else 0


def _report_round(sent: Sent) -> None:
    if sent.delivered or sent.failed:
        say(str(sent))


def _report_problems(sent: Sent) -> None:
    for problem in sent.problems[:5]:
        say(f"not delivered: {problem}")
    if len(sent.problems) > 5:
        say(f"and of {len(sent.problems) - 5:,} more runs")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "export",
        description="Write all trials and all their metrics into two files that any data tool reads, and a third that\n"
        "describes each column. No file is overwritten. With --to, send them to a tracker instead: each trial is a\n"
        "run there, and a later call adds what is new. Exit codes: 0 all is there, 1 some values failed.",
        epilog="examples:\n"
        "  herd-results export multirun/s -o exported          trials.parquet, metrics.parquet, schema.json\n"
        "  herd-results export multirun/s -o exported -f csv   the same as CSV\n"
        "  herd-results export multirun/s --to mlflow -o http://127.0.0.1:5000\n"
        "  herd-results export multirun/s --to wandb -o runs   offline runs; wandb sync uploads them\n"
        "  herd-results export multirun/s --to tensorboard -o runs --follow   while the trials run",
    )
    add_choice(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="output folder; created if it does not exist. With --to mlflow: the tracking URI (default: as MLflow "
        "finds it)",
    )
    parser.add_argument("-f", "--format", choices=("parquet", "csv", "jsonl"), help="default: parquet")
    parser.add_argument(
        "--escape-formulas",
        action="store_true",
        help="csv: put ' before a text that a spreadsheet would run as a formula",
    )
    parser.add_argument("--to", choices=_TRACKERS, help="send to this tracker instead")
    parser.add_argument(
        "--project", metavar="NAME", help="MLflow's experiment, or the project of W&B (default: the name of each sweep)"
    )
    parser.add_argument("--follow", action="store_true", help="go on until all trials have ended")
    parser.add_argument("--every", type=seconds, metavar="SEC", help="seconds between two looks (default: 10)")
    parser.set_defaults(metric=None, direction=None)
    return parser
