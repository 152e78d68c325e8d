"""`notified.jsonl`: what people have been told about a sweep, so that a resumed one does not repeat it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import append, dumps, read_lines
from hyperherd.records.disk.ownership import file_mode


class Told:
    """What has been sent; the process that holds the sweep's lock is the only one that writes it."""

    def __init__(self, sweep_dir: Path) -> None:
        self._path = SweepPaths(sweep_dir).notified
        self._known: dict[str, int | str] = {}
        with suppress(OSError, FormatError):  # there is none, or it cannot be read: then something may be said twice
            for raw in read_lines(self._path):
                of, what = raw.get("of"), raw.get("what")
                if isinstance(of, str) and isinstance(what, int | str):
                    self._known[of] = what

    def __contains__(self, of: object) -> bool:
        return of in self._known

    def number(self, of: str) -> int:
        """Return how much of something was told."""
        found = self._known.get(of, 0)
        return found if isinstance(found, int) else 0

    def text(self, of: str) -> str:
        """Return what was told last of something."""
        return str(self._known.get(of, ""))

    def note(self, told: Mapping[str, int | str]) -> None:
        """Note what has been sent; where the disk does not take it, a resumed sweep says it again."""
        self._known.update(told)
        lines = "".join(dumps({"time": time.time(), "of": of, "what": what}) + "\n" for of, what in told.items())
        if not lines:
            return
        with suppress(OSError):
            flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, file_mode())
            try:
                append(descriptor, lines.encode("utf-8", "surrogatepass"))
            finally:
                os.close(descriptor)
