"""Finds sweeps and trials under any paths, by their marks on disk.

A directory is visited once, whatever links lead to it, and what lies inside a trial is never looked through. A link
below a sweep that leaves it is not followed; what it leads to is a place only if it looks like a trial.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hyperherd.errors import NothingFound
from hyperherd.paths import METRICS_FILE, RECORDS
from hyperherd.records.places import stays_in
from hyperherd.results.files.hydra_job import hydra_folder, is_hydra_folder
from hyperherd.results.files.index.block import Row
from hyperherd.results.files.index.index import Index

_OUR_SWEEP_MARKS = (f"{RECORDS}/sweep.json", f"{RECORDS}/trials.jsonl")
_SWEEP_MARKS = (*_OUR_SWEEP_MARKS, "multirun.yaml", "optimization_results.yaml")
_TRIAL_MARKS = (f"{RECORDS}/trial.json", ".hydra", f"{RECORDS}/attempts", f"{RECORDS}/metrics")
_NO_TRIAL_MARKS = (*_SWEEP_MARKS, "schema.json")
"""Beside these a ``metrics.parquet`` is not a trial's: `herd-results export` wrote it."""
_LEVELS_UP = 5
"""How far above a trial its sweep is looked for: ``hydra.sweep.subdir`` may have slashes."""

_DEEPEST = 8
"""How far below its trial a file is looked at for: a trainer's folders for versions, checkpoints and ranks."""


class TrialFolder(NamedTuple):
    """A directory that is a trial, or that could not be looked into."""

    path: str
    sweep: Path | None = None
    """The directory of the sweep it lies in, absolute; None if there is none above it."""
    error: str = ""
    name: str = ""
    """Its path below the sweep, where that is known."""
    stored: Row | None = None
    """What the index of its sweep still rightly has of it."""
    outside: bool = False
    """Whether a link in the sweep led to it, out of the sweep."""

    @property
    def dir(self) -> Path:
        """The directory, as it was reached."""
        return Path(self.path)


@dataclass
class Discovered:
    """What lies under the paths."""

    sweeps: dict[Path, Path] = field(default_factory=dict)
    """Sweeps that lie under the paths as a whole, so that their planned trials count: absolute -> as it was reached."""
    places: list[TrialFolder] = field(default_factory=list)
    indexes: dict[Path, Index] = field(default_factory=dict)
    """What is kept of these sweeps from the last time."""

    @property
    def count(self) -> int:
        """How many sweeps and trials there are."""
        return len(self.sweeps) + len(self.places)


def discover(paths: Iterable[Path]) -> Discovered:
    """Return the sweeps and trials under `paths`.

    A file or folder in a trial's directory, such as a checkpoint, means that trial; other plain files (a shell's glob
    brings some) are passed over.

    Raises:
        NothingFound: a path does not exist, or there is neither a sweep nor a trial under all of them.
    """
    paths = list(paths)
    walk = _Walk()
    for path in paths:
        if not path.exists():
            raise NothingFound(f"{path} does not exist; give the folder of a sweep, of a trial, or one above them")
        before = walk.found.count
        if path.is_dir():
            walk.under(path)
        if walk.found.count == before and (trial := trial_above(path)):
            walk.under(trial)
    if not walk.found.sweeps and not walk.found.places:
        raise NothingFound(
            f"no sweep or trial found under {', '.join(map(str, paths))}: no folder there has .hyperherd/sweep.json, "
            "multirun.yaml, .hyperherd/trial.json or .hydra. Give the folder that `python script.py -m ...` wrote, "
            "usually ./multirun"
        )
    return walk.found


class _Visit(NamedTuple):
    """A folder to look into, and the sweep it lies in."""

    path: str
    sweep: Path | None = None
    kept: Index | None = None
    below: str = ""
    """Its path below the sweep, with a slash at the end; empty for the sweep itself."""


