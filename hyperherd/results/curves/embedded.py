"""A Figure whose files have their letters as TrueType, wherever it is saved. Importing this imports matplotlib."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

TRUETYPE = 42
"""The format of fonts in PDF and PostScript; matplotlib's own choice is 3, which venues refuse."""


class EmbeddedFigure(Figure):  # type: ignore[misc]
    """A Figure that saves text as Type 42 fonts, also where a person calls `savefig`."""

    def savefig(self, *arguments: Any, **named: Any) -> None:
        """Save it as :meth:`matplotlib.figure.Figure.savefig` does."""
        with rc_context({"pdf.fonttype": TRUETYPE, "ps.fonttype": TRUETYPE}):
            super().savefig(*arguments, **named)
