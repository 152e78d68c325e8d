"""Merging journals and parts into `metrics.parquet` (docs/format.md, Each row exactly once).

Invariant: in any instant each row is found once, by a reader that drops the sources named in the footer. The new file,
which names its sources, is complete and on disk before it gets its name, and a source is deleted only after that.

A trial has one merger at a time: the process that claimed its attempt, at the attempt's end or the next one's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperherd.metrics.rows.journal import Final, journal_rows, latest
from hyperherd.metrics.rows.sources import SourceName, list_sources
from hyperherd.metrics.rows.values import dumps, unwrap
from hyperherd.metrics.store.empty import write_empty
from hyperherd.metrics.store.find import has_base
from hyperherd.metrics.store.footer import Footer
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.atomic import FileOps, replace
from hyperherd.records.disk.files import strict

MERGES_ROWS = "hyperherd.metrics.consolidate.merge_rows"
"""The module that a merge of rows imports, and pyarrow with it."""


def merge(
    trial_dir: Path, objective: Mapping[str, Any] | None = None, *, files: FileOps | None = None
) -> Footer | None:
    """Merge everything that nobody writes to any more into `metrics.parquet`, and write `summary.json`.

    The footer that `metrics.parquet` has now is returned; None if it was left as it is.

    A journal or part of this host is merged if its writer is dead or a closed one of this process; one of another host
    if a newer attempt has begun. If there is nothing to merge, nothing is touched.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``; None keeps the one `metrics.parquet` has.
        files: does the file operations.

    Raises:
        OSError: a file cannot be read or written; no row is lost then.
        FormatError: `metrics.parquet` is broken, or of a newer format than ours.
    """
    paths, files = TrialPaths(trial_dir), files or FileOps()
    sources = _mergeable(paths)
    if not sources:
        return None
    _remove_leftovers(paths, files)
    footer = _merge_finals(paths, sources, files)
    if footer is None:
        from hyperherd.metrics.consolidate.merge_rows import merge_rows

        footer = merge_rows(paths, sources, objective, files)
    # The new file has its name and names its sources by now: whoever dies from here on leaves copies that readers drop.
    final = {name: strict(unwrap(item.value)) for name, item in footer.final.items()}
    replace(paths.summary, lambda stream: stream.write(dumps(final) + b"\n"), files)
    for name in sources:
        files.remove(paths.metrics / name)
    with suppress(OSError):  # Something is in it: another program's file, or the journal of another process.
        paths.metrics.rmdir()
    return footer


def move_unreadable(trial_dir: Path) -> Path | None:
    """Move a `metrics.parquet` that Arrow cannot read out of the way, and return where it is now; None if it can."""
    path = TrialPaths(trial_dir).parquet
    if not path.exists() or _is_readable(path):
        return None
    aside = next(
        place for count in range(1000) if not (place := path.with_name(f"{path.name}.unreadable-{count}")).exists()
    )
    return path.rename(aside)


def _is_readable(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError) as error:
        # Arrow raises an OSError without a number for content; one with a number is the disk's, and may pass.
        return isinstance(error, OSError) and error.errno is not None
    return True


def _mergeable(paths: TrialPaths) -> dict[str, SourceName]:
    """Return the journals and parts that nobody writes or replaces any more."""
    sources = list_sources(paths.metrics)
    # A claim is enough: a newer attempt exists before it logs its first row.
    newest = max([_newest_claim(paths), *(about.attempt for about in sources.values())])
    return {
        name: about
        for name, about in sources.items()
        if not about.may_be_alive or (not about.is_local and about.attempt < newest)
    }


def _newest_claim(paths: TrialPaths) -> int:
    """Return the greatest attempt that somebody has claimed; 0 if there are no claims."""
    if not paths.attempts.is_dir():
        return 0
    return max((int(claim.name) for claim in paths.attempts.iterdir() if claim.name.isdecimal()), default=0)


def _remove_leftovers(paths: TrialPaths, files: FileOps) -> None:
    """Delete what a merge or a roll was writing when it was killed."""
    for leftover in paths.root.glob(f".{paths.parquet.name}.*.tmp"):
        files.remove(leftover)
    # A living process, or one of another host, may be writing its part in this moment.
    for leftover in paths.metrics.glob(".part-*.tmp"):
        part = SourceName.parse(leftover.name[1:].rpartition(".tmp")[0].rpartition(".")[0])
        if part is not None and part.is_local and not part.may_be_alive:
            files.remove(leftover)


def _merge_finals(paths: TrialPaths, sources: Mapping[str, SourceName], files: FileOps) -> Footer | None:
    """Write `metrics.parquet` of a trial without rows; return its footer, or None, writing nothing, if there are rows.

    So a trial that logs no rows never loads pyarrow, which takes longer than all else that is done at its end.
    """
    if has_base(paths) or not all(about.is_journal for about in sources.values()):
        return None
    final: list[tuple[str, Final]] = []
    skipped = 0
    for name, about in sources.items():
        for rows in journal_rows(paths.metrics / name, about):
            if rows.step or rows.resumed:
                return None
            final += [(key, Final(about.attempt, *item)) for key, item in rows.final.items()]
            skipped += rows.skipped
    footer = Footer(tuple(sources), skipped=skipped, final=latest(final), attempts={})
    replace(paths.parquet, lambda stream: write_empty(footer, stream), files)
    return footer
