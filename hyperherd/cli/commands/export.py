"""`herd-results export`: parse, dispatch, print; the files are written by `hyperherd.results.tables.archive`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.options import add_choice, chosen, command_parser
from hyperherd.cli.terminal import FAILED, say, write


def run(argv: Sequence[str]) -> int:
    """Write trials and metrics into files."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.text.format import escaped

    try:
        for path in chosen(arguments).export(
            arguments.output, arguments.format, escape_formulas=arguments.escape_formulas
        ):
            write(escaped(str(path)) + "\n")
    except OSError as error:
        say(f"error: cannot write {arguments.output}: {error.strerror or error}")
        return FAILED
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "export",
        description="Write all trials and all their metrics into two files that any data tool reads, and a third that\n"
        "describes each column. No file is overwritten.",
        epilog="examples:\n"
        "  herd-results export multirun/s -o exported          trials.parquet, metrics.parquet, schema.json\n"
        "  herd-results export multirun/s -o exported -f csv   the same as CSV",
    )
    add_choice(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="output folder; created if it does not exist"
    )
    parser.add_argument("-f", "--format", choices=("parquet", "csv", "jsonl"), default="parquet")
    parser.add_argument(
        "--escape-formulas",
        action="store_true",
        help="csv: put ' before a text that a spreadsheet would run as a formula",
    )
    parser.set_defaults(metric=None, direction=None)
    return parser
