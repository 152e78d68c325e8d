"""How a figure looks: size, title, names, order, colours. One set of options for all that draws into a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperherd.errors import ResultsError, nearest, one_of
from hyperherd.results.text.format import escaped

SIZE = (7.2, 4.2)
ORDERS = ("best", "value")
PALETTE = "okabe-ito"
_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe & Ito's colours, which colour-blind readers tell apart."""
_FEW = 20
"""A colour map of at most this many colours is a list of them; of others as many are taken as there are lines."""
_NARROW = 5.0
"""Inches; a narrower figure is one column of a paper, and has smaller letters."""
_SIZES = (0.5, 60.0)
_CENTIMETRES = 2.54


@dataclass(frozen=True)
class FigureStyle:
    """How a figure looks."""

    size: tuple[float, float] = SIZE
    """Width and height in inches."""
    title: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    """Name of a metric, an axis, a parameter or a whole line (``model=cnn``) -> what stands there instead."""
    order: str | Sequence[str] = "best"
    """``best`` (first), ``value`` (what the lines are of, ascending), or the names of those that come first."""
    palette: str | Sequence[str] = PALETTE
    """``okabe-ito``, the name of a colour map of matplotlib's, or colours."""
    percent: Sequence[str] = ()
    """Metrics whose axis shows them times 100."""

    def __post_init__(self) -> None:
        low, high = _SIZES
        if len(self.size) != 2 or not all(low <= length <= high for length in self.size):
            raise ResultsError(f"a size is a width and a height from {low:g} to {high:g} inches, not {self.size}")

    @property
    def letters(self) -> float:
        """The height of letters in points."""
        return 8.0 if self.size[0] < _NARROW else 10.0

    def called(self, name: str) -> str:
        """Return what stands for the name of an axis."""
        return plain(self.rename.get(name, name))

    def line(self, label: str) -> str:
        """Return what stands for a line: its own name, else the names of its parameters in it."""
        if label in self.rename:
            return plain(self.rename[label])
        parts = (part.partition("=") for part in label.split(" "))
        return plain(" ".join(f"{self.rename.get(name, name)}{sign}{value}" for name, sign, value in parts))

    def columns(self, labels: Sequence[str]) -> int:
        """Return how many columns of a legend fit below the figure."""
        widest = max(map(len, labels), default=0) * 0.0075 * self.letters + 0.6
        return max(1, min(4, len(labels), int(self.size[0] / widest)))

    def check_names(self, known: Sequence[str], metrics: Sequence[str]) -> None:
        """Refuse a name to be replaced, or a metric in percent, that the figure does not have.

        Raises:
            ResultsError: it names what there is.
        """
        for name in self.rename:
            one_of(name, known, "a name in this figure")
        for name in self.percent:
            one_of(name, metrics, "a metric in this figure")

    def ordered(self, labels: Sequence[str]) -> list[str]:
        """Return the names of lines, which are given best first, in the order that is asked for.

        Raises:
            ResultsError: a line of that name is not there.
        """
        if self.order == "best":
            return list(labels)
        if self.order == "value":
            return sorted(labels, key=_natural)
        asked = [self.order] if isinstance(self.order, str) else self.order
        values = {label.partition("=")[2]: label for label in labels if label.count("=") == 1}
        first = [values.get(name) or one_of(name, [*labels, *ORDERS], "a line or an order") for name in asked]
        return list(dict.fromkeys((*first, *labels)))

    def colours(self, count: int) -> Sequence[Any]:
        """Return a colour for each of `count` lines; further lines begin again. Imports matplotlib.

        Raises:
            ResultsError: the palette or a colour is not known.
        """
        from matplotlib import colormaps
        from matplotlib.colors import is_color_like

        if self.palette == PALETTE:
            return _OKABE_ITO
        if isinstance(self.palette, str) and self.palette in colormaps:
            found = colormaps[self.palette]
            if found.N <= _FEW:
                return [found(place) for place in range(found.N)]
            return [found(0.9 * place / max(1, count - 1)) for place in range(count)]  # the ends are often too light
        chosen = self.palette.split(",") if isinstance(self.palette, str) else self.palette
        if unknown := [text for text in chosen if not is_color_like(text)]:
            known = (PALETTE, *(name for name in colormaps if not name.endswith("_r")))
            raise ResultsError(
                f"{unknown[0]!r} is neither a palette nor a colour{nearest(unknown[0], known)}; "
                f"use {PALETTE}, a colour map of matplotlib's (tab10, viridis), or colours (#0072B2,black)"
            )
        return list(chosen)


def size_of(text: str) -> tuple[float, float]:
    """Return the inches of ``WIDTHxHEIGHT``, or of that with ``cm`` behind it.

    Raises:
        ResultsError: it is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(in|cm)?", text.strip())
    if found is None:
        raise ResultsError(f"{text!r} is not a size; use WIDTHxHEIGHT in inches (3.3x2.2) or centimetres (8.4x5.6cm)")
    unit = _CENTIMETRES if found[3] == "cm" else 1.0
    return FigureStyle((float(found[1]) / unit, float(found[2]) / unit)).size


def plain(text: str) -> str:
    """Return text that matplotlib shows as it is: a dollar sign would start a formula."""
    return escaped(text).replace("$", r"\$")


def _natural(label: str) -> list[tuple[bool, float, str]]:
    """Return a sort key by which numbers in a text are numbers."""
    parts = re.split(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)", label)
    return [(True, float(part), "") if place % 2 else (False, 0.0, part) for place, part in enumerate(parts)]
