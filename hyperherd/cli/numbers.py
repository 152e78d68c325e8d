"""Numbers of trials on a command line, as given (``3,7-9``) and as told."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

_SHOWN = 20


def trial_numbers(text: str) -> set[int]:
    """Return the numbers that are given as ``3,7-9``.

    Raises:
        argparse.ArgumentTypeError: they are not given so.
    """
    numbers: set[int] = set()
    for word in text.split(","):
        if (found := numbers_in(word)) is None:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of trial numbers such as 3,7-9")
        numbers |= found
    return numbers


def numbers_in(word: str) -> set[int] | None:
    """Return the numbers of ``7`` or ``7-9`` (``7..9``); None if it is neither."""
    found = re.fullmatch(r"\s*(\d+)(?:(?:-|\.\.)(\d+))?\s*", word)
    return None if found is None else set(range(int(found[1]), int(found[2] or found[1]) + 1))


def trials_named(numbers: Sequence[int]) -> str:
    """Return ``trial 3`` or ``trials 3, 7``."""
    return f"trial{'s' * (len(numbers) != 1)} {', '.join(map(str, numbers))}"


def listed(numbers: Sequence[int]) -> str:
    """Return the first of some numbers behind a colon; nothing of none."""
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    return f": {shown}{', ...' if len(numbers) > _SHOWN else ''}" if numbers else ""
