"""Files that follow from a run alone, record by record: they grow as the run does, and need no ledger.

Invariant: what stands in such a file is the beginning of what belongs there, also after a kill in the middle of a
write; so the next call writes the rest, and no record twice. A run that has changed further up has its file replaced
whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from hyperherd.records.disk.atomic import replace
from hyperherd.records.disk.guarded import open_regular
from hyperherd.records.disk.ownership import make_folder

Record = tuple[bytes, int]
"""What is written, and how many values of the run are in it."""


def grow(path: Path, records: Callable[[], Iterable[Record]]) -> int:
    """Make a file the sequence of some records; return how many values were not in it.

    Args:
        path: of the file, which nobody else writes to.
        records: gives them from the first on, the same at each call.

    Raises:
        OSError: it cannot be written.
        FormatError: there is something else than a file.
    """
    make_folder(path.parent)
    try:
        stream = open_regular(path)
    except FileNotFoundError:
        return _replaced(path, records)
    with stream:
        remaining = iter(records())
        for record, count in remaining:
            there = stream.read(len(record))
            if there == record:
                continue
            if record.startswith(there):  # The end of the file, maybe in the middle of a record.
                return _append(path, record[len(there) :], count, remaining)
            return _replaced(path, records)
        return _replaced(path, records) if stream.read(1) else 0


def _append(path: Path, rest: bytes, count: int, remaining: Iterable[Record]) -> int:
    with open(path, "ab") as stream:
        stream.write(rest)
        for record, values in remaining:
            stream.write(record)
            count += values
        stream.flush()
        os.fsync(stream.fileno())
    return count


def _replaced(path: Path, records: Callable[[], Iterable[Record]]) -> int:
    count = 0

    def write(stream: BinaryIO) -> None:
        nonlocal count
        for record, values in records():
            stream.write(record)
            count += values

    for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # Of a call that was killed.
        leftover.unlink(missing_ok=True)
    replace(path, write)
    return count
