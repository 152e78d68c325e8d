"""Which files of a project belong into a snapshot: those that git does not ignore, without outputs and environments."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path

from hyperherd.paths import RECORDS

_NEVER = frozenset((".git", ".hg", ".svn", ".jj", "__pycache__", ".venv", ".tox", ".nox", "node_modules", ".eggs"))
_NEVER |= {
    RECORDS,
    ".hydra",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".cache",
    ".ipynb_checkpoints",
}
_SECRET = frozenset((".env", ".netrc", ".git-credentials", ".pgpass", ".pypirc"))
_COMPILED = (".pyc", ".pyo")
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
_OUTPUT = (RECORDS, ".hydra", "multirun.yaml")
_GIT_SECONDS = 60.0
MOST_FILES = 50_000
"""In one snapshot."""

log = logging.getLogger("hyperherd")


@dataclass(frozen=True)
class Selection:
    """What a snapshot takes of a project.

    Attributes:
        root: the project's folder, absolute.
        script: relative to that. Where git ignores it, a repository around the project knows nothing of this.
        configs: folders of configs, relative to that; git often ignores some there, which are one's own.
        exclude: the user's patterns, as lines of a .gitignore: one without a slash is of a name at any depth.
    """

    root: str
    script: str
    configs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @cached_property
    def names(self) -> list[str]:
        """Files and links, relative to the root."""
        listed = _listed_by_git(self.root)
        if listed is None and any((folder / ".git").exists() for folder in (Path(self.root), *Path(self.root).parents)):
            log.warning(
                "hydra.sweeper.snapshot: git does not list the files of %s (is it installed, and is the repository "
                "yours?), so what it ignores is copied, too",
                self.root,
            )
        if listed is None or self.script not in listed:
            return sorted(islice(self._walked("."), MOST_FILES + 1))
        return sorted({*filter(self._stays, listed), *self._configs()})

    def _configs(self) -> Iterator[str]:
        for folder in self.configs:
            if f"{self.script}/".startswith(f"{folder}/") or folder == ".":  # beside the code, there may be data below
                found = (os.path.normpath(f"{folder}/{path.name}") for path in Path(self.root, folder).glob("*.yaml"))
                yield from filter(self._takes_file, found)
            else:
                yield from (name for name in self._walked(folder) if name.endswith(".yaml"))

    def excludes(self, name: str) -> bool:
        """Return whether a pattern of the user leaves a file out."""
        parts = name.split("/")
        return any(
            _matches("/".join(parts[:end]), pattern, is_folder=end < len(parts))
            for end in range(1, len(parts) + 1)
            for pattern in self.exclude
        )

    def _stays(self, name: str) -> bool:
        folders = name.split("/")[:-1]
        above = ("/".join(folders[:end]) for end in range(1, len(folders) + 1))
        return not any(map(self._leaves_out_folder, above)) and self._takes_file(name)

    def _walked(self, start: str) -> Iterator[str]:
        for folder, folders, files in os.walk(os.path.normpath(f"{self.root}/{start}")):
            below = os.path.relpath(folder, self.root)
            prefix = "" if below == "." else f"{below}/"
            links = [name for name in folders if Path(folder, name).is_symlink()]
            folders[:] = [name for name in folders if not self._leaves_out_folder(prefix + name)]
            yield from (prefix + name for name in [*files, *links] if self._takes_file(prefix + name))

    def _takes_file(self, name: str) -> bool:
        last = name.rpartition("/")[2]
        if last in _SECRET or last.startswith(".env.") or last in _NEVER or last.endswith(_COMPILED):
            return False
        path = Path(self.root, name)
        # A folder is a repository of its own that git lists by its name alone.
        is_one = path.is_symlink() or path.is_file()
        return is_one and not self.excludes(name)

    @cached_property
    def _folders(self) -> dict[str, bool]:
        return {}

    def _leaves_out_folder(self, name: str) -> bool:
        if name not in self._folders:
            is_config = any(f"{name}/".startswith(f"{folder}/") for folder in self.configs)
            outputs = _OUTPUT[:-1] if is_config else _OUTPUT  # a config may have that name, too
            marks = (f"{self.root}/{name}/{mark}" for mark in (*_ENVIRONMENT, *outputs))
            self._folders[name] = (
                name.rpartition("/")[2] in _NEVER
                or any(map(os.path.lexists, marks))
                or any(_matches(name, pattern, is_folder=True) for pattern in self.exclude)
            )
        return self._folders[name]


def _matches(name: str, pattern: str, *, is_folder: bool) -> bool:
    if pattern.endswith("/") and not is_folder:
        return False
    wanted = pattern.strip("/")
    return fnmatchcase(name if "/" in pattern.rstrip("/") else name.rpartition("/")[2], wanted)


def _listed_by_git(root: str) -> list[str] | None:
    """Return what git tracks, or would track, below a folder, in its submodules too; None without git."""
    arguments = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = git_lines(root, *arguments)
    if found is None:
        return None
    names = list(dict.fromkeys(found))
    for name in list(names):
        if os.path.lexists(f"{root}/{name.rstrip('/')}/.git"):
            inner = _listed_by_git(f"{root}/{name.rstrip('/')}")
            names += [f"{name.rstrip('/')}/{one}" for one in inner or ()]
    return names


def git_lines(folder: str, *arguments: str) -> Sequence[str] | None:
    """Return what git prints, parted by null bytes; None if there is no git, no repository, or no answer in time."""
    command = ["git", "-C", folder, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    return [os.fsdecode(part) for part in done.stdout.split(b"\0") if part]
