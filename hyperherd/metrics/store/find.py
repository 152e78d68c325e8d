"""Where the rows of a trial lie in this instant (docs/format.md, Each row exactly once).

Invariant: journals are listed before parts and parts before `metrics.parquet` is opened, and what a later one names is
dropped, so each row is found exactly once; one that vanishes in between has been replaced, and the search begins again.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.metrics.rows.sources import SourceName, list_sources
from hyperherd.metrics.store.foreign import Foreign, list_foreign
from hyperherd.paths import METRICS_FILE, RECORDS, TrialPaths

if TYPE_CHECKING:
    from hyperherd.metrics.store.parquet import MetricsFile
    from hyperherd.metrics.store.sorted_rows import SortedRows
    from hyperherd.metrics.store.sweep_file import TrialOfSweep


@dataclass(frozen=True)
class FoundFiles:
    """The sources that are in no other file, and that file."""

    base: MetricsFile | TrialOfSweep | None
    """`metrics.parquet`, or what a compacted sweep has of the trial."""
    sources: Mapping[str, SourceName]
    foreign: list[Foreign]

    @property
    def newest(self) -> int:
        """The newest attempt that has logged; 0 if none has."""
        known = [self.base.footer.attempt] if self.base else []
        return max([*known, *(about.attempt for about in self.sources.values()), 0])


def find(paths: TrialPaths) -> FoundFiles:
    """Return where the rows are; the caller closes the base."""
    sources = list_sources(paths.metrics)  # Before the file that may replace them.
    foreign = list_foreign(paths)
    base = open_base(paths)
    held = set(base.footer.sources) if base else set()
    return FoundFiles(base, {name: about for name, about in sources.items() if name not in held}, foreign)


def has_base(paths: TrialPaths) -> bool:
    """Return whether :func:`open_base` may find something; it is the one that needs pyarrow."""
    return paths.parquet.exists() or is_compacted(paths)


def is_compacted(paths: TrialPaths) -> bool:
    """Return whether a folder above the trial has a file of a compacted sweep."""
    return any((parent / RECORDS / METRICS_FILE).exists() for parent in paths.root.absolute().parents)


def open_base(paths: TrialPaths) -> MetricsFile | TrialOfSweep | None:
    """Open `metrics.parquet`; without one, what a compacted sweep has of this trial; None without either."""
    from hyperherd.metrics.store.parquet import MetricsFile

    try:
        return MetricsFile(paths.parquet)
    except FileNotFoundError:
        from hyperherd.metrics.store.sweep_file import open_trial

        return open_trial(paths.root)


def add_parts(stored: SortedRows, folder: Path, sources: Mapping[str, SourceName]) -> set[str]:
    """Take in the parts among some sources that no other part replaces; return the names of all that they replace.

    Raises:
        OSError: ENOENT if one has been replaced by a part that is not among the sources.
    """
    from hyperherd.metrics.store.parquet import MetricsFile

    held: set[str] = set()
    parts = [(about.level, name) for name, about in sources.items() if not about.is_journal]
    for _, name in sorted(parts, reverse=True):  # Whatever replaces a part is of a greater level.
        if name not in held:
            file = MetricsFile(folder / name)
            held.update(file.footer.sources)
            stored.add_file(file)
    return held


def is_vanished(error: OSError) -> bool:
    """Return whether a file was replaced while we read, so that looking again helps."""
    # ESTALE is NFS's answer for an open file that another host has deleted.
    return error.errno in (errno.ENOENT, errno.ESTALE)
