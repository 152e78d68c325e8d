"""Who holds a sweep: `sweep.lock` names the process that runs it, and this is the only answer to whether one does.

Whether a process of another host runs cannot be seen here. It touches its lock as long as it does, so a lock that has
not been touched for long is probably a dead sweep's. It is not taken over even so: a host that was suspended, or cut
off from the disk, comes back. Whoever meets such a lock reports it, with what to do, and does not wait for it.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.escape import one_line
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import number, read_json, replace_json
from hyperherd.records.status import SILENCE, process_started, same_process

_TRIES = 5
BEAT = 30.0
"""Seconds after which a sweep touches its lock again."""


@dataclass(frozen=True)
class LockHolder:
    """The process that a lock names, as far as it may be running."""

    path: Path
    """The lock."""
    host: str = ""
    pid: int = 0
    silent: float | None = None
    """Seconds since its last sign of life; None for a process of this host, which is known to run."""
    unread: str = ""
    """Why the lock cannot be read; then nothing else is known."""

    @property
    def is_silent(self) -> bool:
        """Whether it is on another host, and has shown for so long no sign of life that it is probably gone."""
        return self.silent is not None and self.silent > SILENCE

    def __str__(self) -> str:
        if self.unread:
            return f"its lock cannot be read ({one_line(self.unread)})"
        where = f"process {self.pid}" + ("" if self.silent is None else f" on {one_line(self.host)}")
        if not self.is_silent:
            return f"{where} runs it"
        return (
            f"{where} locked it, and its last sign of life was {_ago(self.silent or 0.0)} ago. If it no longer runs "
            f"there (`ps -p {self.pid}`), or the host no longer exists, delete {self.path}"
        )


def _ago(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"


class SweepLock:
    """The lock of a sweep directory, for the process that runs the sweep.

    Args:
        sweep_dir: the sweep's directory.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self._path = SweepPaths(sweep_dir).lock
        self._holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pid_started": process_started(os.getpid()),
            "time": time.time(),
            "beat": BEAT,
            "nonce": secrets.token_hex(8),
        }
        self._touched = 0.0

    def take(self) -> None:
        """Take the lock; one whose holder is gone is moved away first.

        Raises:
            SweepError: another sweep holds it.
            OSError: the directory cannot be used.
        """
        for _ in range(_TRIES):
            if self._put():
                return
            found = _read(self._path)
            if found is not None and _is_alive(found):
                raise SweepError(_refusal(self._path, _holder(self._path, found)))
            if found is not None:
                _move_away(self._path, found)
        raise SweepError(
            f"another sweep is running in {self._path.parent.parent}. Wait for it, or choose another hydra.sweep.dir. "
            f"If its host no longer exists, delete {self._path}."
        )

    def beat(self) -> None:
        """Show that the sweep still runs; cheap to call often."""
        now = time.monotonic()
        if now - self._touched >= BEAT:
            self._touched = now
            with suppress(OSError):  # deleted by hand, or the disk is away: that ends no sweep
                os.utime(self._path)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Show that the sweep runs while the block does, from a thread of its own."""
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(BEAT):
                self.beat()

        thread = threading.Thread(target=beat, name="hyperherd-lock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def release(self) -> None:
        """Remove the lock, unless another sweep holds it by now."""
        if _read(self._path) == self._holder:
            self._path.unlink(missing_ok=True)

    def _put(self) -> bool:
        """Put a finished file in the lock's place unless there is one: nobody ever reads half of it."""
        mine = self._path.with_name(f".{self._path.name}.{self._holder['nonce']}")
        replace_json(mine, self._holder)
        try:
            os.link(mine, self._path)  # O_EXCL would show an empty file for an instant, which reads as a broken lock
        except FileExistsError:
            return False
        finally:
            mine.unlink()
        return True


def lock_holder(sweep_dir: Path) -> LockHolder | None:
    """Return who is running a sweep in `sweep_dir`, as far as can be seen from this host; None if nobody is."""
    lock = SweepPaths(sweep_dir).lock
    try:
        found = _read(lock)
    except OSError as error:  # there is a lock, and nobody here can say that its holder is gone
        return LockHolder(lock, unread=str(error))
    return _holder(lock, found) if found is not None and _is_alive(found) else None


def is_held(sweep_dir: Path) -> bool:
    """Return whether a sweep may be running in `sweep_dir`; also if it is probably dead (:class:`LockHolder`)."""
    return lock_holder(sweep_dir) is not None


def may_start_trials(sweep_dir: Path) -> bool:
    """Return whether a sweep runs in `sweep_dir`, and has not been silent for so long that it is probably dead."""
    holder = lock_holder(sweep_dir)
    return holder is not None and not holder.is_silent


def _holder(lock: Path, found: dict[str, Any]) -> LockHolder:
    is_here = found["host"] == socket.gethostname()
    return LockHolder(lock, found["host"], found["pid"], None if is_here else _silence(lock, found))


def _silence(lock: Path, found: dict[str, Any]) -> float:
    """Return for how long a holder on another host has been silent; before there were beats only the start is known."""
    taken = None if "beat" in found else number(found.get("time"))
    try:
        return max(time.time() - (lock.stat().st_mtime if taken is None else taken), 0.0)
    except OSError:  # released, or taken over, since it was read
        return 0.0


def _refusal(lock: Path, holder: LockHolder) -> str:
    folder = lock.parent.parent
    if holder.is_silent:
        return f"{folder} cannot be used: {holder}, and run this again. Or choose another hydra.sweep.dir."
    return (
        f"another sweep is running in {folder}: {holder}. Wait for it, or choose another hydra.sweep.dir. "
        f"If its host no longer exists, delete {lock}."
    )


def _move_away(lock: Path, stale: dict[str, Any]) -> None:
    """Take a stale lock out of the way; if another sweep did so first and holds its own by now, put that back."""
    aside = lock.with_name(f".{lock.name}.{secrets.token_hex(8)}")
    try:
        # Not deleted at once: since we read it another sweep may have put its own there, and would lose that.
        lock.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) != stale:
        with suppress(FileExistsError):
            os.link(aside, lock)
    aside.unlink()


def _read(lock: Path) -> dict[str, Any] | None:
    """Return what a lock says: None if there is none, and nothing if it is broken."""
    try:
        return read_json(lock)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FormatError:  # written by hand, or by a disk that was full
        return {}


def _is_alive(holder: dict[str, Any]) -> bool:
    """Return whether a lock's holder may be running: only a process of this host can be known to be gone.

    A lock that no sweep could have written, with a number of no process for example, belongs to nobody.
    """
    host, pid, started = holder.get("host"), holder.get("pid"), holder.get("pid_started")
    if not isinstance(host, str) or not isinstance(pid, int) or pid < 1:  # 0 and below are groups of processes
        return False
    if host != socket.gethostname():
        return True
    return same_process(pid, started if isinstance(started, int | float) else None)
