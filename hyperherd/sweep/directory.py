"""Claiming the sweep directory: made by us alone, or taken over as it is, and held by one sweep at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import folder_mode, make_folder
from hyperherd.records.lock import SweepLock
from hyperherd.records.places import check_records_inside


@dataclass(frozen=True)
class SweepDirectory:
    """A claimed sweep directory.

    Attributes:
        path: absolute.
        fresh: whether this sweep made it, so that nobody's files can be in it.
        lock: by which it is held.
    """

    path: Path
    fresh: bool
    lock: SweepLock


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
            f"hydra.sweep.dir: {wanted} contains '${{', which Hydra would read as an interpolation; rename it"
        )
    try:
        directory = _make(wanted, timestamped=timestamped)
        # Before the lock is written there: a link could lead it elsewhere.
        check_records_inside(directory.path)
        directory.lock.take()
    except OSError as error:
        raise SweepError(f"hydra.sweep.dir: {wanted} cannot be used: {error}. Choose another directory.") from None
    if (noted := _claims.get()) is not None:
        noted.append(directory.path)
    try:
        yield directory
    finally:
        directory.lock.release()
        if directory.fresh and not SweepPaths(directory.path).sweep.exists():
            with suppress(OSError):  # not empty: somebody has put something there meanwhile
                SweepPaths(directory.path).records.rmdir()
                directory.path.rmdir()


def _make(wanted: Path, *, timestamped: bool) -> SweepDirectory:
    make_folder(wanted.parent)
    for suffix in itertools.count():
        path = wanted.with_name(f"{wanted.name}_{suffix}") if suffix else wanted
        try:
            # Fails if it exists: of two sweeps that start within one second, the other one gets the next suffix.
            path.mkdir(folder_mode())
            return SweepDirectory(path, fresh=True, lock=SweepLock(path))
        except FileExistsError:
            if not path.is_dir():
                raise SweepError(f"hydra.sweep.dir: {path} is a file; choose another directory") from None
            if not timestamped:
                return SweepDirectory(path, fresh=False, lock=SweepLock(path))
    raise AssertionError("unreachable")
