"""`herd-results export`: parse, dispatch, print; the files are written by `hyperherd.results.tables.archive`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.options import add_choice, chosen
from hyperherd.cli.terminal import FAILED, say, write


def run(argv: Sequence[str]) -> int:
    """Write trials and metrics into files."""
    arguments = _parser().parse_intermixed_args(argv)
    from hyperherd.results.text.format import inert

    try:
        for path in chosen(arguments).export(
            arguments.output, arguments.format, escape_formulas=arguments.escape_formulas
        ):
            write(inert(str(path)) + "\n")
    except OSError as error:
        say(f"error: {arguments.output} cannot be written: {error.strerror or error}")
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results export",
        description="Write all trials and all their metrics into two files that any data tool reads, and a third that "
        "says what each column means. No file is overwritten.",
    )
    add_choice(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where; made if it is missing")
    parser.add_argument("-f", "--format", choices=("parquet", "csv", "jsonl"), default="parquet")
    parser.add_argument(
        "--escape-formulas", action="store_true", help="csv: a ' before a text that a spreadsheet would compute"
    )
    parser.set_defaults(metric=None, direction=None)
    return parser
