"""Which files of a trial are checkpoints: by the names that Lightning, transformers and torch use, or by its record.

Invariant: what results are read from is never among them, nor is anything that a link leads to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from hyperherd.paths import METRICS_FILE, RECORDS
from hyperherd.results.files.discover import is_sweep_dir, is_trial_dir

_FILES = ("*.ckpt", "*.pt", "*.pth", "*.safetensors", "pytorch_model*.bin")
_FOLDER = re.compile(r"checkpoint-\d+|.*\.ckpt")
"""A folder that is a checkpoint as a whole: the Trainer's, and Lightning's of a strategy that writes several files."""
_NEVER = (METRICS_FILE, "*.log", "*.jsonl", "*.csv", "*.yaml", "trainer_state.json", "events.out.tfevents.*")
"""Files that results are read from, or that say what was run, wherever they lie."""
_HIDDEN = (RECORDS, ".hydra")
_NAMING = re.compile(r"checkpoint|ckpt|weights|model_path", re.IGNORECASE)
"""Names of final values that are paths of checkpoints, such as ``best_model_path``."""


@dataclass(frozen=True)
class StoredFile:
    """A regular file below a folder, as it was when it was found."""

    name: str
    """Its path below the folder."""
    size: int
    inode: tuple[int, int]
    links: int
    modified: float


def checkpoint_files(trial_dir: Path, final: Mapping[str, Any]) -> list[StoredFile]:
    """Return the files of all checkpoints in a trial's directory, sorted; other trials in it are passed over.

    Args:
        trial_dir: the trial's directory.
        final: the values that the trial logged without a step; some name a checkpoint.
    """
    named = set(_named(trial_dir, final))
    return [file for file in _walked(trial_dir) if _is_checkpoint(PurePath(file.name), named)]


def stored_files(folder: Path) -> list[StoredFile]:
    """Return all regular files below a folder."""
    return list(_files(folder, (str(root) for root, _, _ in os.walk(folder))))


def freed_bytes(files: Iterable[StoredFile]) -> int:
    """Return how much room deleting files frees: each content once, and only if all its names are among them."""
    names: dict[tuple[int, int], list[StoredFile]] = {}
    for file in files:
        names.setdefault(file.inode, []).append(file)
    return sum(found[0].size for found in names.values() if found[0].links <= len(found))


def _is_checkpoint(path: PurePath, named: set[str]) -> bool:
    if any(fnmatch(path.name, pattern) for pattern in _NEVER):
        return False
    places = {str(path), *map(str, path.parents)} - {"."}
    in_folder = any(_FOLDER.fullmatch(part) for part in path.parts[:-1])
    return in_folder or not named.isdisjoint(places) or any(fnmatch(path.name, pattern) for pattern in _FILES)


def _named(trial_dir: Path, final: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths below the trial that its record calls checkpoints."""
    for name, value in final.items():
        if isinstance(value, str) and value and _NAMING.search(name):
            relative = os.path.relpath(trial_dir.absolute() / value, trial_dir.absolute())
            if relative != "." and not relative.startswith(".."):
                yield relative


def _walked(trial_dir: Path) -> Iterator[StoredFile]:
    return _files(trial_dir, _own_folders(trial_dir))


def _own_folders(trial_dir: Path) -> Iterator[str]:
    """Yield the folders of one trial: no records, nothing that a link leads to, no other trial or sweep."""
    for root, folders, _ in os.walk(trial_dir):
        folders[:] = sorted(name for name in folders if name not in _HIDDEN)
        if root != str(trial_dir) and (is_trial_dir(Path(root)) or is_sweep_dir(Path(root))):
            folders.clear()
            continue
        yield root


def _files(folder: Path, roots: Iterable[str]) -> Iterator[StoredFile]:
    for root in roots:
        with os.scandir(root) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    inode = (status.st_dev, status.st_ino)
                    name = os.path.relpath(entry.path, folder)
                    yield StoredFile(name, status.st_size, inode, status.st_nlink, status.st_mtime)
