"""What a tracker has of a run already, and who may send to it now.

Invariant: a value is noted after the tracker has acknowledged it, with one append, so a kill forgets at most what was
acknowledged in the instant before; two processes never send the same run at the same time.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import file_mode, make_folder
from hyperherd.records.places import below

_SIZE = 8


class Ledger:
    """The values of one run that a tracker has acknowledged, eight bytes each.

    Args:
        path: of its file; None keeps it in memory alone, where the tracker itself can be asked.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._known: set[bytes] = set()
        self._descriptor = -1
        if path is None:
            return
        make_folder(path.parent)
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW, file_mode())
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        data = os.pread(self._descriptor, status.st_size, 0)
        whole = len(data) - len(data) % _SIZE
        if whole != len(data):  # A full disk took half an entry.
            os.ftruncate(self._descriptor, whole)
        self._known.update(data[at : at + _SIZE] for at in range(0, whole, _SIZE))

    def __contains__(self, entry: bytes) -> bool:
        return entry in self._known

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, entries: Iterable[bytes]) -> None:
        """Note what has been acknowledged."""
        new = [entry for entry in entries if entry not in self._known]
        if new and self._descriptor >= 0:
            os.write(self._descriptor, b"".join(new))
        self._known.update(new)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def ledgers(sweep_dir: Path, target: str) -> Path:
    """Return the folder of the ledgers of a sweep for one target.

    Raises:
        Outside: a link on the way leaves the sweep.
    """
    paths = SweepPaths(sweep_dir)
    return below(sweep_dir, f"{paths.records.name}/forwarded/{target}")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes that do the same waiting; the system lets the next one go on if this one is killed.

    Args:
        path: a file that is made for it, and stays.

    Raises:
        OSError: it cannot be made.
    """
    make_folder(path.parent)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, file_mode())
    try:
        with suppress(OSError):  # A file system without locks: who starts it twice at once there has to see to that.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
