"""`herd-results effects`: parse, dispatch, print; what matters is found by `hyperherd.results.statistics.effects`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_choice, add_judging, chosen, words


def run(argv: Sequence[str]) -> int:
    """Show what matters."""
    arguments = _parser().parse_intermixed_args(argv)
    from hyperherd.results.pages.effects import effects_page, effects_record
    from hyperherd.results.statistics.effects import effects

    found = effects(chosen(arguments), keys=words(arguments.seed_key))
    show(arguments.format, found, effects_page, effects_record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results effects",
        description="Show what matters: each parameter's share of the variance of the objective, what its best value "
        "gains over the others in trials that differ in nothing else, and how much seeds alone do.",
    )
    add_choice(parser)
    add_judging(parser)
    parser.add_argument(
        "--seed-key", metavar="NAME,...", default="", help="which parameters are seeds (default: as the sweep says)"
    )
    add_format(parser)
    return parser
