"""`herd-results guide`: the page for coding agents of the installed version, `hyperherd/guide.md`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.resources import files

from hyperherd.cli.options import command_parser
from hyperherd.cli.terminal import write
from hyperherd.records.states import FailureCause, TrialState


def run(argv: Sequence[str]) -> int:
    """Print the guide."""
    make_parser().parse_args(argv)
    write(guide())
    return 0


def guide() -> str:
    """Return the guide, with the words of this version filled in."""
    text = files("hyperherd").joinpath("guide.md").read_text(encoding="utf-8")
    for name, words in (("{states}", TrialState), ("{causes}", FailureCause)):
        text = text.replace(name, " ".join(f"`{word}`" for word in words))
    return text


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    return command_parser(
        "guide",
        description="Print the guide for coding agents of this version: which call to use for what, a template that\n"
        "runs, what silently gives wrong results, and the JSON forms.",
        epilog="examples:\n  herd-results guide\n  python -m hyperherd guide   the same",
    )
