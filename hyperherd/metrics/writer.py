"""What a log call does: one line, one ``write`` on an ``O_APPEND`` descriptor, before the call returns.

Invariant: the operating system has a record when the call returns, or it has been counted as lost and
the user has been warned; no two processes write to one journal; nothing wrong with the disk stops the training.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

import orjson

from hyperherd.metrics.consolidate.roll import Roller
from hyperherd.metrics.rows import values
from hyperherd.metrics.rows.sources import SourceName, open_here, this_host
from hyperherd.paths import TrialPaths
from hyperherd.plural import counted
from hyperherd.records.disk.guarded import LINE_BYTES
from hyperherd.records.disk.ownership import file_mode, make_folder

logger = logging.getLogger("hyperherd")

# Strict integers: one that a float cannot hold exactly is refused, and takes the careful way.
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_STRICT_INTEGER


@dataclass(frozen=True)
class Roll:
    """When a journal becomes a part: at `bytes`, or at `least` bytes once it is `seconds` old."""

    bytes: int = 8 << 20
    seconds: float = 3600.0
    least: int = 1 << 16
    """Bytes below which it never does; a journal is looked at each time it has grown by as many."""


_ROLL = Roll()


class MetricWriter:
    """Appends what one attempt of a trial logs to a journal of this process, made at the first record.

    Any thread may log. A forked child logs to a journal of its own. Logging after `close` opens a new one. Journals
    that are large, or old, are rolled into Parquet parts by another thread while the next one is written.

    Args:
        trial_dir: the trial's directory; it need not exist yet.
        attempt: number of the execution, from 0.
        roll: when a journal is rolled.
        rank: says which of several processes of the trial this one is, when it opens a journal. What others than the
            first one log is kept apart: the same names and steps would take the place of the first one's values.
    """

    def __init__(
        self, trial_dir: Path, attempt: int, roll: Roll = _ROLL, *, rank: Callable[[], int] = lambda: 0
    ) -> None:
        self._paths = TrialPaths(Path(trial_dir).absolute())
        self._rank = rank
        self._folder = self._paths.metrics
        self._attempt = attempt
        self._roll = roll
        self._roller = Roller(self._folder)
        self._journal: _Journal | None = None
        self._opening = threading.RLock()  # Reentrant: a signal handler may log while we open.
        self._gap = 0
        self.has_begun = False
        """Whether it has been given anything to write."""
        self.phase = ""
        """The phase of what is logged from now on (`rows.phases`); empty for the one without a name."""
        self.lost = 0
        """Records that could not be written."""
        _writers.add(self)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Append one record: values of several metrics at one step.

        Raises:
            NotLogged: JSON cannot hold some of the values; the others have been written then.
            TypeError: the step is not an integer; nothing has been written then.
        """
        now = time.time()
        line = _encode(metrics, step, now, self.phase)
        if line is None:
            self.log_rows([(metrics, step, now)])
        else:
            self._append(line)

    def log_rows(self, rows: Iterable[tuple[Mapping[str, Any], int, float]], phase: str | None = None) -> None:
        """Append several records with one ``write``, which costs little more than for one.

        Args:
            rows: metrics, their step, and when they were measured, in seconds since 1970.
            phase: of all of them; None: the one that runs.

        Raises:
            NotLogged: JSON cannot hold some of the values; all others have been written then.
            TypeError: a step is not an integer; nothing has been written then.
        """
        lines: list[bytes] = []
        refused: dict[str, str] = {}
        phase = self.phase if phase is None else phase
        for metrics, step, at in rows:
            line = _encode(metrics, step, at, phase)
            lines.append(_encode_any(metrics, step, at, phase, refused) if line is None else line)
        self._append_lines(lines)
        if refused:
            raise values.NotLogged(refused)

    def log_final(self, values_: Mapping[str, Any]) -> None:
        """Append final values, which have no step; the last one under a name wins.

        Raises:
            NotLogged: JSON cannot hold some of the values; the others have been written then.
        """
        kept, refused = values.final(values_)
        if kept or not refused:
            self._append(values.dumps({"ts": time.time(), "final": kept}) + b"\n")
        if refused:
            raise values.NotLogged(refused)

    def resumed(self, step: int, metrics: Iterable[str] | None = None) -> None:
        """Announce that this attempt resumes its phase at `step`: what older ones logged there or later is superseded.

        Args:
            step: the first step that this attempt does; 0 if it starts from nothing.
            metrics: names of the metrics that count these steps; None stands for all that are not named otherwise.

        Raises:
            TypeError: the step is not an integer, or a name not a string; nothing has been written then.
        """
        names = None if metrics is None else [values.as_name(name) for name in metrics]
        mark = {"step": values.as_step(step), "metrics": names}
        self._append(values.dumps(_of_phase({"ts": time.time(), "resumed": mark}, self.phase)) + b"\n")

    def close(self) -> None:
        """Let go of the journal, and wait for what is being rolled; the file is closed when no thread writes to it."""
        self._journal = None
        self._roller.finish()
        if self.lost:
            logger.warning("%s could not be written to %s", counted(self.lost, "metric record"), self._folder)

    def _append_lines(self, lines: Sequence[bytes]) -> None:
        """Append several lines at once, or one after the other if together they are longer than a line may be."""
        lines = [line for line in lines if line]
        together = b"".join(lines)
        if len(together) > LINE_BYTES:
            for line in lines:
                self._append(line)
        elif lines:
            self._append(together, len(lines))

    def _append(self, line: bytes, records: int = 1) -> None:
        if len(line) > LINE_BYTES:  # Nobody would read it.
            raise TypeError(
                f"a record of {len(line):,} bytes is too large to log; save it with log_array, or as a file"
            )
        try:
            # The local reference keeps the descriptor open while this thread needs it, whoever calls close().
            journal = self._journal or self._open()
            if journal.torn:
                line = b"\n" + line
            written = os.write(journal.descriptor, line)
        except OSError as error:
            self._lose(error, records)
            return
        if written != len(line):
            journal.torn = True
            self._lose(OSError(errno.ENOSPC, "only part of a record was written"), records)
            return
        journal.room -= written
        if journal.torn or journal.room < 0 or self._gap:
            self._after_write(journal)

    def _after_write(self, journal: _Journal) -> None:
        """See to what is rare after a record has been written: the end of a gap, and a journal that is due."""
        journal.torn = False
        if self._gap:
            logger.warning("metrics can be written to %s again; %s lost", self._folder, counted(self._gap, "record"))
            self._gap = 0
        if journal.room < 0:
            journal.room += self._roll.least
            journal.size += self._roll.least
            # Appending to a deleted file succeeds, so nothing else would ever report it.
            if not os.fstat(journal.descriptor).st_nlink:  # Somebody deleted it, or the folder, under us.
                self._let_go(journal)
                logger.warning("%s was deleted while it was being written; its metrics are lost", journal.name)
                return
            is_old = time.monotonic() - journal.opened > self._roll.seconds
            if (is_old or journal.size >= self._roll.bytes) and self._let_go(journal):
                self._roller.add(journal.name)

    def _let_go(self, journal: _Journal) -> bool:
        """Have the next record open a new journal; return whether it was us who did that for this one."""
        with self._opening:
            # Two threads may find the same journal due; only one of them may hand it to the roller.
            is_ours = self._journal is journal
            if is_ours:
                self._journal = None
            return is_ours

    def _open(self) -> _Journal:
        self.has_begun = True
        with self._opening:
            if self._journal is None:
                self._choose_folder()
                make_folder(self._folder)
                try:
                    self._journal = _Journal(self._folder, self._attempt, self._roll.least)
                except FileNotFoundError:  # A merge removed the folder, which was empty, at this moment.
                    make_folder(self._folder)
                    self._journal = _Journal(self._folder, self._attempt, self._roll.least)
            return self._journal

    def _choose_folder(self) -> None:
        rank = self._rank()
        folder = self._paths.ranks / str(rank) if rank else self._paths.metrics
        if folder != self._folder:
            self._roller.finish()
            self._folder, self._roller = folder, Roller(folder)

    def _lose(self, error: OSError, records: int) -> None:
        if error.errno in (errno.EBADF, errno.ESTALE):  # Somebody closed all descriptors, or the folder was replaced.
            self._journal = None
        if not self.lost:
            logger.warning("metrics are being lost: cannot write to %s: %s; still trying", self._folder, error)
        self.lost += records
        self._gap += records

    def _forget_parent(self) -> None:
        self._journal = None
        self._opening = threading.RLock()  # Another thread of the parent may have held the old one.
        self._roller = Roller(self._folder)


