"""What a log call does: one line, one ``write`` on an ``O_APPEND`` descriptor, before the call returns.

Invariant: a record is in the hands of the operating system when the call returns, or it has been counted as lost and
the user has been told; no two processes write to one journal; nothing wrong with the disk stops the training.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from hyperherd.metrics import values
from hyperherd.metrics.journal import JournalName, open_here, this_host
from hyperherd.paths import TrialPaths

logger = logging.getLogger("hyperherd")

# Strict integers: one that a float cannot hold exactly is refused, and takes the careful way.
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_STRICT_INTEGER


class MetricWriter:
    """Appends what one attempt of a trial logs to a journal of this process, made at the first record.

    Any thread may log. A forked child logs to a journal of its own. Logging after `close` opens a new one.

    Args:
        trial_dir: the trial's directory; it need not exist yet.
        attempt: number of the execution, from 0.
    """

    def __init__(self, trial_dir: Path, attempt: int) -> None:
        self._folder = TrialPaths(Path(trial_dir).absolute()).metrics
        self._attempt = attempt
        self._journal: _Journal | None = None
        self._opening = threading.RLock()  # Reentrant: a signal handler may log while we open.
        self.lost = 0
        """Records that could not be written."""
        _writers.add(self)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Append one record: values of several metrics at one step.

        Raises:
            TypeError: the step is no integer, or JSON cannot hold a value; nothing has been written then.
        """
        self._append(_encode(metrics, step))

    def log_final(self, values_: Mapping[str, Any]) -> None:
        """Append final values, which have no step; the last one under a name wins.

        Raises:
            TypeError: JSON cannot hold a value; nothing has been written then.
        """
        self._append(values.dumps({"ts": time.time(), "final": values.final(values_)}) + b"\n")

    def close(self) -> None:
        """Let go of the journal; its file is closed as soon as no thread is writing to it."""
        self._journal = None
        if self.lost:
            logger.warning("%d records of metrics could not be written to %s", self.lost, self._folder)

    def _append(self, line: bytes) -> None:
        try:
            # The local reference keeps the descriptor open while this thread needs it, whoever calls close().
            journal = self._journal or self._open()
            if journal.torn:
                line = b"\n" + line
            written = os.write(journal.descriptor, line)
        except OSError as error:
            self._lose(error)
            return
        if written != len(line):
            journal.torn = True
            self._lose(OSError(errno.ENOSPC, "only part of a record was written"))
        elif journal.torn:
            journal.torn = False

    def _open(self) -> _Journal:
        with self._opening:
            if self._journal is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._journal = _Journal(self._folder, self._attempt)
            return self._journal

    def _lose(self, error: OSError) -> None:
        if error.errno in (errno.EBADF, errno.ESTALE):  # Somebody closed all descriptors, or the folder was replaced.
            self._journal = None
        self.lost += 1
        if self.lost == 1:
            logger.warning("metrics are being lost: cannot write to %s: %s; still trying", self._folder, error)

    def _forget_parent(self) -> None:
        self._journal = None
        self._opening = threading.RLock()  # Another thread of the parent may have held the old one.


class _Journal:
    """An open journal. Its descriptor is closed when the last thread that writes to it lets go of this object.

    That makes closing safe without a lock on every write: a descriptor number is never reused under a writing thread.
    """

    __slots__ = ("descriptor", "name", "torn")

    def __init__(self, folder: Path, attempt: int) -> None:
        self.name = str(JournalName(attempt, this_host(), os.getpid(), secrets.token_hex(4)))
        self.torn = False
        open_here.add(self.name)
        self.descriptor = os.open(folder / self.name, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY, 0o666)

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


def _encode(metrics: Mapping[str, Any], step: Any) -> bytes:
    """Return one line; what a training loop usually logs, finite floats and small integers, goes the short way."""
    if type(step) is int and type(metrics) is dict:
        for value in metrics.values():
            # Only a finite float minus itself is 0.
            if (type(value) is not float or value - value != 0.0) and type(value) is not int:
                break
        else:
            try:
                return orjson.dumps({"ts": time.time(), "step": step, "metrics": metrics}, None, _OPTIONS)
            except TypeError:  # A name that is no plain text, or an integer beyond 2^53.
                pass
    return _encode_any(metrics, step)


def _encode_any(metrics: Mapping[str, Any], step: Any) -> bytes:
    record: dict[str, Any] = {"ts": time.time(), "step": values.as_step(step)}
    numeric, exact = values.split(metrics)
    if numeric or not exact:
        record["metrics"] = numeric
    if exact:
        record["json"] = exact
    return values.dumps(record) + b"\n"


def _forget_parents() -> None:
    for writer in list(_writers):
        writer._forget_parent()


os.register_at_fork(after_in_child=_forget_parents)
