"""Where a sweep shows its words: a script may have put any object into `sys.stdout`, or have turned logging off."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper

from hyperherd.escape import escape_what_is_lacking

log = logging.getLogger("hyperherd")


def is_terminal(stream: object) -> bool:
    """Return whether `stream`, of any class, is a terminal."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - the boundary to an object of the script's, of any class
        return False


def is_unicode(stream: object) -> bool:
    """Return whether `stream`, of any class, takes every letter, as far as it can be seen."""
    try:
        return "utf" in str(stream.encoding).lower()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - as above
        return False


def say(text: str, level: int = logging.INFO) -> None:
    """Log what has to be seen; where nothing is logged (``hydra/hydra_logging=disabled``), write it to stdout."""
    if log.isEnabledFor(level) and log.hasHandlers():
        log.log(level, "%s", text)
        return
    with suppress(Exception):  # an object of the script's, which may raise anything
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@contextmanager
def escaping_streams() -> Iterator[None]:
    """Let stdout and stderr write the letters that their encoding lacks as escapes while the block runs."""
    before = [(stream, stream.errors) for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    for stream, _ in before:
        escape_what_is_lacking(stream)
    try:
        yield
    finally:
        for stream, errors in before:
            if stream.errors != errors:
                with suppress(ValueError, OSError):  # it was closed
                    stream.reconfigure(errors=errors)
