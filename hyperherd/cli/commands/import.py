"""`herd-results import`: parse, dispatch, print; rows are added by `hyperherd.forward.importing`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import FAILED, say
from hyperherd.plural import counted


def run(argv: Sequence[str]) -> int:
    """Add the rows of a file to a trial."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.forward.importing import import_metrics
    from hyperherd.results.annotate import annotated_trial

    trial, trial_dir = annotated_trial(arguments.words, shared=arguments.shared)
    try:
        found = import_metrics(arguments.file, trial_dir, shared=arguments.shared)
    except OSError as error:
        say(f"error: cannot import {arguments.file}: {error}")
        return FAILED
    say(f"trial {trial.label}: {counted(found.rows, 'row')} added, {found.already:,} there already")
    for kind, count in found.malformed.items():
        say(f"{kind}: {counted(count, 'line')}")
    return 0 if found.rows or found.already or not found.malformed else FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "import",
        usage="herd-results import [-h] [--shared] FILE PATH TRIAL",
        description="Add the metrics in a JSONL file of another program to a trial. Each row is added once, however\n"
        "often the file is imported; of a file that has grown the new rows are added. A file inside the trial is\n"
        "read where it is. Exit codes: 0 done, 1 the file holds no row.",
        epilog="rows:\n"
        '  {"ts": 1700000000.0, "step": 50, "metrics": {"loss": 0.42}}\n'
        '  {"step": 50, "loss": 0.42, "lr": 0.0001}\n'
        '  {"step": 50, "value": 0.42, "ts": 1700000000.0}            the metric is the name of the file\n'
        "examples:\n"
        "  herd-results import metrics.jsonl multirun/s 3   into trial 3 of a sweep\n"
        "  herd-results import runs/42 multirun/s/3         runs/42/logs/metrics.jsonl, else runs/42/metrics.jsonl\n"
        "  herd-results import 3/stream multirun/s 3        a file for each metric, as the first HyperHerd has them",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a JSONL file, or a folder with metrics.jsonl or a file per metric"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="PATH TRIAL",
        help="a folder and the number or job id of a trial under it, or the folder of a trial",
    )
    parser.add_argument("--shared", action="store_true", help="allow the folder of another user")
    return parser