class _Walk:
    def __init__(self) -> None:
        self.found = Discovered()
        self._visited: list[str] = []
        self._seen: set[tuple[int, int]] | None = None

    def under(self, root: Path) -> None:
        """Visit `root` and what lies below it, symbolic links last, so that a real path names what two lead to."""
        if self._visited:
            self._notice_twins()
        pending: deque[_Visit] = deque([_Visit(str(root), _sweep_above(root))])
        while pending:
            visit = pending.popleft()
            try:
                if self._seen_before(visit.path):
                    continue
                is_trial = _is_trial(visit.path)
                is_sweep = _has_any(visit.path, _OUR_SWEEP_MARKS if is_trial else _SWEEP_MARKS)
                if is_trial and visit.sweep is not None:  # of that sweep; one that lies here too was run by the trial
                    is_sweep = False
                if is_sweep:
                    visit = self._enter(visit.path)
                if is_trial:  # and perhaps the sweep itself, if its plan puts the trial there
                    self.found.places.append(TrialFolder(visit.path, visit.sweep, name=visit.below[:-1]))
                    if not is_sweep:
                        continue
                real, links = _subfolders(visit.path)
                before = len(self.found.places)
                rest = self._unknown(visit, real)
                if any(is_hydra_folder(folder.path) for folder in rest):  # hydra.output_subdir
                    self.found.places[before:] = [TrialFolder(visit.path, visit.sweep, name=visit.below[:-1])]
                    continue
            except FileNotFoundError:  # gone since it was listed
                continue
            except OSError as error:
                self.found.places.append(TrialFolder(visit.path, visit.sweep, f"{error.strerror}: {visit.path}"))
                continue
            # What lies in a folder comes before its neighbours, in order, so that trials are found as they are listed;
            # links wait until all real folders have been seen.
            pending.extendleft(reversed(rest))
            pending.extend(_below(visit, name) for name in links if self._may_follow(visit, name))
            if links:
                self._notice_twins()

    def _may_follow(self, visit: _Visit, name: str) -> bool:
        """Return whether a link may be followed; a trial to which it leads out of its sweep is noted."""
        path = f"{visit.path}/{name}"
        if visit.sweep is None or stays_in(path, visit.sweep):
            return True
        if _is_trial(path):
            self.found.places.append(TrialFolder(path, visit.sweep, name=f"{visit.below}{name}", outside=True))
        return False

    def _enter(self, path: str) -> _Visit:
        sweep = absolute(Path(path))
        self.found.sweeps.setdefault(sweep, Path(path))
        # Read before its trials are: what is written meanwhile then differs from it, and is read anew.
        index = self.found.indexes.setdefault(sweep, Index.read(sweep))
        return _Visit(path, sweep, index)

    def _unknown(self, visit: _Visit, names: list[str]) -> list[_Visit]:
        """Return the folders to be looked into; a trial that is as the index has it is not."""
        if visit.kept is None or not visit.kept.rows:
            return [_below(visit, name) for name in names]
        rest = []
        for name in names:
            path, below = f"{visit.path}/{name}", f"{visit.below}{name}"
            entry = visit.kept.current(below, path)
            if entry is None:
                rest.append(_below(visit, name))
            elif not self._seen_before(path):
                self.found.places.append(TrialFolder(path, visit.sweep, "", below, entry))
        return rest

    def _seen_before(self, path: str) -> bool:
        self._visited.append(path)
        if self._seen is None:
            return False
        try:
            identity = _identity(path)
        except OSError:  # Reading it reports the error.
            return False
        if identity in self._seen:
            return True
        self._seen.add(identity)
        return False

    def _notice_twins(self) -> None:
        """From now on look whether a folder has been visited under another name; before, there was only one way."""
        if self._seen is None:
            self._seen = set()
            for path in self._visited:
                with suppress(OSError):
                    self._seen.add(_identity(path))


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - once for each trial
    return status.st_dev, status.st_ino


def _below(visit: _Visit, name: str) -> _Visit:
    return _Visit(f"{visit.path}/{name}", visit.sweep, visit.kept, f"{visit.below}{name}/")


def is_trial_dir(folder: Path) -> bool:
    """Return whether a folder is that of a trial."""
    return _is_trial(str(folder)) or is_hydra_folder(str(hydra_folder(folder)))


def is_sweep_dir(folder: Path) -> bool:
    """Return whether a folder is that of a sweep."""
    return _has_any(str(folder), _SWEEP_MARKS)


def real_subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder that may hold trials, in order, links left out."""
    return _subfolders(folder)[0]


def trial_above(path: Path) -> Path | None:
    """Return the trial in whose directory a file or folder lies, by its name or where its links lead; None if in none.

    It is spelled as the path is. The folders of a sweep's own records lie in no trial.
    """
    ways = [path, absolute(path)]
    if path.is_symlink():
        ways.append(path.resolve())
    return next((trial for way in ways if (trial := _trial_above(way))), None)


def _trial_above(path: Path) -> Path | None:
    for parent in list(path.parents)[:_DEEPEST]:
        if is_trial_dir(parent):
            return parent
        if _has_any(str(parent), _SWEEP_MARKS):
            return None
    return None


def _is_trial(folder: str) -> bool:
    if _has_any(folder, _TRIAL_MARKS):
        return True
    return _has_any(folder, (METRICS_FILE,)) and not _has_any(folder, _NO_TRIAL_MARKS)


def _sweep_above(folder: Path) -> Path | None:
    for parent in list(absolute(folder).parents)[:_LEVELS_UP]:
        if _has_any(str(parent), _SWEEP_MARKS):
            return parent
    return None


def _has_any(folder: str, marks: Iterable[str]) -> bool:
    return any(os.path.exists(f"{folder}/{mark}") for mark in marks)  # noqa: PTH110 - never raises


def _subfolders(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the real and the linked subfolders, hidden ones left out."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_symlink()) for entry in entries if _may_hold_trials(entry))
    return [name for name, linked in names if not linked], [name for name, linked in names if linked]


def _may_hold_trials(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith((".", "__pycache__")) and entry.is_dir()


def absolute(path: Path) -> Path:
    """Return `path` from the root on, without ``..``; links are kept, since a sweep knows its trials by name."""
    return Path(os.path.abspath(path))  # noqa: PTH100
