"""Which code runs: the script and the project's modules, each with a hash of its text.

Invariant: a file counts as it was when this process, or the one that it was forked from, first saw it imported.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import hyperherd
from hyperherd.records.snapshot import in_use

_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_FOREIGN = ("site-packages", "dist-packages")
_LIBRARIES = tuple(f"{prefix}/{name}/" for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64", "bin"))
"""Of the environment of this process. Beside them there may be a project: in containers often `/usr/src/app`."""
_MOST_FILES = 2_000

_seen: dict[str, str] = {}
"""Path -> hash; a forked child has what its parent saw."""


def imported_code(script: str) -> dict[str, str]:
    """Return path -> hash of the script and of every module of its project that is imported, relative to the project.

    In a process that runs from a snapshot the absolute path of what that lacks, and was imported nevertheless.

    Args:
        script: absolute path.
    """
    frozen = in_use()
    root = frozen.folder if frozen else project_root(script)
    script = frozen.inside(script) if frozen else script
    roots = (root, frozen.root) if frozen else (root,)  # the latter for what the snapshot lacks
    below = tuple(f"{one.rstrip('/')}/" for one in roots)
    own = str(Path(hyperherd.__file__).parent)  # with what begins like it: our other packages lie beside
    files = {script: None}
    # A copy, because another thread may be importing.
    for module in list(sys.modules.values()):
        known = getattr(module, "__dict__", None)
        file = known.get("__file__") if isinstance(known, dict) else None
        # The folder first: there are thousands of modules, of which few are the project's.
        if not isinstance(file, str) or not file.startswith(below) or not file.endswith(".py"):
            continue
        if not file.startswith(own) and not is_foreign(file):
            files[file] = None
    found = {}
    for path in list(files)[:_MOST_FILES]:
        if path not in _seen and (digest := file_hash(path)):
            _seen[path] = digest
        if path in _seen:
            is_beside = frozen is not None and not path.startswith(f"{root}/")
            found[path if is_beside else os.path.relpath(path, root)] = _seen[path]
    return found


def remembered_hash(path: str) -> str:
    """Return the hash of a file as this process knows it, from now on if it did not."""
    return _seen.setdefault(path, file_hash(path))


def remember(path: str, digest: str) -> None:
    """Let a file count as the one with this hash, unless this process knows it already."""
    if digest:
        _seen.setdefault(path, digest)


def file_hash(path: str) -> str:
    """Return the hash of a file's text; empty if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def changed_files(before: Mapping[str, str], script: str) -> list[str]:
    """Return which files of some earlier code differ from those of this process, or from the disk if not imported."""
    frozen, now = in_use(), imported_code(script)
    root = frozen.folder if frozen else project_root(script)
    return sorted(
        name
        for name, digest in before.items()
        if (now.get(name) or file_hash(os.path.join(root, name))) != digest  # noqa: PTH118 - as it was recorded
    )


def code_hash(code: Mapping[str, str]) -> str:
    """Return one text for all equal codes."""
    return hashlib.sha256(repr(sorted(code.items())).encode()).hexdigest()[:16]


def differing_files(codes: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the files whose text differs between these codes; a code that did not import one is left out."""
    known: dict[str, set[str]] = {}
    for code in codes:
        for name, digest in code.items():
            known.setdefault(str(name), set()).add(str(digest))
    return sorted(name for name, digests in known.items() if len(digests) > 1)


def project_root(script: str) -> str:
    """Return the nearest folder above the script that looks like a project's; without one, the script's own."""
    folder = Path(script).parent
    for parent in (folder, *folder.parents):
        if any((parent / mark).exists() for mark in _ROOT_MARKS):
            return str(parent)
    return str(folder)


def is_foreign(file: str) -> bool:
    """Return whether a file is of an environment, and of no project."""
    return file.startswith(_LIBRARIES) or any(part in _FOREIGN for part in file.split("/"))
