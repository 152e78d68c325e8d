"""The messages between the sweep and its server, and the report that a trial writes for both.

A trial leaves a *report*: an unnamed file of pickles that its process appends to. A file, not a pipe: a trial that dies
half-way through a record, or leaves a child that holds the other end open, blocks no reader.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Any

from hyperherd.launch.base import TrialJob


@dataclass(frozen=True)
class Start:
    """To the server: run these, in this order, when there is room."""

    jobs: tuple[TrialJob, ...]


@dataclass(frozen=True)
class Cancel:
    """To the server: end these, running or not."""

    numbers: frozenset[int]


@dataclass(frozen=True)
class Kill:
    """To the server: end all that runs, now."""


class StopReason(str, Enum):
    """Why the server stopped a trial."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Ready:
    """From the server: it can start trials; or not in this way, and why."""

    refusal: str = ""


@dataclass(frozen=True)
class Started:
    """From the server: a trial has a process."""

    number: int
    pid: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """From the server: trials could start, but for a reason that may pass."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """From the server: a trial's process has ended, or it will never have one.

    Attributes:
        number: of the trial.
        status: of its process, as from ``waitpid``; None if it had none.
        stop_reason: why the server stopped it; None if it did not.
        out_of_memory: whether the kernel's out-of-memory killer killed a process while it ran.
        report: what it left.
        lost: why its end is unknown, or why it has no process; empty if it is known.
    """

    number: int
    status: int | None = None
    stop_reason: StopReason | None = None
    out_of_memory: bool = False
    report: bytes = b""
    lost: str = ""


@dataclass(frozen=True)
class LogLine:
    """In a report: a log line to show to the user.

    Attributes:
        logger: by which it was logged.
        level: how grave it is.
        text: what it says.
        error: of an error, what is the same in equal ones; empty for any other line.
        short: what to show in place of `text` where an equal error was shown before.
    """

    logger: str
    level: int
    text: str
    error: str = ""
    short: str = ""


@dataclass(frozen=True)
class Returned:
    """In a report: the pickled JobReturn, as the last record."""

    pickled: bytes


@dataclass(frozen=True)
class TrialReport:
    """A report, read."""

    log_lines: list[LogLine] = field(default_factory=list)
    returned: bytes | None = None


def append(report: IO[bytes], record: LogLine | Returned) -> None:
    """Add a record to a report; it is with the operating system when this returns."""
    report.write(pickle.dumps(record))
    report.flush()


def read_report(data: bytes) -> TrialReport:
    """Return what a trial left; a last record that was cut short counts as never written.

    A spawned trial that died before it took its job from the report has left that, which is not a record.
    """
    report = TrialReport()
    for record in _records(data):
        if isinstance(record, Returned):
            return TrialReport(report.log_lines, record.pickled)
        if isinstance(record, LogLine):
            report.log_lines.append(record)
    return report


def _records(data: bytes) -> Iterator[Any]:
    stream = io.BytesIO(data)
    while True:
        try:
            yield pickle.load(stream)
        except (EOFError, pickle.UnpicklingError, ValueError, IndexError):
            return
