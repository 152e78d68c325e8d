"""A copy of everything a trial prints, from Python, a C library or a child process.

The copy is made by another process (``tee``, or a :class:`Copier` where nothing is to be shown). A thread could not do
it: a library that prints while it holds the interpreter's lock would wait forever on a full pipe that only the thread
can empty. Nor is the file put in place of the output: a full disk would fail the trial that prints.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hyperherd.records.disk.ownership import file_mode, make_folder
from hyperherd.trial.copier import IGNORED, Copier

_DRAIN_SECONDS = 2.0
"""How long to wait for the last output; a process that the trial left behind may hold the pipe open forever."""

_copier: Copier | None = None

log = logging.getLogger("hyperherd")


def use_copier(copier: Copier) -> None:
    """Let trials of this process, and of those that it forks, have their output copied by `copier`."""
    global _copier
    _copier = copier


@contextmanager
def copied_output(out: Path, err: Path) -> Iterator[None]:
    """Append what is written to descriptors 1 and 2 while the block runs to two files, and still show it.

    Where that is not possible (no disk space, no further process), the block runs without a copy.
    """
    with suppress(OSError):  # the copier reports nothing either when it cannot write
        make_folder(out.parent)
        for path in (out, err):  # tee would make them as the umask has it
            os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, file_mode()))
    waits: list[Callable[[float], None]] = []
    try:
        with _copied(1, out, waits), _copied(2, err, waits):
            yield
    finally:
        deadline = time.monotonic() + _DRAIN_SECONDS
        for wait in waits:
            wait(max(0.0, deadline - time.monotonic()))


@contextmanager
def _copied(descriptor: int, path: Path, waits: list[Callable[[float], None]]) -> Iterator[None]:
    try:
        shown = os.dup(descriptor)
    except OSError:  # closed, as some daemons do: nothing can be shown, so nothing is copied
        yield
        return
    _flush()
    try:
        pipe, wait = _begin(path, shown)
    except OSError as error:
        os.close(shown)
        log.warning("the output of the trial cannot be saved in %s: %s", path, error)
        yield
        return
    waits.append(wait)
    os.dup2(pipe, descriptor)
    os.close(pipe)
    try:
        with _of_a_pipe("stdout" if descriptor == 1 else "stderr"):
            yield
    finally:
        _flush()
        os.dup2(shown, descriptor)
        os.close(shown)


def _begin(path: Path, shown: int) -> tuple[int, Callable[[float], None]]:
    """Return a descriptor whose output is appended to a file and shown, and what waits until that is done."""
    if _copier is not None and os.fstat(shown).st_rdev == Path(os.devnull).stat().st_rdev:
        with suppress(OSError):  # it was killed
            return _copier.begin(path)
    # It has to outlive the trial's last words, whatever a terminal or a scheduler sends to every process there is.
    ignored = " ".join(number.name[3:] for number in IGNORED)
    tee = subprocess.Popen(
        ["sh", "-c", f'trap "" {ignored}; exec tee -a "$1"', "tee", str(path)],
        stdin=subprocess.PIPE,
        stdout=shown,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert tee.stdin is not None

    def wait(seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            tee.wait(seconds)

    with tee.stdin as pipe:
        return os.dup(pipe.fileno()), wait


@contextmanager
def _of_a_pipe(name: str) -> Iterator[None]:
    """Let the encoding of a stream be changed that was opened on a file, where a pipe is behind it now.

    A stream asks once whether it can seek. One that believes so asks for its position after the change, and raises.
    """
    stream = getattr(sys, name)
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return

    def reconfigure(**options: Any) -> None:
        try:
            type(stream).reconfigure(stream, **options)
        except OSError as error:
            if error.errno != errno.ESPIPE:
                raise
            # The encoding is changed by now; these two follow it.
            rest = {key: options[key] for key in ("line_buffering", "write_through") if key in options}
            type(stream).reconfigure(stream, **rest)

    stream.reconfigure = reconfigure  # type: ignore[method-assign]
    try:
        yield
    finally:
        with suppress(AttributeError):
            del stream.reconfigure


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a broken pipe, a closed stream, or an object of a class of the user's
            stream.flush()
