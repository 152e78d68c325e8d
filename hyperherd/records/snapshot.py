"""The snapshot that this process runs from, if it does: the project's files as they were when the sweep was planned.

Invariant: once one is in use, a path of the project means the file in the snapshot, wherever the snapshot has it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

VARIABLE = "HYPERHERD_SNAPSHOT"
"""Set in a process that runs from a snapshot, and so in all that it starts: the folder."""
_CACHES = "__pycache__"


@dataclass(frozen=True)
class Snapshot:
    """A copy of a project.

    Attributes:
        root: the project's folder, absolute.
        folder: of the copy, absolute; its name is the hash of what is in it.
    """

    root: str
    folder: str

    @property
    def name(self) -> str:
        """The hash of its content."""
        return os.path.basename(self.folder)  # noqa: PTH119 - asked for each path

    @cached_property
    def _roots(self) -> tuple[str, ...]:
        # A path may be written with the links on its way or without them: an editable install has the latter.
        return tuple(dict.fromkeys((self.root, os.path.realpath(self.root))))

    def relative(self, path: str) -> str | None:
        """Return a path of the project, or of the snapshot, below its root; None for any other path."""
        for root in (self.folder, *self._roots):  # first, for the sweep may lie in the project
            if path == root:
                return "."
            if path.startswith(f"{root.rstrip('/')}/"):
                return path[len(root.rstrip("/")) + 1 :]
        return None

    def inside(self, path: str) -> str:
        """Return where the snapshot has a path of the project; the path itself if it has not, or it is no such path."""
        below = self.relative(path)
        if below is None:
            return path
        found = os.path.normpath(f"{self.folder}/{below}")
        return found if os.path.lexists(found) else path

    def digest(self) -> str:
        """Return the hash of what is there now, which its name is unless somebody has changed it."""
        return digest(Path(self.folder))


_in_use: Snapshot | None = None


def use(snapshot: Snapshot) -> None:
    """Let this process, and what it forks, run from a snapshot from now on."""
    global _in_use
    _in_use = snapshot


def in_use() -> Snapshot | None:
    """Return the snapshot that this process runs from; None if it runs the project's own files."""
    return _in_use


def digest(folder: Path) -> str:
    """Return the hash of a tree: names, contents, which files can be executed, and where links lead."""
    found = hashlib.sha256()
    for name, path in sorted(_entries(folder)):
        if path.is_symlink():
            kind, content = b"link", os.fsencode(path.readlink())
        else:
            kind, content = b"run" if path.stat().st_mode & 0o100 else b"file", path.read_bytes()
        for part in (os.fsencode(name), kind, content):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:16]


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if name != _CACHES]  # Python writes them when it imports
        for name in files + [name for name in names if Path(parent, name).is_symlink()]:
            path = Path(parent, name)
            yield str(path.relative_to(folder)), path
