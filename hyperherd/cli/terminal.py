"""The terminal, the pipe and stderr as `herd-results` writes to them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hyperherd.errors import ResultsError
from hyperherd.records.disk.atomic import replace
from hyperherd.records.disk.files import new_file
from hyperherd.records.disk.ownership import make_folder

if TYPE_CHECKING:
    from hyperherd.results.text.layout import Screen

PROGRAM = "herd-results"
FAILED, USAGE, NOTHING_FOUND, UNHEALTHY = 1, 2, 3, 4


def screen(rows: int | None, stream: TextIO, colour: str = "auto", *, to_file: bool = False) -> Screen:
    """Return what a table must fit.

    Args:
        rows: most rows; 0: all; None: what a terminal has room for.
        stream: where it goes.
        colour: ``auto`` (see :func:`_is_coloured`), ``always`` or ``never``.
        to_file: it goes to a file instead, which has no bounds.
    """
    from hyperherd.results.text.layout import LINES_AROUND_TABLE, Screen

    terminal = stream.isatty() and not to_file
    size = shutil.get_terminal_size()
    if rows is None and terminal:
        rows = max(size.lines - LINES_AROUND_TABLE, 10)
    return Screen(
        width=size.columns if terminal else None,
        rows=rows or None,
        colour=colour == "always" or (colour == "auto" and not to_file and _is_coloured(stream)),
        unicode=to_file or _can_write(stream, "✓✗▶■○→†◌·–…±×−∅▁▂▃▄▅▆▇█"),
    )


def _is_coloured(stream: TextIO) -> bool:
    """Return whether colour is wanted by itself: NO_COLOR decides before FORCE_COLOR, as in Python itself."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def write(data: str | bytes | Iterable[str]) -> None:
    """Write to stdout, a text piece by piece; characters that its encoding lacks are written as escapes.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        ResultsError: it cannot be written, such as to a full disk.
    """
    try:
        if isinstance(data, bytes):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout.writelines([data] if isinstance(data, str) else data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise ResultsError(f"cannot write to stdout: {error.strerror}") from None


def discard_stdout() -> None:
    """Let what is still to be written go nowhere, or Python complains when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse_existing(path: Path | None, *, force: bool) -> None:
    """Raise ResultsError if `path` already exists, unless `force` allows overwriting it."""
    if path is not None and os.path.lexists(path) and not force:
        raise ResultsError(f"{path} already exists; use --force to overwrite it")


def write_file(path: Path, data: str | bytes | Iterable[str], *, force: bool) -> None:
    """Write a whole new file, a text piece by piece; one that is there is replaced only by force.

    Raises:
        ResultsError: it is there already, or cannot be written.
    """
    pieces = [data] if isinstance(data, str | bytes) else data
    content = (piece if isinstance(piece, bytes) else piece.encode("utf-8", "backslashreplace") for piece in pieces)
    refuse_existing(path, force=force)
    try:
        if force:
            make_folder(path.parent)
            replace(path, lambda stream: stream.writelines(content))
            return
        with new_file(path) as temporary, temporary.open("wb") as stream:
            stream.writelines(content)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from None


def say(message: str) -> None:
    """Write a note or an error to stderr, on one line, terminal control characters escaped."""
    from hyperherd.results.text.format import one_line

    print(f"{PROGRAM}: {one_line(message)}", file=sys.stderr)
