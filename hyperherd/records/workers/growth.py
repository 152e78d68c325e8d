"""Whether more trials follow: a file that a sweep keeps as long as it chooses them while others run.

Workers that have nothing to do wait for the next trial as long as the file is there and the sweep's lock shows that the
sweep lives. What a killed sweep left behind is therefore not believed, and the sweep that goes on decides anew. Where
the file cannot be written, or removed, workers wait for less time, or for more; no sweep ends because of that.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hyperherd.paths import FORMAT, SweepPaths
from hyperherd.records.disk.files import replace_json


def note_growth(sweep_dir: Path) -> None:
    """Note that the sweep, which holds its lock, is going to choose more trials."""
    with suppress(OSError):
        replace_json(_path(sweep_dir), {"format": FORMAT})


def end_growth(sweep_dir: Path) -> None:
    """Note that no more trials follow."""
    with suppress(OSError):
        _path(sweep_dir).unlink(missing_ok=True)


def is_growing(sweep_dir: Path) -> bool:
    """Return whether a sweep has noted that more trials follow; whether it lives its lock shows."""
    return _path(sweep_dir).exists()


def _path(sweep_dir: Path) -> Path:
    return SweepPaths(sweep_dir).workers / "growing.json"
