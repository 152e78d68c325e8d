"""Merging journals into `metrics.parquet` (docs/format.md, Each row exactly once).

Invariant: in any instant each row is found once, by a reader that drops the journals named in the footer. The new file,
which names its sources, is complete and on disk before it gets its name, and a source is deleted only after that.

A trial has one merger at a time: the process that claimed its attempt, at the attempt's end or the next one's start.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hyperherd.metrics.files import FileOps
from hyperherd.metrics.journal import JournalName, latest, list_journals
from hyperherd.metrics.values import dumps, unwrap
from hyperherd.paths import TrialPaths
from hyperherd.records.files import strict

if TYPE_CHECKING:
    from hyperherd.metrics.parquet import Footer


def merge(trial_dir: Path, objective: Mapping[str, Any] | None = None, *, files: FileOps | None = None) -> None:
    """Merge every journal that nobody writes to any more into `metrics.parquet`, and write `summary.json`.

    A journal of this host is merged if its writer is dead or a closed one of this process; one of another host if a
    newer attempt has begun. If there is nothing to merge, nothing is touched.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``; None keeps the one `metrics.parquet` has.
        files: does the file operations.

    Raises:
        OSError: a file cannot be read or written; no row is lost then.
        FormatError: `metrics.parquet` is broken, or of a newer format than ours.
    """
    paths, files = TrialPaths(trial_dir), files or FileOps()
    journals = _mergeable(paths)
    if not journals:
        return
    for leftover in paths.root.glob(f".{paths.parquet.name}.*.tmp"):  # of a merge that was killed
        files.remove(leftover)
    footer = _merge_rows(paths, journals, objective, files)
    final = {name: strict(unwrap(item.value)) for name, item in footer.final.items()}
    _replace(paths.summary, lambda stream: stream.write(dumps(final) + b"\n"), files)
    for name in journals:
        files.remove(paths.metrics / name)


def _mergeable(paths: TrialPaths) -> dict[str, JournalName]:
    """Return the journals that nobody writes to any more."""
    journals = list_journals(paths.metrics)
    newest = max([_newest_claim(paths), *(about.attempt for about in journals.values())])
    return {
        name: about
        for name, about in journals.items()
        if not about.may_be_alive or (not about.is_local and about.attempt < newest)
    }


def _newest_claim(paths: TrialPaths) -> int:
    """Return the greatest attempt that somebody has claimed; 0 if there are no claims."""
    if not paths.attempts.is_dir():
        return 0
    return max((int(claim.name) for claim in paths.attempts.iterdir() if claim.name.isdecimal()), default=0)


def _merge_rows(
    paths: TrialPaths, journals: Mapping[str, JournalName], objective: Mapping[str, Any] | None, files: FileOps
) -> Footer:
    """Replace `metrics.parquet` by its own rows and those of the journals it does not hold yet; return its footer."""
    from hyperherd.metrics import columns, parquet, view

    old, stored = parquet.Footer(), []
    if paths.parquet.exists():
        with parquet.MetricsFile(paths.parquet) as file:
            old = file.footer
            sources = {name: about for name, about in journals.items() if name not in old.sources}
            if not sources:
                return old
            stored = [file.rows()]
    else:
        sources = dict(journals)
    loaded = columns.load(paths.metrics, sources)
    table = view.ordered(loaded.table(*stored))
    stats, result = view.summarize(view.default_view(table), objective or old.spec)
    final = latest([*old.final.items(), *loaded.final])
    footer = parquet.Footer(
        (*old.sources, *sources), stats, result, table.num_rows, old.skipped + loaded.skipped, final
    )
    _replace(paths.parquet, lambda stream: parquet.write(table, footer, stream), files)
    return footer


def _replace(path: Path, write: Callable[[BinaryIO], object], files: FileOps) -> None:
    """Replace `path` by what `write` writes: complete and on disk before it has the name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with files.create(temporary) as stream:
            write(stream)
            files.sync(stream)
        files.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    files.sync_folder(path.parent)
