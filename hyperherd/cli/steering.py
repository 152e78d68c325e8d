"""What `prune`, `stop` and `continue` have in common: trials that are given by number, and what is said of each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.numbers import trial_numbers
from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import say

if TYPE_CHECKING:
    from hyperherd.sweep.steering import Steered

NO_LOG = "one that never logs again does not end by this; herd-results cancel ends it at once"


def numbers_parser(name: str, description: str, epilog: str, *, all_without: bool = False) -> argparse.ArgumentParser:
    """Return the parser of a command that is given a sweep and numbers of trials.

    Args:
        name: of the command.
        description: what it does.
        epilog: examples.
        all_without: whether it is about the whole sweep without numbers.
    """
    parser = command_parser(name, description=description, epilog=epilog)
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of one sweep, or latest")
    parser.add_argument(
        "numbers",
        type=trial_numbers,
        metavar="NUMBERS",
        nargs="?" if all_without else None,
        help="trial numbers such as 3,7-9" + ("; without them the whole sweep stops" if all_without else ""),
    )
    return parser


def sweep_dir_of(path: Path) -> Path:
    """Return the directory of the sweep that a command line names."""
    from hyperherd.results.files.newest import resolved

    return resolved(path).absolute()


def refused(done: Steered) -> int:
    """Say of which trials nothing was asked, and why; return the exit code."""
    for number, reason in done.refused.items():
        say(f"trial {number}: {reason}")
    return 1 if done.refused else 0
