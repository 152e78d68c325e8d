"""Trials in a notebook: the table as HTML in which every text of theirs is inert."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperherd.results.statistics.configurations import Groups
    from hyperherd.results.trials.collection import Trials

_STYLE = "font-family: monospace; line-height: 1.3; max-height: 30em; overflow: auto"


def to_html(trials: Trials | Groups) -> str:
    """Return what ``print`` shows, for a notebook."""
    return f'<pre style="{_STYLE}">{escape(repr(trials))}</pre>'
