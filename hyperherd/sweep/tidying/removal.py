"""Deleting a file below a folder without following any link, whatever has been put there since it was found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from hyperherd.sweep.tidying.checkpoints import StoredFile

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove_file(folder: Path, file: StoredFile) -> None:
    """Delete a file, and the folders around it that are empty then, up to `folder`, which stays.

    Raises:
        OSError: it is not there any more, is another file now, or may not be deleted.
    """
    *parts, name = PurePath(file.name).parts
    with _opened(folder, parts) as descriptor:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if (status.st_dev, status.st_ino) != file.inode:
            raise OSError(f"{folder / file.name} has been replaced since it was found")
        os.unlink(name, dir_fd=descriptor)
    for depth in range(len(parts) - 1, -1, -1):
        with suppress(OSError), _opened(folder, parts[:depth]) as descriptor:  # it is not empty: it stays
            os.rmdir(parts[depth], dir_fd=descriptor)


@contextmanager
def _opened(folder: Path, parts: Sequence[str]) -> Iterator[int]:
    """Give a descriptor of a folder below another one, each part of its path opened by itself: none may be a link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            inner = os.open(part, _FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)
