"""How text is laid out: columns of one width, lines that fit a screen, colour where there is one.

A number is never cut: a column that does not fit is left out by whoever asked what fits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hyperherd.records.states import TrialState
from hyperherd.results.text.format import display_width

GLYPHS = {
    TrialState.COMPLETED: "✓",
    TrialState.RUNNING: "▶",
    TrialState.STALLED: "!",
    TrialState.FAILED: "✗",
    TrialState.PRUNED: "~",
    TrialState.PAUSED: "‖",
    TrialState.CANCELLED: "■",
    TrialState.WAITING: "○",
    TrialState.SUBMITTED: "→",
    TrialState.REQUEUED: "↻",
    TrialState.LOST: "†",
    TrialState.MISSING: "◌",
    TrialState.UNREADABLE: "#",
    TrialState.UNKNOWN: "?",
}
LINES_AROUND_TABLE = 12
"""Rows of a screen that are not the table's: the head, the best trial, the next prompt."""
BARS = "▁▂▃▄▅▆▇█"
PLAIN = str.maketrans(
    {
        "✓": "+",
        "▶": ">",
        "✗": "x",
        "■": "=",
        "‖": "|",
        "○": "o",
        "→": "^",
        "↻": "@",
        "†": "L",
        "◌": "M",
        "·": ".",
        "–": "-",
        "…": "~",
        "±": "+-",
        "×": "x",
        "−": "-",
        "≤": "<=",
        "η": "eta",
        "²": "^2",
        **dict(zip(BARS, "_..--=^#", strict=True)),
    }
)
_COLOURS = {
    TrialState.COMPLETED: 32,
    TrialState.RUNNING: 34,
    TrialState.STALLED: 33,
    TrialState.LOST: 33,
    TrialState.MISSING: 33,
}
_RED = 31
_COUNT = 30
"""Columns that are kept for the number of what is left out."""
BOLD, DIM = 1, 2


@dataclass(frozen=True)
class Screen:
    """What the text is for."""

    width: int | None = None
    """Columns; None: as wide as it takes."""
    rows: int | None = None
    """Most rows of the table; None: all."""
    colour: bool = False
    unicode: bool = True


def page(lines: Iterable[str], screen: Screen) -> str:
    """Return lines as one text that the screen can show, each ended by a newline."""
    return shown("".join(line.rstrip() + "\n" for line in lines), screen)


def shown(text: str, screen: Screen) -> str:
    """Return text with our own signs in ASCII where the screen cannot show others; some get wider."""
    return text if screen.unicode else text.translate(PLAIN)


def section(lines: list[str]) -> list[str]:
    """Return lines with an empty one before them, if there are any."""
    return ["", *lines] if lines else []


def flowing(line: str, parts: Sequence[tuple[str, int]], screen: Screen) -> Iterator[str]:
    """Yield `line` and the coloured parts behind it, going on in the next line where the screen ends."""
    taken = display_width(line)
    for text, colour in parts:
        taken += 2 + display_width(text)
        if screen.width is not None and taken > screen.width:
            yield line
            line, taken = "", 2 + display_width(text)
        line += "  " + paint(text, colour, screen)
    yield line


def wrapped(text: str, screen: Screen, indent: str = "  ") -> list[str]:
    """Return a text as lines that fit the screen, broken between words; a word is never cut."""
    if screen.width is None or display_width(text) <= screen.width:
        return [text]
    return textwrap.wrap(text, screen.width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def enough(parts: Sequence[str], screen: Screen, *, lines: int = 3, between: str = "  ") -> str:
    """Return parts as one text of about as many lines as a screen has for it; the parts that are left out are counted.

    Where nothing has to fit a screen (a pipe, a file) all are there.
    """
    if screen.width is None:
        return between.join(parts)
    room, kept = lines * screen.width - _COUNT, 0
    for part in parts:
        room -= display_width(part) + len(between)
        if room < 0 and kept:
            break
        kept += 1
    left = [f"... {len(parts) - kept} more"] if kept < len(parts) else []
    return between.join([*parts[:kept], *left])


def state_colour(state: TrialState) -> int:
    """Return the colour of a state."""
    if state in (TrialState.FAILED, TrialState.UNREADABLE):
        return _RED
    return _COLOURS.get(state, DIM)


def paint(text: str, code: int, screen: Screen) -> str:
    """Return text in a colour, if the screen has any."""
    return f"\x1b[{code}m{text}\x1b[0m" if screen.colour else text
