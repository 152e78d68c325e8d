"""A thread that finds out whether somebody wants the trial to end: one `stat` a second, and nothing in a log call."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from hyperherd.records.requests import read_request, request_path, stop_verdict
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.stopping.stopping import Stopping

LOOKS_EACH = 1.0
"""Seconds. On a network file system it may take a minute until a new file is seen."""


class RequestWatch:
    """Looks until it is closed, or has found a request to end.

    Args:
        sweep_dir: of the trial.
        number: of the trial.
        attempt: which execution of it this is.
        stopping: is told.
    """

    def __init__(self, sweep_dir: Path, number: int, attempt: int, stopping: Stopping) -> None:
        self._sweep_dir, self._number, self._attempt = sweep_dir, number, attempt
        self._path = request_path(sweep_dir, number)
        self._stopping = stopping
        self._seen: tuple[int, int] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hyperherd-requests", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; the next trial of this process may fork before it has threads of its own."""
        self._closed.set()
        self._thread.join(timeout=LOOKS_EACH)

    def _run(self) -> None:
        while not self._closed.wait(LOOKS_EACH):
            if verdict := self._look():
                self._stopping.decide(verdict)
                return

    def _look(self) -> StopVerdict | None:
        with suppress(OSError):  # usually there is none
            status = os.stat(self._path)  # noqa: PTH116 - as often as it is called, in each trial
            seen = status.st_ino, status.st_mtime_ns
            if seen != self._seen:
                self._seen = seen
                request = read_request(self._sweep_dir, self._number)
                return request.verdict(self._attempt) if request is not None else None
        return None


def standing_verdict(sweep_dir: Path, number: int, attempt: int) -> StopVerdict | None:
    """Return why an attempt that begins is to end at once; None if nobody wants that."""
    request = read_request(sweep_dir, number)
    return (request.verdict(attempt) if request is not None else None) or stop_verdict(sweep_dir)
