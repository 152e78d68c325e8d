"""`hyperherd.alert`: what a trial wants people to know now, kept in its directory, and sent by its sweep if asked to.

A call that returns True has handed the alert to the operating system. What comes too often is counted and dropped.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import nearest
from hyperherd.records.alerts import LEVELS, LONGEST, Alert, has_room, open_alerts, write_alert
from hyperherd.trial.log import CurrentTrial, found_trial
from hyperherd.trial.ranks import current_rank

log = logging.getLogger("hyperherd")

_AT_ONCE = 10
"""Alerts of one level that a process may raise at once; then one more each minute."""
_PAUSE = 60.0


def alert(text: str, level: str = "info") -> bool:
    """Let people know something about the running trial: a line below the table, and a notification if they asked.

    Alerts are kept in the trial's directory. Each process may raise ten of a level at once and then one a minute; a
    trial's alerts take at most 1 MiB. A sweep that waits for its trials sends them (``hydra.sweeper.notify``); outside
    of one nobody does.

    Args:
        text: what is to be known; the first 2,000 characters are kept.
        level: ``info``, ``warning`` or ``error``.

    Returns:
        whether it was kept; False if alerts came too often, or the disk does not take it.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job.
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}{nearest(str(level), LEVELS)}; expected one of {', '.join(LEVELS)}")
    trial = found_trial()
    is_kept = _book(trial).add(str(text), level)
    if is_kept:
        report_news(trial.trial_dir)
    return is_kept


def _book(trial: CurrentTrial) -> AlertBook:
    for item in trial.beside:
        if isinstance(item, AlertBook):
            return item
    book = AlertBook(trial.trial_dir, trial.attempt)
    trial.beside.append(book)
    return book


@dataclass
class _Allowance:
    """How many alerts of one level may still come now."""

    left: float = _AT_ONCE
    since: float = 0.0

    def take(self, now: float) -> bool:
        self.left = min(self.left + (now - self.since) / _PAUSE, _AT_ONCE) if self.since else float(_AT_ONCE)
        self.since = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class AlertBook:
    """The alerts of one attempt; each process that raises some has a file of its own. Thread-safe, and after a fork.

    Args:
        trial_dir: of the trial.
        attempt: which.
        clock: counts seconds.
    """

    trial_dir: Path
    attempt: int
    clock: Callable[[], float] = time.monotonic
    _owner: int = field(default_factory=os.getpid)
    _descriptor: int | None = None
    _dropped: int = 0
    _is_failing: bool = False
    _allowances: dict[str, _Allowance] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def add(self, text: str, level: str) -> bool:
        """Keep an alert, and return whether it was kept."""
        self._begin()
        with self._writing:
            allowance = self._allowances.setdefault(level, _Allowance())
            if not allowance.take(self.clock()) or not has_room(self.trial_dir, level):
                self._dropped += 1
                return False
            short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
            return self._write(Alert(time.time(), level, short, self.attempt, current_rank(), self._dropped))

    def close(self) -> None:
        """Note how many were dropped since the last one, and close the file."""
        self._begin()
        with self._writing:
            if self._dropped:
                told = f"{self._dropped} more came too often and were not kept"
                self._write(Alert(time.time(), LEVELS[0], told, self.attempt, current_rank(), self._dropped))
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _begin(self) -> None:
        """Have a file, and a lock, of this process: those of its parent stay the parent's."""
        if self._owner == os.getpid():
            return
        self._writing = threading.Lock()
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
        self._owner, self._descriptor, self._dropped, self._allowances = os.getpid(), None, 0, {}

    def _write(self, found: Alert) -> bool:
        try:
            if self._descriptor is None:
                host = socket.gethostname().split(".")[0]
                name = f"{self.attempt}-{host}-{os.getpid()}-{secrets.token_hex(3)}"
                self._descriptor = open_alerts(self.trial_dir, name)
            write_alert(self._descriptor, found)
        except OSError as error:
            if not self._is_failing:
                self._is_failing = True
                log.warning("alerts cannot be kept: %s", error)
            return False
        self._dropped = 0
        return True


_listener: tuple[int, Callable[[Path], None]] | None = None
"""A process that sweeps, and what it wants to be called when a trial has news that it runs itself."""


@contextmanager
def news_reported_to(listener: Callable[[Path], None]) -> Iterator[None]:
    """While the block runs, call `listener` with the directory of each trial of this very process that has news.

    A launcher that runs trials in the sweep's process returns to the sweep only when the last of them has ended.
    """
    global _listener
    _listener = os.getpid(), listener
    try:
        yield
    finally:
        _listener = None


def report_news(trial_dir: Path) -> None:
    """Tell the sweep, if it runs in this process, that a trial has raised an alert or ended."""
    if _listener is not None and _listener[0] == os.getpid():
        _listener[1](trial_dir)
