"""The only way a file is replaced: complete under another name first, so that a reader sees the old or the new.

The operations on files stand in a class of their own: the seam at which a test ends the process or fills the disk.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hyperherd.records.disk.ownership import file_mode


class FileOps:
    """Each method is one operation; between any two of them the process may die."""

    def create(self, path: Path, mode: int) -> BinaryIO:
        """Open a new file for writing, with `mode` before the umask takes its part."""
        return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb")

    def sync(self, stream: BinaryIO) -> None:
        """Wait until the disk has what was written to `stream`."""
        stream.flush()
        os.fsync(stream.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Put `source` in the place of `target`."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the disk has the names in `folder`, where its file system and its permissions allow that."""
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            # CIFS and some FUSE file systems refuse it with the first two; a folder may be writable and not readable.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
                raise

    def remove(self, path: Path) -> None:
        """Delete `path`, which may be gone already."""
        path.unlink(missing_ok=True)


_FILES = FileOps()


def replace(
    path: Path,
    write: Callable[[BinaryIO], object],
    files: FileOps = _FILES,
    *,
    durable: bool = True,
    mode: int | None = None,
) -> None:
    """Replace `path` by what `write` writes, or leave it as it was.

    Args:
        path: the file; its folder exists.
        write: writes the whole new content.
        files: does the file operations.
        durable: whether to wait until the disk has the content and then the name; a heartbeat need not.
        mode: of the file, before the umask takes its part; None: that of any record.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with files.create(temporary, file_mode() if mode is None else mode) as stream:
            write(stream)
            if durable:  # before the rename: some file systems keep the new name with none of the content in a crash
                files.sync(stream)
        files.rename(temporary, path)
    except BaseException:  # Ctrl-C as well: nobody would ever delete it
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        files.sync_folder(path.parent)
