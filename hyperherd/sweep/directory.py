"""Claiming the sweep directory: made by us alone, or taken over as it is, and held by one sweep at a time."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.files import read_json, replace_json
from hyperherd.records.fold import process_started, same_process

_TRIES = 5


@dataclass(frozen=True)
class SweepDirectory:
    """A claimed sweep directory.

    Attributes:
        path: absolute.
        fresh: whether this sweep made it, so that nobody's files can be in it.
    """

    path: Path
    fresh: bool


_claims: ContextVar[list[Path] | None] = ContextVar("_claims", default=None)


@contextmanager
def noted_claims() -> Iterator[list[Path]]:
    """Collect the paths of the directories that are claimed while the block runs, for who calls a sweep from Python."""
    found: list[Path] = []
    token = _claims.set(found)
    try:
        yield found
    finally:
        _claims.reset(token)


@contextmanager
def claimed(wanted: Path, *, timestamped: bool) -> Iterator[SweepDirectory]:
    """Claim `wanted` while the block runs; a fresh directory in which nothing was recorded is removed again.

    Args:
        wanted: absolute path of the sweep directory.
        timestamped: whether its name is only a time; then one that exists is another sweep, and ours gets a suffix.

    Raises:
        SweepError: another sweep holds the directory, or it cannot be made.
    """
    if "${" in str(wanted):
        raise SweepError(
            f"hydra.sweep.dir: {wanted} holds '${{', which Hydra would take for an interpolation; rename it"
        )
    try:
        directory = _make(wanted, timestamped=timestamped)
        lock = SweepPaths(directory.path).lock
        held = _lock(lock)
    except OSError as error:
        raise SweepError(f"hydra.sweep.dir: {wanted} cannot be used: {error}. Choose another directory.") from None
    if (noted := _claims.get()) is not None:
        noted.append(directory.path)
    try:
        yield directory
    finally:
        _release(lock, held)
        if directory.fresh and not SweepPaths(directory.path).sweep.exists():
            with suppress(OSError):  # not empty: somebody has put something there meanwhile
                lock.parent.rmdir()
                directory.path.rmdir()


def is_held(sweep_dir: Path) -> bool:
    """Return whether a sweep is running in `sweep_dir`, as far as can be seen from this host."""
    holder = _read(SweepPaths(sweep_dir).lock)
    return holder is not None and _is_alive(holder)


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


def _lock(lock: Path) -> dict[str, Any]:
    """Take the lock and return what it says; one whose holder is gone is moved away first."""
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_started": process_started(os.getpid()),
        "time": time.time(),
        "nonce": secrets.token_hex(8),
    }
    for _ in range(_TRIES):
        if _take(lock, holder):
            return holder
        found = _read(lock)
        if found is not None and _is_alive(found):
            break
        if found is not None:
            _move_away(lock, found)
    raise SweepError(
        f"another sweep is running in {lock.parent.parent}. Wait for it, or choose another hydra.sweep.dir. "
        f"If its host is gone for good, delete {lock}."
    )


def _take(lock: Path, holder: dict[str, Any]) -> bool:
    """Put a finished file in the lock's place unless there is one: nobody ever reads half of it."""
    mine = lock.with_name(f".{lock.name}.{holder['nonce']}")
    replace_json(mine, holder)
    try:
        os.link(mine, lock)
    except FileExistsError:
        return False
    finally:
        mine.unlink()
    return True


def _move_away(lock: Path, stale: dict[str, Any]) -> None:
    """Take a stale lock out of the way; if another sweep did so first and holds its own by now, put that back."""
    aside = lock.with_name(f".{lock.name}.{secrets.token_hex(8)}")
    try:
        lock.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) != stale:
        with suppress(FileExistsError):
            os.link(aside, lock)
    aside.unlink()


def _release(lock: Path, held: dict[str, Any]) -> None:
    if _read(lock) == held:
        lock.unlink(missing_ok=True)


def _read(lock: Path) -> dict[str, Any] | None:
    try:
        return read_json(lock)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FormatError:  # written by hand, or by a disk that was full
        return {}


def _is_alive(holder: dict[str, Any]) -> bool:
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    return same_process(int(holder.get("pid") or 0), holder.get("pid_started"))
