"""What makes a process run from a snapshot of the project: `sys.path`, imports, config folders, the environment.

`sys.path` leads to the snapshot already. The finder here is for what does not go by it: editable installs that map
names to folders, scripts that put their project's root on `sys.path` themselves. A module that the snapshot lacks (a
file that git ignores and nobody had imported before) comes from the project's own folder, and that is said.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import hyperherd
from hyperherd.compat.hydra import move_config_folders
from hyperherd.errors import SweepError
from hyperherd.records import snapshot as snapshots
from hyperherd.records.code import is_foreign
from hyperherd.records.disk.ownership import VARIABLE, check_trusted
from hyperherd.records.snapshot import Snapshot

_PATH = "PYTHONPATH"
_OWN = os.path.dirname(hyperherd.__file__)  # noqa: PTH120 - with what begins like it: our other packages lie beside

log = logging.getLogger("hyperherd")


def run_from(snapshot: Snapshot) -> None:
    """Let this process run from a snapshot, whose folders are on `sys.path`, before it imports anything of the project.

    Raises:
        NotTrusted: somebody else could have written the snapshot.
        SweepError: it is not there any more.
    """
    if not Path(snapshot.folder).is_dir():  # without it everything would come from the project itself
        raise SweepError(
            f"the snapshot of the sweep's code, {snapshot.folder}, is gone; run the sweep's command again, which takes "
            "a new one"
        )
    if os.environ.get(VARIABLE) != "1":
        check_trusted([Path(snapshot.folder)])
    snapshots.use(snapshot)
    sys.meta_path.insert(0, _Finder(snapshot))
    os.environ[snapshots.VARIABLE] = snapshot.folder
    # For interpreters that the trial starts. The first entry is that of the script, which they find by themselves.
    given = os.environ.get(_PATH, "").split(os.pathsep)
    ours = [entry for entry in sys.path[1:] if entry.startswith(snapshot.folder)]
    wanted = dict.fromkeys((*ours, *(_moved(entry, snapshot) for entry in given if entry)))
    if wanted:
        os.environ[_PATH] = os.pathsep.join(wanted)
    move_config_folders(snapshot.inside)
    files = (file for module in list(sys.modules.values()) if (file := file_of(module)))
    early = [file for file in files if is_frozen(file, snapshot) and not file.startswith((snapshot.folder, _OWN))]
    if early:  # by a .pth file or sitecustomize of the environment
        log.warning(
            "imported from the project itself, before anything could lead to the snapshot: %s", ", ".join(early)
        )


def frozen_path(path: Sequence[str], snapshot: Snapshot) -> list[str]:
    """Return `sys.path` with the folders of the snapshot in the place of the project's own.

    Folders of the project from which modules were imported by other means, such as the finder of an editable install,
    are added: what a trial starts (processes of a data loader) has no finder of ours. The project's own come last, for
    modules that the snapshot lacks.
    """
    found = [_moved(entry, snapshot) for entry in path]
    for module in list(sys.modules.values()):
        file = file_of(module)
        name = getattr(module, "__name__", "")
        if file is None or "." in name or name == "__main__" or not is_frozen(file, snapshot):
            continue
        parent = os.path.dirname(file)  # noqa: PTH120 - many modules
        folder = os.path.dirname(parent) if os.path.basename(file) == "__init__.py" else parent  # noqa: PTH119, PTH120
        if (inside := snapshot.inside(folder)) not in found:
            found.append(inside)
    return [*found, *(entry for entry in path if entry not in found)]


def _hand_on(file: str, *, is_package: bool) -> None:
    """Let interpreters that this process starts find a module where it was found; they have no finder of ours."""
    folder = os.path.dirname(os.path.dirname(file) if is_package else file)  # noqa: PTH120 - in each import
    if folder not in sys.path:
        sys.path.append(folder)
        os.environ[_PATH] = os.pathsep.join(filter(None, (os.environ.get(_PATH), folder)))


def _moved(entry: str, snapshot: Snapshot) -> str:
    """Return an entry of `sys.path` in the snapshot, or as it is: some are no folders, but names for a path hook."""
    folder = absolute(entry)
    inside = snapshot.inside(folder)
    return entry if inside == folder else inside


def is_frozen(file: str, snapshot: Snapshot) -> bool:
    """Return whether a file is of the project, as something that a snapshot holds and not of an environment in it."""
    return snapshot.relative(file) is not None and not is_foreign(file)


def file_of(module: Any) -> str | None:
    """Return the absolute path of the file of a module; None if it has none."""
    file = vars(module).get("__file__") if hasattr(module, "__dict__") else None
    return absolute(file) if isinstance(file, str) else None


def absolute(path: str) -> str:
    """Return a path without links being followed; an empty one is the working directory."""
    return os.path.abspath(path)  # noqa: PTH100 - links are kept


class _Finder:
    """Finds modules as all other finders do, and then the same file in the snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._told: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :meth:`importlib.abc.MetaPathFinder.find_spec`."""
        spec = self._found(name, path, target)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
        if spec.origin is None or not spec.has_location:
            if folders is not None:  # a package without a file of its own
                spec.submodule_search_locations = [self._inside(folder) for folder in folders]
            return spec
        file = absolute(spec.origin)
        inside = self._inside(file)
        if inside == file:
            return spec
        moved = None if folders is None else [self._inside(folder) for folder in folders]
        if "." not in name:
            _hand_on(inside, is_package=folders is not None)
        return spec_from_file_location(name, inside, submodule_search_locations=moved)

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None and (spec := find(name, path, target)) is not None:
                found: ModuleSpec = spec
                return found
        return None

    def _inside(self, file: str) -> str:
        if not is_frozen(file, self._snapshot) or file.startswith(_OWN):
            return file
        inside = self._snapshot.inside(file)
        if not inside.startswith(f"{self._snapshot.folder}/") and inside not in self._told:
            if not os.path.isdir(self._snapshot.folder):  # noqa: PTH112 - in each import
                raise ImportError(f"{self._snapshot.folder}, the snapshot of the code that runs, is gone")
            self._told.add(inside)
            log.warning("%s is not in the snapshot of the code (git may ignore it), and is read as it is now", inside)
        return inside
