"""The names of journals and parts, who may still write to them, and the order in which to look for them.

Invariant: a name is used once and never again, so that a file which names its sources can never name a newer one.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple

from hyperherd.records.status import same_process

JOURNAL = -1
"""The level of a journal; parts made of journals are of level 0, parts made of parts of the next."""
LEVELS = 4
_LAST_ATTEMPT = 2**15 - 1
"""The column of attempts has 16 bits."""

# The form is part of the format (docs/format.md): versions before and after this one parse these names.
_NAME = re.compile(r"(?:journal|part-(\d))-(\d{1,9})-(.+)-(\d{1,9})-([0-9A-Za-z]+)\.(jsonl|parquet)")

open_here: set[str] = set()
"""Names of the journals that this process may still write to; `writer` keeps it."""
rolling_here: set[str] = set()
"""Names of the files that this process may still replace by a part; `roll` keeps it."""


class SourceName(NamedTuple):
    """Who wrote a journal or a part, as its name has it."""

    attempt: int
    host: str
    pid: int
    nonce: str
    level: int = JOURNAL

    @classmethod
    def parse(cls, name: str) -> SourceName | None:
        """Return what `name` contains, or None if it is neither a journal's nor a part's."""
        found = _NAME.fullmatch(name)
        if found is None or name.startswith("journal") != name.endswith(".jsonl"):
            return None
        level, attempt, host, pid, nonce, _ = found.groups()
        if int(attempt) > _LAST_ATTEMPT:
            return None
        return cls(int(attempt), host, int(pid), nonce, JOURNAL if level is None else int(level))

    def __str__(self) -> str:
        who = f"{self.attempt}-{self.host}-{self.pid}-{self.nonce}"
        return f"journal-{who}.jsonl" if self.level == JOURNAL else f"part-{self.level}-{who}.parquet"

    @property
    def is_journal(self) -> bool:
        """Whether it is a journal's."""
        return self.level == JOURNAL

    @property
    def is_local(self) -> bool:
        """Whether its writer ran on this host."""
        return self.host == this_host()

    @property
    def may_be_alive(self) -> bool:
        """Whether somebody may still write or replace it; of other hosts nothing is known, so there somebody may."""
        if not self.is_local:
            return True
        # Our own process runs for certain; whether it is done with a file only these sets can answer.
        if self.pid == os.getpid():
            return str(self) in open_here or str(self) in rolling_here
        return same_process(self.pid)


def this_host() -> str:
    """Return the name of this host as it is used in the names of files."""
    return socket.gethostname().split(".")[0] or "localhost"


def list_sources(folder: Path) -> dict[str, SourceName]:
    """Return the journals and parts in a trial's metrics folder by name, in the order of attempts.

    The folder is read once for each level: a file is made before what it replaces is deleted, so whatever is missed at
    its own level, because it went while we looked, is found at a later one. What is found twice, names tell.
    """
    found: dict[str, SourceName] = {}
    for _ in range(JOURNAL, LEVELS):
        try:
            with os.scandir(folder) as entries:  # nobody makes a link here who does not mean to lead elsewhere
                names = [entry.name for entry in entries if not entry.is_symlink()]
        except FileNotFoundError:
            break  # Made before the first journal, removed after all are merged.
        found |= {name: parsed for name in names if (parsed := SourceName.parse(name)) is not None}
    return dict(sorted(found.items(), key=lambda item: item[1]))
