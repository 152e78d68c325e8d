"""The one way in which files of a results folder are opened for reading, whoever wrote them.

Invariant: opening never waits and never acts (a named pipe, a device, a terminal), reading takes no more memory than a
stated bound, and what is refused is a FormatError that names the file.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from hyperherd.errors import FormatError

RECORD_BYTES = 64 << 20
"""Bound of a file that is read whole and describes one thing: one trial, one sweep, one request."""
LIST_BYTES = 1 << 30
"""Bound of a file that describes all trials of a sweep."""
LINE_BYTES = 64 << 20
"""Bound of one line: a logged value may be a long list."""
DEPTH = 200
"""Bound of lists and dicts inside each other; code that walks them calls itself, and Python stops at 1000 calls."""

_PIECE = 1 << 16
_NESTED = frozenset({dict, list})
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path | str, most: int | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: the file.
        most: bytes above which it is refused; None where it is read piece by piece.

    Raises:
        FormatError: it is something else, such as a named pipe, or larger.
        OSError: it is missing, or may not be read.
    """
    descriptor = _opened(path, most)
    return open(path, "rb", opener=lambda *_: descriptor)  # by its path, so that errors name the file


def _opened(path: Path | str, most: int | None) -> int:
    try:
        descriptor = os.open(path, _FLAGS)  # O_NONBLOCK: opening a pipe would wait for somebody who writes to it.
    except ValueError as error:  # A path from a record that no file can have, such as one with a NUL in it.
        raise FormatError(f"{str(path)!r} is not a path: {error}") from None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and (most is None or status.st_size <= most):
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(status.st_mode):
        raise FormatError(f"{path} has {status.st_size:,} bytes; a file of its kind has at most {most:,}")
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a file of an unknown kind")
    raise FormatError(f"{path} is not a regular file but {kind}; remove it")


def open_text(
    path: Path | str, most: int | None = None, *, errors: str = "replace", newline: str | None = ""
) -> TextIO:
    """Open a regular file as UTF-8 text (see :func:`open_regular`), whatever bytes are in it."""
    return io.TextIOWrapper(open_regular(path, most), encoding="utf-8", errors=errors, newline=newline)


def read_regular(path: Path | str, most: int = RECORD_BYTES) -> bytes:
    """Return the content of a regular file (see :func:`open_regular`), which may grow meanwhile."""
    descriptor = _opened(path, most)
    try:
        pieces, size = [], 0
        while piece := os.read(descriptor, _PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise FormatError(f"{path} has more than {most:,} bytes")
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def lines(stream: BinaryIO, path: Path | str, most: int = LINE_BYTES) -> Iterator[bytes]:
    """Yield the lines of a file; one that does not end is refused.

    Raises:
        FormatError: a line is longer than `most` bytes.
    """
    while line := stream.readline(most + 1):
        if len(line) > most:
            raise FormatError(f"{path} has a line of more than {most:,} bytes")
        yield line


def is_deep(value: Any, most: int = DEPTH) -> bool:
    """Return whether lists and dicts lie more than `most` levels inside each other."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        inside = [item.values() if isinstance(item, dict) else item for item in level]
        members = list(chain.from_iterable(inside))
        if _NESTED.isdisjoint(map(type, members)):  # The usual case: no Python code for each member.
            return False
        level = [member for member in members if isinstance(member, dict | list)]
    return True


def check_depth(value: Any, path: Path | str) -> None:
    """Raise FormatError if what `path` holds is nested deeper than anything we write."""
    if is_deep(value):
        raise FormatError(f"{path} nests lists or dicts more than {DEPTH} levels deep")
