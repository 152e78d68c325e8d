"""Who holds a sweep: `sweep.lock` names the process that runs it, and this is the only answer to whether one does."""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.records.status import process_started, same_process

_TRIES = 5


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
            "nonce": secrets.token_hex(8),
        }

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
                break
            if found is not None:
                _move_away(self._path, found)
        raise SweepError(
            f"another sweep is running in {self._path.parent.parent}. Wait for it, or choose another hydra.sweep.dir. "
            f"If its host no longer exists, delete {self._path}."
        )

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


def is_held(sweep_dir: Path) -> bool:
    """Return whether a sweep is running in `sweep_dir`, as far as can be seen from this host."""
    try:
        holder = _read(SweepPaths(sweep_dir).lock)
    except OSError:  # there is a lock, and nobody here can say that its holder is gone
        return True
    return holder is not None and _is_alive(holder)


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
