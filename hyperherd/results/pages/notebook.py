"""Trials in a notebook: the table as HTML in which every text of theirs is inert."""

from __future__ import annotations

from html import escape

_STYLE = "font-family: monospace; line-height: 1.3; max-height: 30em; overflow: auto"


def to_html(text: str) -> str:
    """Return what ``print`` shows, for a notebook."""
    return f'<pre style="{_STYLE}">{escape(text)}</pre>'
