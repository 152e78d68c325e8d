"""One value as text: exact for programs, short for people, and never able to steer a terminal.

Names, messages and paths come from user code and other people's files, so what is not printable is spelled out.
"""

from __future__ import annotations

import json
import math
import unicodedata
from decimal import Decimal
from typing import Any

from hyperherd.escape import escaped as escaped
from hyperherd.escape import one_line as one_line
from hyperherd.records.disk.files import strict
from hyperherd.results.text.literals import reads_as_no_text
from hyperherd.results.values import Gap

_CLIP = 32


def exact(value: Any) -> str:
    """Return `value` so that nothing of it is lost: floats as ``repr``, lists and dicts as JSON, Hydra's own words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(strict(value), ensure_ascii=False, default=str, separators=(",", ":"))


def tsv(value: Any) -> str:
    """Return one cell of a TSV line: exact, a gap as nothing, and no tab, newline or escape sequence inside."""
    if isinstance(value, Gap):
        return ""
    return escaped(exact(value).replace("\\", "\\\\"))


def setting(value: Any, *, full: bool = False) -> str:
    """Return a parameter's value for people: floats in full but short (``3e-4``), long texts clipped unless `full`.

    A text that reads as a number, a truth value or null stands in quotes, because it is another value than that.
    """
    if isinstance(value, float) and math.isfinite(value):
        digits = Decimal(repr(value))
        return _tidy(f"{digits.normalize():e}") if value and not 1e-3 <= abs(value) < 1e16 else str(value)
    text = escaped(exact(value))
    if isinstance(value, str) and reads_as_no_text(value):
        return f"'{text}'"
    if isinstance(value, str) and len(text) > _CLIP and not full:
        half = _CLIP // 2
        return f"{text[:half]}…{text[1 - half :]}"
    return text


def measure(value: Any, precision: int = 4) -> str:
    """Return a measured number for people: integers whole, floats with at most `precision` significant digits."""
    if not isinstance(value, float):
        return setting(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = f"{value:.{precision - 1}e}"
    if float(digits) == value:
        return setting(value)
    exponent = int(digits.partition("e")[2])
    if -3 <= exponent < max(precision, 6):
        return f"{value:.{max(0, precision - 1 - exponent)}f}"
    return _tidy(f"{Decimal(digits).normalize():e}")


def duration(seconds: float) -> str:
    """Return a time span for people: ``42s``, ``6m05s``, ``3h20m``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def is_number(value: Any) -> bool:
    """Return whether `value` is a number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii() or all(map(_is_narrow, text)):
        return len(text)
    from wcwidth import wcswidth  # Takes 40 ms to import, and a table for people nearly never needs it.

    width = wcswidth(text)
    return width if width >= 0 else len(text)  # It is negative where a control character stands in the text.


def _is_narrow(char: str) -> bool:
    """Return whether a character takes one column whatever stands beside it."""
    return unicodedata.east_asian_width(char) not in "WF" and unicodedata.category(char)[0] not in "MC"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` filled with blanks to `width` columns, flush left or flush right."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def align(cells: list[str]) -> list[str]:
    """Return number cells of one width, with their decimal points under each other."""
    parts = [_split_number(cell) for cell in cells]
    before = max((len(head) for head, _ in parts), default=0)
    after = max((len(tail) for _, tail in parts), default=0)
    return [head.rjust(before) + tail.ljust(after) for head, tail in parts]


def _split_number(cell: str) -> tuple[str, str]:
    for place, char in enumerate(cell):
        if char == "." or (char == "e" and place and cell[place - 1].isdigit()):
            return cell[:place], cell[place:]
    return cell, ""


def _tidy(scientific: str) -> str:
    """Return ``3.50e+06`` style text without needless zeros and signs: ``3.5e6``."""
    mantissa, _, exponent = scientific.partition("e")
    return f"{mantissa}e{int(exponent)}"
