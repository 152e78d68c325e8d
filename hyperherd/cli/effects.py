"""`herd-results effects`: parse, dispatch, print; what matters is found by `hyperherd.results.effects`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.asking import add_format, add_metric, add_paths, show


def run(argv: Sequence[str]) -> int:
    """Show what matters."""
    arguments = _parser().parse_args(argv)
    from hyperherd.results.effects import effects
    from hyperherd.results.load import load
    from hyperherd.results.pages.effects import effects_page, effects_record

    trials = load(*arguments.paths).judged_by(arguments.metric, arguments.direction)
    found = effects(trials, seeds=arguments.seed_key)
    show(arguments.format, found, effects_page, effects_record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herd-results effects",
        description="Show what matters: each parameter's share of the variance of the objective, what its best value "
        "gains over the others in trials that differ in nothing else, and how much seeds alone do.",
    )
    add_paths(parser)
    add_metric(parser)
    parser.add_argument(
        "--seed-key",
        metavar="NAME,...",
        type=lambda text: text.split(","),
        help="the parameters that repeat a configuration (default: as the sweep says)",
    )
    add_format(parser)
    return parser
