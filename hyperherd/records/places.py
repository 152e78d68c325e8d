"""Which paths a record may lead to: those below its sweep's folder, and a trial elsewhere on which both sides agree.

A path is shown whatever it is; it is opened, written or deleted only after it has passed here. Links in the path that a
user gave are followed: the user knows where they lead.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths
from hyperherd.records.trial import TrialRecord

_LEVELS_UP = 5
"""How far above a trial its sweep is looked for, as in reading: ``hydra.sweep.subdir`` may have slashes."""


class Outside(FormatError):
    """A record leads out of the folder it belongs to; the message explains how."""


def below(folder: Path, written: str) -> Path:
    """Return the path that a record names relative to `folder`.

    Raises:
        Outside: it is absolute, has ``..``, or a link on the way leads out of `folder`.
    """
    parts = PurePosixPath(written).parts
    if written.startswith("/") or "\0" in written:
        raise Outside(f"{written!r} in a record of {folder} is not a path below it")
    if ".." in parts:
        raise Outside(f"{written!r} in a record of {folder} has '..'; a record names paths below its folder")
    path = str(folder)
    for part in parts:
        path = f"{path}/{part}"
        # Most paths have no links: looking at each part costs a tenth of resolving the whole path.
        if os.path.islink(path) and not stays_in(path, folder):  # noqa: PTH114 - for each trial of thousands
            raise Outside(f"{path} is a link that leaves {folder}; it is not followed")
    return folder / written


def is_below(written: str) -> bool:
    """Return whether a path in a record is relative and has no ``..``, whatever links may be on the way."""
    return not written.startswith("/") and ".." not in PurePosixPath(written).parts


def stays_in(path: Path | str, folder: Path | str) -> bool:
    """Return whether the real place of `path` is that of `folder`, or below it."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return real == root or real.startswith(root.rstrip("/") + "/")


def trial_dir_of(sweep_dir: Path, written: str, number: int) -> Path:
    """Return the directory that a sweep's plan gives to a trial.

    Outside of the sweep it counts only if both sides agree: the plan names it, its `trial.json` names this sweep and
    this number, and one user owns both. So no folder can claim what is another's.

    Raises:
        Outside: it may not be opened; the message explains why.
        FileNotFoundError: it is outside, and has no `trial.json` yet that could agree.
    """
    try:
        return below(sweep_dir, written)
    except Outside as reason:
        found = sweep_dir / written
        if "\0" in written or (fault := disagreement(sweep_dir, found, number)):
            raise Outside(f"{reason}: {fault}" if "\0" not in written else str(reason)) from None
        return found


def disagreement(sweep_dir: Path, trial_dir: Path, number: int) -> str:
    """Return why a directory outside of a sweep is not that of its trial `number`; an empty string if it is.

    Raises:
        FileNotFoundError: it has no `trial.json`.
    """
    try:
        if trial_dir.stat().st_uid != sweep_dir.stat().st_uid:
            return "it and the sweep belong to different users"
        record = TrialRecord.read(trial_dir)
    except FileNotFoundError:
        raise
    except (OSError, FormatError) as error:
        return f"its trial.json cannot be read: {error}"
    if not isinstance(record.sweep, str):
        return "its trial.json does not name the sweep"
    if os.path.realpath(record.sweep) != os.path.realpath(sweep_dir) or record.number != number:
        return f"its trial.json belongs to trial {record.number!r} of {record.sweep!r}"
    return ""


def leaves(path: Path | str, trial_dir: Path | str) -> bool:
    """Return whether `path`, a file or folder of a trial, is a link that leaves the trial and the sweep it lies in."""
    return os.path.islink(path) and not stays_in(path, _home_of(Path(trial_dir)))  # noqa: PTH114 - as in `below`


def in_place(path: Path, trial_dir: Path) -> Path:
    """Return `path`, a file of a trial, to be opened.

    Raises:
        Outside: it is a link that leaves the sweep, or a folder between it and the trial is one.
    """
    for part in (path, *path.parents):
        if part == trial_dir:
            break
        if leaves(part, trial_dir):
            raise Outside(f"{part} is a link that leaves the sweep; it is not followed")
    return path


def _home_of(trial_dir: Path) -> Path:
    absolute = Path(os.path.abspath(trial_dir))  # noqa: PTH100 - links are kept: a trial may have been reached by one
    for parent in list(absolute.parents)[:_LEVELS_UP]:
        paths = SweepPaths(parent)
        if any(os.path.lexists(mark) for mark in (paths.sweep, paths.trials, paths.multirun)):
            return parent
    return absolute


def check_records_inside(sweep_dir: Path) -> None:
    """Look whether a sweep's own files lie in its folder, before one of them is written.

    Raises:
        Outside: a link leads elsewhere.
    """
    paths = SweepPaths(sweep_dir)
    for path in (paths.sweep, paths.trials, paths.lock, paths.events, paths.requests, paths.notified, paths.multirun):
        below(sweep_dir, path.relative_to(sweep_dir).as_posix())