class _Journal:
    """An open journal. Its descriptor is closed when the last thread that writes to it lets go of this object.

    That makes closing safe without a lock on every write: a descriptor number is never reused under a writing thread.
    """

    __slots__ = ("descriptor", "name", "opened", "room", "size", "torn")

    def __init__(self, folder: Path, attempt: int, room: int) -> None:
        self.name = str(SourceName(attempt, this_host(), os.getpid(), secrets.token_hex(4)))
        self.torn = False
        self.opened = time.monotonic()
        self.size, self.room = 0, room
        open_here.add(self.name)
        # O_APPEND: each record is one write, so threads need no lock between them. O_EXCL: a name is used once.
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY
        self.descriptor = os.open(folder / self.name, flags, file_mode())

    def __del__(
        self, close: Callable[[int], None] = os.close, forget: Callable[[str], None] = open_here.discard
    ) -> None:
        # What it needs is bound above, because at the end of the process this module may be empty already.
        try:  # noqa: SIM105
            close(self.descriptor)
        except (AttributeError, OSError):
            pass  # It was never opened, or somebody else has closed it.
        forget(self.name)


_writers: weakref.WeakSet[MetricWriter] = weakref.WeakSet()


def _encode(metrics: Mapping[str, Any], step: Any, at: float, phase: str) -> bytes | None:
    """Return the line of what a training loop usually logs, finite numbers and scalar tensors; None for all else."""
    if type(step) is int and type(metrics) is dict:
        for value in metrics.values():
            # Only a finite float minus itself is 0.
            if (type(value) is not float or value - value != 0.0) and type(value) is not int:
                plain = _with_numbers(metrics)
                break
        else:
            plain = metrics
        if plain is None:
            return None
        try:
            if phase:
                return orjson.dumps({"ts": at, "step": step, "metrics": plain, "phase": phase}, None, _OPTIONS)
            return orjson.dumps({"ts": at, "step": step, "metrics": plain}, None, _OPTIONS)
        except TypeError:  # A name that is not plain text, or an integer beyond 2^53.
            pass
    return None


