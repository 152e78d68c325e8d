"""Curves as a matplotlib Figure. pyplot is never imported: it would choose a window system, and keep figures alive."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.results.curves.curves import Drawing, Line, PlotOptions, draw
from hyperherd.results.text.format import escaped
from hyperherd.results.trials.collection import TrialCollection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Okabe & Ito's colours, which colour-blind readers tell apart; further lines repeat them with another dash.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", ":", "-.")


def plot(trials: TrialCollection, metric: str | None, **options: Any) -> Figure:
    """Return the curves of a metric of `trials`, of the objective if it is None, as a Figure.

    Raises:
        ResultsError: there is no metric to draw, no trial has a curve of it, or matplotlib is not installed.
    """
    if metric is None:
        if trials.objective is None:
            raise ResultsError(f"a plot needs a metric; available: {', '.join(trials.metric_names) or 'none'}")
        metric = trials.objective.metric
    return figure(draw(trials, PlotOptions(metric, **options)))


def figure(drawing: Drawing) -> Figure:
    """Return the drawing as a Figure.

    Raises:
        ResultsError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ResultsError("plots need matplotlib: pip install 'hydra-hyperherd[plot]'") from None
    drawn = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    options = drawing.options
    colours = {line.label: _COLOURS[place % len(_COLOURS)] for place, line in enumerate(drawing.lines)}
    for place, line in enumerate(drawing.lines):
        _add(axes, line, colours[line.label], _DASHES[place // len(_COLOURS) % len(_DASHES)])
    _label(axes, options.metric, "time (s)" if options.x == "time" else options.x)
    axes.set_xscale("log" if options.log_x else "linear")
    axes.set_yscale("log" if options.log_y else "linear")
    if options.y_range is not None:
        axes.set_ylim(*options.y_range)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if drawing.right:
        other = axes.twinx()
        for line in drawing.right:
            _add(other, line, colours[line.label], ":", named=False)
        other.set_ylabel(_plain(options.right or ""))
        other.spines["top"].set_visible(False)
    if len(drawing.lines) > 1 or drawing.lines[0].label:
        drawn.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return drawn


def encoded(drawn: Figure, form: str) -> bytes:
    """Return the figure as a file of the format ``png``, ``pdf`` or ``svg``."""
    file = io.BytesIO()
    drawn.savefig(file, format=form, dpi=200)
    return file.getvalue()


def _add(axes: Any, line: Line, colour: str, dash: str, *, named: bool = True) -> None:
    fewer = f" to {line.falls[-1][1]}" if line.falls else ""
    count = f" (n={len(line.trials)}{fewer})" if len(line.trials) > 1 else ""
    label = _named(line.label) + count if named else "_nolegend_"
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


def _label(axes: Any, metric: str, x: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(_plain(metric))


def _plain(text: str) -> str:
    """Return text that matplotlib shows as it is: a dollar sign would start a formula."""
    return escaped(text).replace("$", r"\$")


def _named(label: str) -> str:
    """Return a label for the legend, which leaves out what begins with an underscore."""
    return f" {_plain(label)}" if label.startswith("_") else _plain(label)


def _any_finite(values: Sequence[float]) -> bool:
    return any(map(math.isfinite, values))
