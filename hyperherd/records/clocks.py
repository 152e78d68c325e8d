"""One clock for all hosts: that of the file system with their records. Clocks of two hosts are never compared."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path


class FilesClock:
    """The clock of the file system of a folder, by which it stamps what is written there; it is asked once.

    Args:
        folder: in which files can be made; where they cannot, the clock is this host's.
    """

    def __init__(self, folder: Path) -> None:
        # Added to a clock that nobody sets: this host's may be corrected while a sweep runs.
        self._ahead = _stamp(folder) - time.monotonic()

    def since(self, written: float) -> float:
        """Return the seconds that have passed since a file got this time of modification."""
        return time.monotonic() + self._ahead - written


def _stamp(folder: Path) -> float:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"1")
            probe.flush()
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()
