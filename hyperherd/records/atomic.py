"""The file operations that change the form of metrics on disk: the seam at which a test ends the process."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


class FileOps:
    """Each method is one operation; between any two of them the process may die."""

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing."""
        return open(path, "xb")

    def sync(self, stream: BinaryIO) -> None:
        """Wait until the disk has what was written to `stream`."""
        stream.flush()
        os.fsync(stream.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Put `source` in the place of `target`."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the disk has the names in `folder`."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Delete `path`, which may be gone already."""
        path.unlink(missing_ok=True)


def replace(path: Path, write: Callable[[BinaryIO], object], files: FileOps) -> None:
    """Replace `path` by what `write` writes: complete and on disk before it has the name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with files.create(temporary) as stream:
            write(stream)
            files.sync(stream)
        files.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    files.sync_folder(path.parent)
