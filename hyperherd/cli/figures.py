"""The options of a figure in a file, the same for every command that draws."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.options import words
from hyperherd.cli.terminal import say, write_file
from hyperherd.errors import ResultsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hyperherd.results.curves.style import FigureStyle

_OPTIONS = ("size", "title", "rename", "order", "palette", "percent")


def add_figure(parser: argparse.ArgumentParser) -> None:
    """Let a command write a figure: ``-o`` and how it looks."""
    add = parser.add_argument_group("figure in a file, for a paper").add_argument
    add("-o", "--output", type=_image, metavar="FILE", help="write a .png, .pdf or .svg (needs matplotlib)")
    add("--force", action="store_true", help="overwrite the file if it exists")
    add("--size", metavar="WxH", help="width and height in inches, or with cm behind: 8.4x5.6cm (default: 7.2x4.2)")
    add("--title", metavar="TEXT", help="title above the figure")
    add(
        "--rename",
        metavar="NAME=TEXT",
        action="append",
        help="what stands for a name in the figure: a metric, step, share, a parameter, a line (model=cnn=CNN)",
    )
    add("--order", metavar="best|value|LINE,...", help="order of lines or bars (default: best first)")
    add("--palette", metavar="NAME|COLOUR,...", help="colours: okabe-ito (default), tab10, viridis, ... or a list")
    add("--percent", metavar="NAME,...", help="show these metrics, or the share, times 100")


def style_of(arguments: argparse.Namespace) -> FigureStyle:
    """Return how the figure looks that a command line asks for.

    Raises:
        ResultsError: an option is invalid, or a file for the figure is missing.
    """
    from hyperherd.results.curves.style import SIZE, FigureStyle, size_of

    given = [f"--{name}" for name in _OPTIONS if getattr(arguments, name) is not None]
    if given and arguments.output is None:
        raise ResultsError(f"{', '.join(given)} need{'s' * (len(given) == 1)} a file to draw into: add -o FILE.pdf")
    order = words(arguments.order or "best")
    return FigureStyle(
        size=size_of(arguments.size) if arguments.size else SIZE,
        title=arguments.title or "",
        rename=dict(map(_renamed, arguments.rename or ())),
        order=order[0] if len(order) == 1 else order,
        palette=arguments.palette or FigureStyle.palette,
        percent=words(arguments.percent or ""),
    )


def write_figure(drawn: Figure, arguments: argparse.Namespace) -> None:
    """Write a figure into the file that the command line names."""
    from hyperherd.results.curves.figures import encoded

    form = arguments.output.suffix[1:].lower()
    write_file(arguments.output, encoded(drawn, form), force=arguments.force)
    say(f"wrote {arguments.output}")


def _renamed(text: str) -> tuple[str, str]:
    name, sign, instead = text.rpartition("=")
    if not sign or not name or not instead:
        raise ResultsError(f"--rename takes NAME=TEXT, not {text!r}")
    return name, instead


def _image(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} must end in .png, .pdf or .svg")
    return path
