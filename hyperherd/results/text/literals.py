"""Values as people type them in filters, read as the sweep reads them: `lr=1e-3,0.01` has two floats.

Plain numbers and words are read here; everything else is left to Hydra's own parser, whose import takes longer than a
table. A test holds the two to the same answer.
"""

from __future__ import annotations

import re
from typing import Any

from hyperherd.errors import HyperherdError, ResultsError

_WHOLE = "(?:0|[1-9][0-9]*)"
_INT = re.compile(rf"[+-]?{_WHOLE}")
_FLOAT = re.compile(rf"[+-]?(?:{_WHOLE}\.[0-9]*|\.[0-9]+|{_WHOLE}(?=[eE]))(?:[eE][+-]?[0-9]+)?|[+-]?(?i:inf|nan)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


def read_values(text: str) -> tuple[Any, ...]:
    """Return the typed values of ``0.001,0.01``; what Hydra sweeps over (``range(1,4)``) counts as its values.

    Raises:
        ResultsError: Hydra cannot read it either, or it is an interval.
    """
    parts = text.split(",")
    if all(map(_is_plain, parts)):
        return tuple(map(_plain, parts))
    return _by_hydra(text)


def plain_value(text: str) -> Any:
    """Return the value of one override: typed if it is a plain number or word, else the text without its quotes."""
    if _is_plain(text):
        return _plain(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def reads_as_no_text(text: str) -> bool:
    """Return whether a plain word means a number, a truth value or null, so that a text of that kind needs quotes."""
    return _is_plain(text) and not isinstance(_plain(text), str)


def _is_plain(text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in (_INT, _FLOAT, _WORD))


def _plain(text: str) -> Any:
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _WORDS.get(text.lower(), text)


def _by_hydra(text: str) -> tuple[Any, ...]:
    from hydra.errors import HydraException

    from hyperherd.overrides import parse_values

    if not text:
        return ("",)
    try:
        values = parse_values("value", text)
    except (HydraException, HyperherdError) as error:
        first_line = str(error).partition("\n")[0]
        raise ResultsError(f"{text!r} is not a valid override value: {first_line}") from None
    if not isinstance(values, tuple):
        raise ResultsError(f"{text!r} is an interval; use name>=LOW name<=HIGH")
    return values
