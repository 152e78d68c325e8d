"""A log as one may show it: terminal escapes inert, progress bars as they looked when their line was done."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from hyperherd.results.cells import inert

_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
"""Colours say nothing that is missed, and spelled out they hide the text."""


def shown(line: str) -> str:
    r"""Return one line of a log: what a terminal shows of it at last, without colours, and inert.

    A progress bar overwrites its line after each ``\r``; only what stands there in the end is kept.
    """
    text = _STYLE.sub("", line.rstrip("\r\n"))
    text = next((part for part in reversed(text.split("\r")) if part), "")
    return inert(text.expandtabs())


def tail(lines: Iterable[str], count: int | None) -> Iterator[str]:
    """Yield the last `count` lines as they may be shown; all if None."""
    return map(shown, lines if count is None else deque(lines, maxlen=count))
