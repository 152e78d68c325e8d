"""The newest sweep of a folder, and ``latest``, its name wherever a path is given.

Sweeps are found by their marks, and what lies inside of one is not looked through: a folder may hold thousands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hyperherd.errors import FormatError, NothingFound
from hyperherd.paths import SweepPaths
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.files.discover import is_sweep_dir, is_trial_dir, real_subfolders
from hyperherd.results.files.hydra_job import hydra_folder

MULTIRUN = "multirun"
"""Where Hydra puts sweeps, and what is read if no path is given."""
LATEST = "latest"


def sweeps_below(root: Path) -> list[Path]:
    """Return the sweeps under a folder, the one that was started last first; jobs outside of any are among them."""
    return sorted(dict.fromkeys(_below(root)), key=started, reverse=True)


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return a path in which ``latest`` is the newest sweep of the folder before it, of ./multirun without one.

    What exists under that name is meant instead.

    Raises:
        NothingFound: there is no sweep in that folder.
    """
    written = Path(path)
    for place, part in enumerate(written.parts):
        before = Path(*written.parts[:place])
        if part == LATEST and not os.path.lexists(before / part):
            root = before if place else Path(MULTIRUN)
            found = sweeps_below(root)
            if not found:
                raise NothingFound(f"there is no sweep under {root}, so {written} is not one")
            return found[0].joinpath(*written.parts[place + 1 :])
    return written


def _below(root: Path) -> Iterator[Path]:
    pending = [root]
    while pending:
        folder = pending.pop()
        if is_sweep_dir(folder):
            yield folder
        elif is_trial_dir(folder):
            # Other sweepers leave no mark before they have ended, but number their jobs.
            yield folder.parent if folder.name.isdecimal() else folder
        else:
            with suppress(OSError):  # Gone, or closed to us.
                pending += [folder / name for name in real_subfolders(str(folder))]


def started(sweep_dir: Path) -> tuple[float, str]:
    """Return when a sweep was started, and its path, by which those of one moment are in order."""
    try:
        return SweepRecord.read(sweep_dir).created, str(sweep_dir)
    except (OSError, FormatError):
        pass
    times = [
        _time(path) for path in (SweepPaths(sweep_dir).multirun, hydra_folder(sweep_dir), hydra_folder(sweep_dir / "0"))
    ]
    return next((time for time in times if time), 0.0), str(sweep_dir)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
