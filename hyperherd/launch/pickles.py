"""Pickles on the disk: loading one runs code in it, so it is loaded only where no other user could have written it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hyperherd.paths import RECORDS
from hyperherd.records.disk.ownership import NotTrusted, distrust, make_folder

T = TypeVar("T")

_FOLDER, _FILE = 0o700, 0o600
PRIVATE_UMASK = 0o077


def load_pickle(path: Path, kind: type[T]) -> T:
    """Return what a pickle holds, which is to be a `kind`.

    Raises:
        NotTrusted: it, or its folder, is not this user's own, or others can write to it.
        OSError: it cannot be read.
        TypeError: it holds something else.
        Exception: whatever unpickling raises; it runs methods of the classes in it.
    """
    found: Any = pickle.loads(read_own(path))
    if not isinstance(found, kind):
        raise TypeError(f"{path} contains an object of {type(found).__name__}, not of {kind.__name__}")
    return found


def read_own(path: Path) -> bytes:
    """Return the content of a file that is this user's own, in a folder of the same kind; see :func:`load_pickle`."""
    for place in (path.parent, path):
        if fault := distrust(place, or_root=False):
            raise NotTrusted(f"{fault}: a pickle there is not loaded, because it could run another user's code")
    # Not through a link: one could have replaced the file since it was checked.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def make_private(folder: Path) -> None:
    """Make the folder of pickles and scripts, and deny other users access to it.

    A folder of the user's choice that exists already keeps its mode: others may have to read what else is in it.

    Raises:
        NotTrusted: others can write to it.
        OSError: it cannot be made.
    """
    # Decided before it is made: afterwards a fresh folder cannot be told from one that the user had.
    is_users = folder.is_dir() and RECORDS not in folder.parts
    make_folder(folder.parent)
    folder.mkdir(_FOLDER, exist_ok=True)
    if not is_users and folder.stat().st_uid == os.geteuid():
        folder.chmod(_FOLDER)
    if fault := distrust(folder, or_root=False):
        raise NotTrusted(
            f"{fault}, who could replace the code of jobs there. Choose a hydra.launcher.submitit_folder of your own"
        )


def keep_private(files: Iterable[Path]) -> None:
    """Deny other users access to files; those that are missing are passed over.

    The umask cannot do it: a scheduler hands that of the submission on to the job, and so to the user's own files.
    """
    for path in files:
        with suppress(FileNotFoundError):
            path.chmod(_FILE)
