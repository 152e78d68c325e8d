"""Finds sweeps and trials under any paths, by their marks on disk.

A directory is visited once, whatever links lead to it, and what lies inside a trial is never looked through.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import NothingFound
from hyperherd.paths import RECORDS

_SWEEP_MARKS = (f"{RECORDS}/sweep.json", f"{RECORDS}/trials.jsonl", "multirun.yaml")
_TRIAL_MARKS = (f"{RECORDS}/trial.json", ".hydra", f"{RECORDS}/attempts", f"{RECORDS}/metrics")
_LEVELS_UP = 5
"""How far above a trial its sweep is looked for: ``hydra.sweep.subdir`` may have slashes."""


@dataclass(frozen=True)
class Place:
    """A directory that is a trial, or that could not be looked into."""

    dir: Path
    sweep: Path | None = None
    """The directory of the sweep it lies in, absolute; None if there is none above it."""
    error: str = ""


@dataclass
class Found:
    """What lies under the paths."""

    sweeps: dict[Path, Path] = field(default_factory=dict)
    """Sweeps that lie under the paths as a whole, so that their planned trials count: absolute -> as it was reached."""
    places: list[Place] = field(default_factory=list)


def discover(paths: Iterable[Path]) -> Found:
    """Return the sweeps and trials under `paths`; plain files among them (a shell's glob brings some) are passed over.

    Raises:
        NothingFound: a path does not exist, or there is neither a sweep nor a trial under all of them.
    """
    paths = list(paths)
    walk = _Walk()
    for path in paths:
        if not path.exists():
            raise NothingFound(f"{path} does not exist; give the folder of a sweep, of a trial, or one above them")
        if path.is_dir():
            walk.under(path)
    if not walk.found.sweeps and not walk.found.places:
        raise NothingFound(
            f"no sweep or trial found under {', '.join(map(str, paths))}: no folder there has .hyperherd/sweep.json, "
            "multirun.yaml, .hyperherd/trial.json or .hydra. Give the folder that `python script.py -m ...` wrote, "
            "usually ./multirun"
        )
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found = Found()
        self._seen: set[tuple[int, int]] = set()

    def under(self, root: Path) -> None:
        """Visit `root` and what lies below it, symbolic links last, so that a real path names what two lead to."""
        pending: deque[tuple[Path, Path | None]] = deque([(root, _sweep_above(root))])
        while pending:
            folder, sweep = pending.popleft()
            try:
                if self._seen_before(folder):
                    continue
                if _has_any(folder, _TRIAL_MARKS):
                    self.found.places.append(Place(folder, sweep))
                    continue
                if _has_any(folder, _SWEEP_MARKS):
                    sweep = absolute(folder)
                    self.found.sweeps.setdefault(sweep, folder)
                real, links = _subfolders(folder)
            except FileNotFoundError:  # gone since it was listed
                continue
            except OSError as error:
                self.found.places.append(Place(folder, sweep, f"{error.strerror}: {folder}"))
                continue
            pending.extendleft((child, sweep) for child in reversed(real))
            pending.extend((child, sweep) for child in links)

    def _seen_before(self, folder: Path) -> bool:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return True
        self._seen.add(identity)
        return False


def is_trial_dir(folder: Path) -> bool:
    """Return whether a folder is that of a trial."""
    return _has_any(folder, _TRIAL_MARKS)


def _sweep_above(folder: Path) -> Path | None:
    for parent in list(absolute(folder).parents)[:_LEVELS_UP]:
        if _has_any(parent, _SWEEP_MARKS):
            return parent
    return None


def _has_any(folder: Path, marks: Iterable[str]) -> bool:
    return any(os.path.exists(f"{folder}/{mark}") for mark in marks)  # noqa: PTH110 - never raises


def _subfolders(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the real and the linked subfolders, hidden ones left out."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_symlink()) for entry in entries if _may_hold_trials(entry))
    real = [folder / name for name, linked in names if not linked]
    return real, [folder / name for name, linked in names if linked]


def _may_hold_trials(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith((".", "__pycache__")) and entry.is_dir()


def absolute(path: Path) -> Path:
    """Return `path` from the root on, without ``..``; links are kept, since a sweep knows its trials by name."""
    return Path(os.path.abspath(path))  # noqa: PTH100
