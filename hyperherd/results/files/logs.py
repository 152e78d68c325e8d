"""A log as one may show it: terminal escapes inert, progress bars as they looked when their line was done."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from hyperherd.results.text.format import inert

_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
"""Colours say nothing that is missed, and spelled out they hide the text."""
_POLL_SECONDS = 0.3


def shown(line: str) -> str:
    r"""Return one line of a log: what a terminal shows of it at last, without colours, and inert.

    A progress bar overwrites its line after each ``\r``; only what stands there in the end is kept.
    """
    text = _STYLE.sub("", line.rstrip("\r\n"))
    text = next((part for part in reversed(text.split("\r")) if part), "")
    return inert(text.expandtabs())


def read_lines(path: Path, count: int | None = None) -> Iterator[str]:
    """Yield the lines of a log, or the last `count` of them, whatever bytes are in it."""
    with open(path, encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        yield from stream if count is None else deque(stream, maxlen=count)


def follow(path: Path, ended: Callable[[], bool], count: int | None = None) -> Iterator[str]:
    """Yield the lines of a log and those that are still written, until `ended` says that none will be.

    Args:
        path: the log.
        ended: asked when nothing new has come; what was written before it said so is still read.
        count: how many of the lines that are there already.
    """
    with open(path, encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        lines = list(stream) if count is None else list(deque(stream, maxlen=count))
        rest, last = "", False
        while True:
            for line in lines:
                rest += line
                if rest.endswith("\n"):
                    yield rest
                    rest = ""
            if last:
                break
            last = ended()
            if not last:
                time.sleep(_POLL_SECONDS)
            lines = stream.readlines()
    if rest:
        yield rest
