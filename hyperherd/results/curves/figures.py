"""Curves as a matplotlib Figure. pyplot is never imported: it would choose a window system, and keep figures alive."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError, some_of
from hyperherd.results.curves.curves import Drawing, Line, PlotOptions, draw
from hyperherd.results.curves.style import FigureStyle, plain
from hyperherd.results.trials.collection import TrialCollection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_DASHES = ("-", "--", ":", "-.")
"""Where there are more lines than colours, these tell them apart."""


def plot(trials: TrialCollection, metric: str | None, style: FigureStyle | None = None, **options: Any) -> Figure:
    """Return the curves of a metric of `trials`, of the objective if it is None, as a Figure.

    Raises:
        ResultsError: there is no metric to draw, no trial has a curve of it, or matplotlib is not installed.
    """
    if metric is None:
        if trials.objective is None:
            raise ResultsError(f"a plot needs a metric; available: {some_of(trials.metric_names)}")
        metric = trials.objective.metric
    return figure(draw(trials, PlotOptions(metric, **options)), style)


def new_figure(style: FigureStyle) -> Figure:
    """Return an empty figure.

    Raises:
        ResultsError: matplotlib is not installed.
    """
    try:
        from hyperherd.results.curves.embedded import EmbeddedFigure
    except ImportError:
        raise ResultsError("plots need matplotlib: pip install 'hydra-hyperherd[plot]'") from None
    return EmbeddedFigure(figsize=style.size, layout="constrained")


def figure(drawing: Drawing, style: FigureStyle | None = None) -> Figure:
    """Return the drawing as a Figure.

    Raises:
        ResultsError: matplotlib is not installed, or the style names what is not in the drawing.
    """
    style = style or FigureStyle()
    drawn = new_figure(style)
    axes = drawn.add_subplot()
    options = drawing.options
    lines = _in_order(drawing, style)
    palette = style.colours(len(lines))
    colours = {line.label: palette[place % len(palette)] for place, line in enumerate(lines)}
    counted = any(len(line.trials) > 1 for line in lines)
    for place, line in enumerate(lines):
        dash = _DASHES[place // len(palette) % len(_DASHES)]
        _add(axes, line, colours[line.label], dash, _legend_text(line, style, counted=counted))
    _scale(axes, options)
    _label(axes, options, style)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if options.right is not None and drawing.right:
        other = axes.twinx()
        for line in drawing.right:
            _add(other, line, colours[line.label], ":", "_nolegend_")
        _label_axis(other, options.right, style)
        other.spines["top"].set_visible(False)
    if len(lines) > 1 or lines[0].label:
        handles, labels = axes.get_legend_handles_labels()
        look = {"frameon": False, "fontsize": style.letters - (1 if style.letters < 10 else 2)}
        drawn.legend(handles, labels, loc="outside lower center", ncols=style.columns(labels), **look)
    return drawn


def encoded(drawn: Figure, form: str) -> bytes:
    """Return the figure as a file of the format ``png``, ``pdf`` or ``svg``."""
    file = io.BytesIO()
    drawn.savefig(file, format=form, dpi=200)
    return file.getvalue()


def _in_order(drawing: Drawing, style: FigureStyle) -> list[Line]:
    """Return the lines in the order of the style, whose names are all in the drawing."""
    options = drawing.options
    lines = {line.label: line for line in drawing.lines}
    metrics = [options.metric, *([options.right] if options.right else [])]
    params = [part.partition("=")[0] for label in lines for part in label.split(" ") if "=" in part]
    style.check_names([*metrics, options.x, *dict.fromkeys(params), *lines], metrics)
    return [lines[label] for label in style.ordered(list(lines))]


def _legend_text(line: Line, style: FigureStyle, *, counted: bool) -> str:
    """Return what the legend says of a line: with the number of its trials where any line has several."""
    fewer = f" to {line.falls[-1][1]}" if line.falls else ""
    label = style.line(line.label) + (f" (n={len(line.trials)}{fewer})" if counted else "")
    return f" {label}" if label.startswith("_") else label  # matplotlib leaves out what begins with an underscore


def _add(axes: Any, line: Line, colour: Any, dash: str, label: str) -> None:
    if line.raw is not None:
        axes.plot(line.xs, line.raw, "-", color=colour, linewidth=0.8, alpha=0.25, label="_nolegend_")
    axes.plot(line.xs, line.ys, dash, color=colour, linewidth=1.6, label=label)
    if _any_finite(line.low):
        axes.fill_between(line.xs, line.low, line.high, color=colour, alpha=0.16, linewidth=0)
    if line.deaths:  # where trials that did not succeed end
        axes.plot(
            *zip(*line.deaths, strict=True), "x", color=colour, markersize=7, markeredgewidth=1.8, label="_nolegend_"
        )
    if line.best is not None:
        axes.plot(*line.best, "*", color=colour, markersize=9, markeredgecolor="white", markeredgewidth=0.6)


def _scale(axes: Any, options: PlotOptions) -> None:
    axes.set_xscale("log" if options.log_x else "linear")
    axes.set_yscale("log" if options.log_y else "linear")
    if options.y_range is not None:
        axes.set_ylim(*options.y_range)
    if options.x != "time" and not options.log_x:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))  # half a step is not one


def _label(axes: Any, options: PlotOptions, style: FigureStyle) -> None:
    if style.title:
        axes.set_title(plain(style.title), fontsize=style.letters + 1)
    x = "time (s)" if options.x == "time" and "time" not in style.rename else style.called(options.x)
    axes.set_xlabel(x, fontsize=style.letters)
    axes.tick_params(labelsize=style.letters)
    _label_axis(axes, options.metric, style)


def _label_axis(axes: Any, metric: str, style: FigureStyle) -> None:
    axes.set_ylabel(style.called(metric), fontsize=style.letters)
    axes.tick_params(labelsize=style.letters)
    if metric in style.percent:
        from matplotlib.ticker import PercentFormatter

        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=""))


def _any_finite(values: Sequence[float]) -> bool:
    return any(map(math.isfinite, values))
