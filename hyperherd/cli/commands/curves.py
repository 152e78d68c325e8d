"""`herd-results curves`: parse, dispatch, print; what is drawn is `hyperherd.results.curves.curves`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hyperherd.cli.figures import add_figure, style_of, write_figure
from hyperherd.cli.options import add_choice, chosen, command_parser
from hyperherd.cli.terminal import refuse_existing, say, screen, write

if TYPE_CHECKING:
    from hyperherd.results.curves.curves import PlotOptions

_ROWS = 18
_EPILOG = """\
A line is the mean of one configuration over its seeds; the legend gives the number of trials and the best point.

examples:
  herd-results curves val/acc                           the newest sweeps under ./multirun, in the terminal
  herd-results curves val/acc multirun/s --hue lr       one line for each learning rate
  herd-results curves train/loss --smooth 0.9 --log-y   a moving average, logarithmic
  herd-results curves val/acc -o acc.pdf --size 3.3x2.2 --hue model --rename 'val/acc=Accuracy'
                                                        for a column of a paper
"""


def run(argv: Sequence[str]) -> int:
    """Draw the curves that `argv` asks for."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.curves.curves import draw

    refuse_existing(arguments.output, force=arguments.force)
    style = style_of(arguments)
    drawing = draw(chosen(arguments), _plot_options(arguments))
    for note in drawing.notes:
        say(note)
    if arguments.output is None:
        from hyperherd.results.curves.terminal import render_curves

        write(render_curves(drawing, screen(_ROWS, sys.stdout, arguments.color)))
        return 0
    from hyperherd.results.curves.figures import figure

    write_figure(figure(drawing, style), arguments)
    return 0


def _plot_options(arguments: argparse.Namespace) -> PlotOptions:
    from hyperherd.results.curves.curves import PlotOptions

    return PlotOptions(
        metric=arguments.drawn,
        right=arguments.right,
        hue=arguments.hue,
        band=arguments.band,
        smooth=arguments.smooth,
        window=arguments.window,
        x=arguments.x,
        y_range=tuple(arguments.range) if arguments.range else None,
        log_x=arguments.log_x,
        log_y=arguments.log_y,
        most=arguments.lines or None,
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "curves",
        description="Plot a metric over steps or time, in the terminal or into a file for a paper.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("drawn", metavar="METRIC", help="metric to plot")
    add_choice(parser)
    add("--hue", metavar="PARAM", help="one line for each value of this parameter (default: for each configuration)")
    add(
        "--band",
        choices=("std", "sem", "range", "none"),
        default="std",
        help="spread around a mean over seeds (default: std)",
    )
    smoothing = parser.add_mutually_exclusive_group()
    smoothing.add_argument("--smooth", type=float, metavar="WEIGHT", help="exponential moving average, 0 to below 1")
    smoothing.add_argument("--window", type=int, metavar="N", help="moving average over N logged steps")
    add("--x", choices=("step", "time", "epoch"), default="step", help="horizontal axis (default: step)")
    add("--log-x", action="store_true", help="logarithmic horizontal axis")
    add("--log-y", action="store_true", help="logarithmic vertical axis")
    add("--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="limits of the vertical axis")
    add("--right", metavar="METRIC", help="a second metric, with its own axis on the right")
    add(
        "-n",
        dest="lines",
        type=int,
        default=10,
        metavar="N",
        help="at most N lines, the best ones; 0: all (default: 10)",
    )
    add_figure(parser)
    parser.set_defaults(metric=None, direction=None)
    return parser
