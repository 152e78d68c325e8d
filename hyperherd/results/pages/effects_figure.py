"""What matters as a figure for a paper: the share of each parameter, with what its test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.results.curves.figures import new_figure
from hyperherd.results.curves.style import FigureStyle, plain
from hyperherd.results.pages.effects_line import p_text
from hyperherd.results.statistics.importance.effects import Effects, ParameterEffect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARE = "share"
"""The name of the axis."""
_MOST = 15
_PALE = 0.35
"""How much of its colour a bar has that is not shown to be more than chance."""


def effects_figure(found: Effects, style: FigureStyle) -> Figure:
    """Return the shares of the parameters as bars, those pale that are not shown to matter.

    Raises:
        ResultsError: nothing can be drawn, the style names what is not in the figure, or matplotlib is not installed.
    """
    drawn = new_figure(style)
    effects = _in_order(found, style)
    axes = drawn.add_subplot()
    colour = style.colours(1)[0]
    for place, effect in enumerate(effects):
        share = effect.share or 0.0
        axes.barh(place, share, color=colour, alpha=1.0 if effect.matters else _PALE, height=0.7)
        told = f" {_verdict(effect, found)}"
        axes.text(max(share, 0.0), place, told, va="center", fontsize=style.letters - 1)
    axes.set_yticks(range(len(effects)), [_named(effect, style) for effect in effects], fontsize=style.letters)
    axes.invert_yaxis()
    _finish(axes, found, style)
    return drawn


def _in_order(found: Effects, style: FigureStyle) -> list[ParameterEffect]:
    by_name = {effect.parameter: effect for effect in found.parameters if effect.share is not None}
    if not by_name:
        raise ResultsError("no parameter has a share of the variance, so there is nothing to draw")
    twins = [twin for effect in by_name.values() for twin in effect.confounded]
    style.check_names([SHARE, *by_name, *twins], [SHARE])
    return [by_name[name] for name in style.ordered(list(by_name))[:_MOST]]


def _named(effect: ParameterEffect, style: FigureStyle) -> str:
    return " or ".join(style.called(name) for name in (effect.parameter, *effect.confounded))


def _verdict(effect: ParameterEffect, found: Effects) -> str:
    if not effect.matters and not effect.telling:
        return f"too few trials to tell ({found.trials})"
    return p_text(effect.p)


def _finish(axes: Any, found: Effects, style: FigureStyle) -> None:
    label = style.rename.get(SHARE, f"share of the variance of {found.objective.label}")
    axes.set_xlabel(f"{plain(label)} (n={found.trials})", fontsize=style.letters)
    axes.set_xlim(0.0, 1.3 * max(0.1, *(effect.share or 0.0 for effect in found.parameters)))  # room for the texts
    axes.tick_params(labelsize=style.letters)
    if SHARE in style.percent:
        from matplotlib.ticker import PercentFormatter

        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=""))
    axes.spines[["top", "right"]].set_visible(False)
    if style.title:
        axes.set_title(plain(style.title), fontsize=style.letters + 1)
