"""Claiming the sweep directory: made by us alone, or taken over as it is, and held by one sweep at a time."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.files import create, read_json
from hyperherd.records.fold import process_started, same_process


@dataclass(frozen=True)
class SweepDirectory:
    """A claimed sweep directory.

    Attributes:
        path: absolute.
        fresh: whether this sweep made it, so that nobody's files can be in it.
    """

    path: Path
    fresh: bool


@contextmanager
def claimed(wanted: Path, *, timestamped: bool) -> Iterator[SweepDirectory]:
    """Claim `wanted` while the block runs; a fresh directory in which nothing was recorded is removed again.

    Args:
        wanted: absolute path of the sweep directory.
        timestamped: whether its name is only a time; then one that exists is another sweep, and ours gets a suffix.

    Raises:
        SweepError: another sweep holds the directory, or it is a file.
    """
    directory = _make(wanted, timestamped=timestamped)
    lock = SweepPaths(directory.path).lock
    _lock(lock)
    try:
        yield directory
    finally:
        lock.unlink(missing_ok=True)
        if directory.fresh and not SweepPaths(directory.path).sweep.exists():
            with suppress(OSError):  # not empty: somebody has put something there meanwhile
                lock.parent.rmdir()
                directory.path.rmdir()


def _make(wanted: Path, *, timestamped: bool) -> SweepDirectory:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for suffix in itertools.count():
        path = wanted.with_name(f"{wanted.name}_{suffix}") if suffix else wanted
        try:
            path.mkdir()
            return SweepDirectory(path, fresh=True)
        except FileExistsError:
            if not path.is_dir():
                raise SweepError(f"hydra.sweep.dir: {path} is a file; choose another directory") from None
            if not timestamped:
                return SweepDirectory(path, fresh=False)
    raise AssertionError("unreachable")


def _lock(lock: Path) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_started": process_started(os.getpid()),
        "time": time.time(),
    }
    if create(lock, holder):
        return
    if _is_held(lock):
        raise SweepError(
            f"another sweep is running in {lock.parent.parent}. Wait for it, or choose another hydra.sweep.dir. "
            f"If its host is gone for good, delete {lock}."
        )
    lock.unlink(missing_ok=True)
    if not create(lock, holder):
        raise SweepError(f"another sweep has just started in {lock.parent.parent}")


def _is_held(lock: Path) -> bool:
    try:
        holder = read_json(lock)
    except FileNotFoundError:
        return False
    except FormatError:  # its holder died while writing it
        return False
    if holder.get("host") != socket.gethostname():
        return True
    return same_process(int(holder.get("pid") or 0), holder.get("pid_started"))
