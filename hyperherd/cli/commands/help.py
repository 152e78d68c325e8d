"""`herd-results help [COMMAND]`: what `--help` prints."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import write
from hyperherd.errors import ResultsError, nearest


def run(argv: Sequence[str]) -> int:
    """Print the help of a command, or the list of them."""
    name = make_parser().parse_args(argv).command
    if name is not None and name not in COMMANDS:
        raise ResultsError(f"there is no command {name!r}{nearest(name, COMMANDS)}; herd-results help lists them")
    parser: argparse.ArgumentParser = import_module(f"hyperherd.cli.commands.{name or 'table'}").make_parser()
    write(parser.format_help())
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "help",
        description="Print the help of a command, or the list of all commands.",
        epilog="examples:\n"
        "  herd-results help        all commands\n"
        "  herd-results help best   the same as herd-results best --help",
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="the command (default: the list of all)")
    return parser