def _with_numbers(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Return metrics with scalars of NumPy and torch as numbers; None if there is anything but finite numbers."""
    numbers = {}
    try:
        for name, value in metrics.items():
            kind = type(value)
            if kind is not float and kind is not int:
                value = (_READERS.get(kind) or _reader(kind))(value)
                kind = type(value)
            if kind is not int and (kind is not float or value - value != 0.0):
                return None
            numbers[name] = value
    except Exception:  # noqa: BLE001 - an object of any class: the careful way finds out what is wrong with it
        return None
    return numbers


_READERS: dict[type, Callable[[Any], Any]] = {}
"""What makes a number of Python's of an object, by its class: those of torch and NumPy that were logged."""


def _reader(kind: type) -> Callable[[Any], Any]:
    if kind.__module__ not in ("torch", "numpy"):
        return lambda value: None
    # `item` of NumPy's takes nine times as long as `float`, which would turn integers into floats.
    _READERS[kind] = float if kind.__name__ in ("float16", "float32", "float64") else methodcaller("item")
    return _READERS[kind]


def _encode_any(metrics: Mapping[str, Any], step: Any, at: float, phase: str, refused: dict[str, str]) -> bytes:
    """Return the line of values of any kind, each on its own: one that cannot be kept affects no other.

    Why it cannot is added to `refused`; the line is empty if none can.
    """
    record: dict[str, Any] = {"ts": at, "step": values.as_step(step)}
    numeric, exact, odd = values.split(metrics)
    refused.update(odd)
    if odd and not numeric and not exact:
        return b""
    if numeric or not exact:
        record["metrics"] = numeric
    if exact:
        record["json"] = exact
    return values.dumps(_of_phase(record, phase)) + b"\n"


def _of_phase(record: dict[str, Any], phase: str) -> dict[str, Any]:
    return {**record, "phase": phase} if phase else record


def _forget_parents() -> None:
    for writer in list(_writers):
        writer._forget_parent()


os.register_at_fork(after_in_child=_forget_parents)
