"""`alerts/`: what a trial wants people to know now, append only, one file per process (docs/format.md).

Invariant: the alerts of a trial never take more than `MOST_BYTES` of the disk, however often it raises one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import TrialPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import append, dumps, read_lines
from hyperherd.records.disk.ownership import file_mode, make_folder
from hyperherd.records.places import in_place

LEVELS = ("info", "warning", "error")
"""The least one first."""
LONGEST = 2000
"""Characters of a text that are kept."""
MOST_BYTES = 1 << 20
"""Of all alerts of a trial; what raises them in each step must not fill the disk."""
_FOR_ERRORS = MOST_BYTES // 4
"""Of these, what only errors may take."""
_MOST_READ = 4 * MOST_BYTES
"""Bytes that are read of a trial's alerts; writers stop long before."""
_ENTRY = 1000
"""What it costs to look at one more file, in bytes."""


@dataclass(frozen=True)
class Alert:
    """One text, and who raised it when."""

    time: float
    level: str
    text: str
    attempt: int
    rank: int = 0
    dropped: int = 0
    """How many of the same process came too soon before it, or after the one before, and were not kept."""


def write_alert(descriptor: int, alert: Alert) -> None:
    """Append an alert to the file of its process.

    Raises:
        OSError: the disk does not take it; nothing of it is kept.
    """
    values = {name: value for name, value in vars(alert).items() if value or name not in ("rank", "dropped")}
    append(descriptor, (dumps(values) + "\n").encode("utf-8", "surrogatepass"), durable=False)


def open_alerts(trial_dir: Path, name: str) -> int:
    """Open the file of one process for appending, and return its descriptor."""
    folder = TrialPaths(trial_dir).alerts
    make_folder(folder)
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(folder / f"{name}.jsonl", flags, file_mode())


def has_room(trial_dir: Path, level: str) -> bool:
    """Return whether one more alert may be kept."""
    taken = sum(size for _, size in alert_files(trial_dir).values())
    return taken + 5 * LONGEST < (MOST_BYTES if level == LEVELS[-1] else MOST_BYTES - _FOR_ERRORS)


def alert_files(trial_dir: Path) -> dict[str, tuple[Path, int]]:
    """Return the files with alerts of a trial by name, with their sizes; empty where there are none."""
    found: dict[str, tuple[Path, int]] = {}
    room = _MOST_READ
    try:
        with os.scandir(TrialPaths(trial_dir).alerts) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    size = entry.stat(follow_symlinks=False).st_size
                    room -= size + _ENTRY
                    if room < 0:  # of files that no writer of ours leaves, some are enough
                        break
                    found[entry.name] = Path(entry.path), size
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return found


def read_alerts(trial_dir: Path) -> list[Alert]:
    """Return the alerts of a trial that can be read, the earliest first; lines that are none are skipped."""
    found = [alert for path, _ in alert_files(trial_dir).values() for alert in read_file(path, trial_dir)]
    return sorted(found, key=lambda alert: alert.time)


def read_file(path: Path, trial_dir: Path) -> list[Alert]:
    """Return the alerts in one file in their order; none if it cannot be read."""
    try:
        return list(_alerts(read_lines(in_place(path, trial_dir))))
    except (OSError, FormatError):
        return []


def _alerts(lines: Iterator[Mapping[str, Any]]) -> Iterator[Alert]:
    for raw in lines:
        known = {name: value for name, value in raw.items() if name in _KINDS}
        if known.keys() >= _NEEDED and not kinds.fault(known, _KINDS) and known["level"] in LEVELS:
            yield Alert(**{**known, "text": known["text"][:LONGEST]})


_KINDS: dict[str, kinds.Kind] = {
    "time": kinds.moment,
    "level": kinds.text,
    "text": kinds.text,
    "attempt": kinds.count,
    "rank": kinds.count,
    "dropped": kinds.count,
}
_NEEDED = {"time", "level", "text", "attempt"}


def counted_by_level(trial_dir: Path) -> dict[str, int]:
    """Return how many alerts of each level a trial has, the worst level first; those that were dropped do not count."""
    counts = Counter(alert.level for alert in read_alerts(trial_dir))
    return {level: counts[level] for level in reversed(LEVELS) if counts[level]}
