"""`herd-results compact`: parse, dispatch, print; what it does is `hyperherd.metrics.consolidate.compact`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import FAILED, say
from hyperherd.errors import HyperherdError
from hyperherd.plural import counted


def run(argv: Sequence[str]) -> int:
    """Compact the sweep that the arguments name; return the exit code."""
    arguments = make_parser().parse_args(argv)
    from hyperherd.metrics.consolidate.compact import compact
    from hyperherd.results.files.newest import resolved

    try:
        done = compact(resolved(arguments.path), delete=arguments.delete)
    except (HyperherdError, OSError) as error:
        say(f"error: {error}")
        return FAILED
    print(f"wrote {counted(done.rows, 'row')} of {counted(done.trials, 'trial')} to {done.path}")
    if arguments.delete:
        print(f"deleted {counted(done.deleted, 'metrics.parquet file')} of trials")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "compact",
        description="Put the metrics of all trials of a finished sweep into one Parquet file, which herd-results and\n"
        "hyperherd.load read like the trials' own.",
        epilog="examples:\n"
        "  herd-results compact multirun/s            write the file, keep the trials' own\n"
        "  herd-results compact multirun/s --delete   write the file, delete the trials' own",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of one sweep, or latest")
    parser.add_argument("--delete", action="store_true", help="delete the trials' own metric files afterwards")
    return parser
