"""Equal errors of one sweep: the first is printed with its traceback, each one after it in a line that names the first.

A trial's own log files get all of them in full; only what people watch is kept short.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hyperherd.escape import escaped_lines, one_line
from hyperherd.records.trial import TrialError

log = logging.getLogger("hyperherd")

REPEATABLE = "repeatable_error"
"""Attribute of a log record of an error: its :func:`identity`, and the line that stands for it where it is repeated."""

_LONGEST_MESSAGE = 300


class FirstErrors:
    """Which trial had which error first."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def before(self, number: int, error: str) -> int | None:
        """Return the other trial that had this error first; None if trial `number` did."""
        first = self._numbers.setdefault(error, number)
        return None if first == number else first


_of_this_process = FirstErrors()


def identity(error: TrialError) -> str:
    """Return what makes two errors equal: type and all places of the traceback. Messages contain values that differ."""
    places = [line.strip() for line in error.traceback.splitlines() if line.strip().startswith("File ")]
    return "\n".join([error.type, *places])


def repeated(line: str, first: int) -> str:
    """Return what is printed of an error that an earlier trial had too."""
    return f"{line} (traceback: as in trial {first})"


def log_error(what: str, error: TrialError, number: int, sweep_dir: str) -> None:
    """Log that a trial ended in an error.

    Args:
        what: the trial and its end.
        error: which.
        number: of the trial.
        sweep_dir: of its sweep; one process may run several.
    """
    key = f"{sweep_dir}\n{identity(error)}"
    message = one_line(f"{error.type}: {error.message}")
    line = f"{what}: {message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + ' ...'}"
    full, extra = f"{what}\n{escaped_lines(error.traceback)}", {REPEATABLE: (key, line)}
    first = _of_this_process.before(number, key)
    if first is None:
        log.error("%s", full, extra=extra)
        return
    if log.hasHandlers():  # else Python prints both to stderr
        with _without(_is_console):
            log.error("%s", full, extra=extra)
    with _without(lambda handler: not _is_console(handler)):
        log.error("%s", repeated(line, first))


def _is_console(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)


@contextmanager
def _without(unwanted: Callable[[logging.Handler], bool]) -> Iterator[None]:
    """Keep what is logged while the block runs from those of the root's handlers."""
    handlers = [handler for handler in logging.getLogger().handlers if unwanted(handler)]
    for handler in handlers:
        handler.addFilter(_nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
