"""`herd-results effects`: parse, dispatch, print; computed by `hyperherd.results.statistics.importance.effects`."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.figures import add_figure, style_of, write_figure
from hyperherd.cli.options import add_choice, add_judging, chosen, command_parser, words
from hyperherd.cli.terminal import refuse_existing


def run(argv: Sequence[str]) -> int:
    """Show the effects of the parameters."""
    arguments = make_parser().parse_intermixed_args(argv)
    gc.disable()  # As for the table: one answer, and this process ends.
    from hyperherd.results.pages.effects import effects_page, effects_record
    from hyperherd.results.statistics.importance.effects import effects

    refuse_existing(arguments.output, force=arguments.force)
    style = style_of(arguments)
    found = effects(chosen(arguments), keys=words(arguments.seed_key))
    if arguments.output is None:
        show(arguments, found, effects_page, effects_record)
        return 0
    from hyperherd.results.pages.effects_figure import effects_figure

    write_figure(effects_figure(found, style), arguments)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "effects",
        description="Show which parameters matter: those that hold a test at 5 % together, their shares of the\n"
        "variance of the objective, what the best value gains over the others in trials that differ in nothing\n"
        "else, with intervals, and the share of the seeds.",
        epilog="examples:\n"
        "  herd-results effects multirun/s                   for the sweep's objective\n"
        "  herd-results effects multirun/s -m val/loss:min   for another metric\n"
        "  herd-results effects -o what.pdf --size 3.3x2.2   the shares as bars, for a paper",
    )
    add_choice(parser)
    add_judging(parser)
    parser.add_argument(
        "--seed-key", metavar="NAME,...", default="", help="parameters that are seeds (default: the sweep's)"
    )
    add_format(parser)
    add_figure(parser)
    return parser
