"""A log as one may show it: terminal escapes inert, progress bars as they looked when their line was done."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from hyperherd.records.disk.guarded import open_regular
from hyperherd.results.text.format import escaped

_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
"""Colours carry no information, and written as escapes they would hide the text."""
_POLL_SECONDS = 0.3
_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 20
"""Bytes; a progress bar that never ends its line is read in pieces of this size."""
_LONGEST_TAIL = 1 << 26
"""Bytes that are searched for the last lines."""


def shown(line: str) -> str:
    r"""Return one line of a log: what a terminal shows of it at last, without colours, and inert.

    A progress bar overwrites its line after each ``\r``; only what stands there in the end is kept.
    """
    text = _STYLE.sub("", line.rstrip("\r\n"))
    text = next((part for part in reversed(text.split("\r")) if part), "")
    return escaped(text.expandtabs())


def read_lines(path: Path, count: int | None = None) -> Iterator[str]:
    """Yield the lines of a log, or the last `count` of them, whatever bytes are in it; a very long one in pieces."""
    with open_regular(path) as stream:
        yield from map(_text, _pieces(stream) if count is None else _last(stream, count))


def follow(path: Path, ended: Callable[[], bool], count: int | None = None) -> Iterator[str]:
    """Yield the lines of a log and those that are still written, until `ended` returns True.

    Args:
        path: the log.
        ended: asked when nothing new has come; what was written before it said so is still read.
        count: how many of the lines that are there already.
    """
    with open_regular(path) as stream:
        lines: Iterable[bytes] = _pieces(stream) if count is None else _last(stream, count)
        rest, last = b"", False
        while True:
            for line in lines:
                rest += line
                if rest.endswith(b"\n") or len(rest) >= _LONGEST_LINE:
                    yield _text(rest)
                    rest = b""
            if last:
                break
            last = ended()
            if not last:
                time.sleep(_POLL_SECONDS)
            lines = _pieces(stream)
    if rest:
        yield _text(rest)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.strip(b"\0") and not _at_data(stream):
            return
        yield line


def _at_data(stream: BinaryIO) -> bool:
    """Pass over the rest of a hole, which can be a terabyte and take no room; return whether anything is behind it."""
    try:
        stream.seek(os.lseek(stream.fileno(), stream.tell(), os.SEEK_DATA))
    except OSError:
        return False
    return True


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")


def _last(stream: BinaryIO, count: int) -> deque[bytes]:
    """Return the last lines of a log, of which no more is read than they need, and the stream at its end."""
    end = start = stream.seek(0, os.SEEK_END)
    found, step = 0, _BLOCK
    while count and start > max(0, end - _LONGEST_TAIL) and found <= count:
        step = min(step, start)
        start -= step
        stream.seek(start)
        found += stream.read(step).count(b"\n")
    stream.seek(start)
    return deque(_pieces(stream), maxlen=count)
