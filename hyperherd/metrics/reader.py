"""Reading a trial's metrics while it runs, after a kill, and after its end (docs/format.md, Each row exactly once).

Invariant: each row is read exactly once, whatever is rolled, merged or compacted meanwhile (`find`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.journal import Final, latest
from hyperherd.metrics.rows.phases import PhaseOrder, is_phased
from hyperherd.metrics.rows.values import unwrap
from hyperherd.metrics.store.find import FoundFiles, add_parts, find, is_vanished, open_base
from hyperherd.metrics.store.foreign import list_foreign, read_foreign
from hyperherd.paths import METRICS_FILE, RECORDS, TrialPaths
from hyperherd.records.disk.guarded import check_depth, read_regular
from hyperherd.records.places import in_place

if TYPE_CHECKING:
    import pyarrow as pa

    from hyperherd.metrics.rows.cuts import AttemptStart
    from hyperherd.metrics.store.sorted_rows import SortedRows

_TRIES = 50
SKIPPED = b"hyperherd.skipped"
"""Key of the metadata of a table that :func:`read_metrics` returned: how many lines could not be read."""

T = TypeVar("T")


def read_metrics(
    trial_dir: Path,
    metrics: Sequence[str] | None = None,
    *,
    raw: bool = False,
    since: float | None = None,
    shown: bool = False,
) -> pa.Table:
    """Return a trial's metric rows, sorted by metric, phase, step, attempt and time.

    Its schema is `parquet.SCHEMA`, with the column `phase` behind if there are rows of a phase with a name.

    Args:
        trial_dir: the trial's directory; if it has no metrics the table has no rows.
        metrics: names of the metrics wanted, of all phases; all if None.
        raw: every row that was logged, instead of those that stand: not what a newer attempt did again, and the last
            of several of one metric, phase and step in one attempt.
        shown: of each metric only the phase that counts for it (docs/format.md, Phases).
        since: seconds since 1970; only rows of that time and later, for which no more than the new ones are read.

    Raises:
        FormatError: `metrics.parquet` is broken, or of a newer format than ours.
    """
    return again(lambda: _read_metrics(TrialPaths(trial_dir), metrics, raw, since, shown))


def skipped(table: pa.Table) -> int:
    """Return how many lines could not be read when `table` was, all metrics counted."""
    return int((table.schema.metadata or {}).get(SKIPPED, b"0"))


def has_metrics(trial_dir: Path) -> bool:
    """Return whether a trial has logged anything, wherever that lies."""
    paths = TrialPaths(trial_dir)
    if paths.metrics.is_dir() or paths.parquet.is_file() or paths.summary.is_file() or list_foreign(paths):
        return True
    if not any((parent / RECORDS / METRICS_FILE).exists() for parent in paths.root.absolute().parents):
        return False
    # Only now, because this imports pyarrow.
    base = open_base(paths)
    return base is not None


def read_final(trial_dir: Path) -> dict[str, Any]:
    """Return a trial's final values: those logged without a step, the last one of each name."""
    return again(lambda: _read_final(TrialPaths(trial_dir)))


def read_summary(trial_dir: Path, objective: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``{"metrics", "objective", "rows", "skipped"}`` of a trial, as the footer of `metrics.parquet` has it.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``; None takes the one that `metrics.parquet` has.
    """
    return again(lambda: _read_summary(TrialPaths(trial_dir), objective))


def read_attempts(trial_dir: Path) -> dict[int, AttemptStart]:
    """Return how each attempt of a trial began: the first step of every metric in every phase."""

    def read() -> dict[int, AttemptStart]:
        with _found(TrialPaths(trial_dir)) as (_, stored):
            return stored.attempts

    return again(read)


def again(read: Callable[[], T]) -> T:
    """Return what `read` returns, once no file vanishes under it."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except OSError as error:
            if not is_vanished(error):
                raise
    return read()


@contextmanager
def _found(paths: TrialPaths, since: float | None = None) -> Iterator[tuple[FoundFiles, SortedRows]]:
    """Give everything a trial has logged, or what was logged since a time and a little more."""
    from hyperherd.metrics.store.columns import Columns
    from hyperherd.metrics.store.sorted_rows import SortedRows

    with SortedRows() as stored:
        found = find(paths)
        if found.base is not None:
            stored.add_file(found.base)
        held = add_parts(stored, paths.metrics, found.sources)
        journals = {name: item for name, item in found.sources.items() if item.is_journal and name not in held}
        # Several attempts are read whole, because it takes the first rows of each to know which of them stand.
        is_one = len({*(item.attempt for item in journals.values()), *stored.attempts}) < 2
        stored.add_journals(paths.metrics, journals, since if is_one else None)
        others = Columns()
        for file in found.foreign:
            for rows in read_foreign(file):
                # These rows name no attempt, so they belong to the newest.
                others.add(rows, found.newest)
        stored.add_columns(others, began=False)
        yield found, stored


def _read_metrics(
    paths: TrialPaths, metrics: Sequence[str] | None, raw: bool, since: float | None, shown: bool
) -> pa.Table:
    from hyperherd.metrics.rows.cuts import Cuts
    from hyperherd.metrics.store.default_view import default_view, whole
    from hyperherd.metrics.store.tables import SCHEMA, of_series, split_phases

    with _found(paths, since) as (_, stored):
        table = stored.table(metrics, None if since is None else round(since * 1e6))
    if not raw:
        table = whole(default_view([table], Cuts(stored.attempts)), SCHEMA)
    names = table["metric"].combine_chunks().dictionary.to_pylist() if table.num_rows else []
    if is_phased(names):
        names = table["metric"].unique().to_pylist()  # What was filtered out is in the dictionary still.
    if is_phased(names):
        if shown:
            table = of_series(table, PhaseOrder(stored.attempts).shown(names).values())
        table = split_phases(table)
    return table.replace_schema_metadata({SKIPPED: str(stored.skipped)})


def _read_final(paths: TrialPaths) -> dict[str, Any]:
    with _found(paths) as (_, stored):
        final: Mapping[str, Final] = stored.final
    if not final:
        return _read_summary_json(in_place(paths.summary, paths.root))
    return {name: unwrap(item.value) for name, item in latest(final.items()).items()}


def _read_summary_json(path: Path) -> dict[str, Any]:
    """Return the final values of a program that writes nothing else."""
    try:
        values = json.loads(read_regular(path))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise FormatError(f"{path} does not contain a JSON object")
    check_depth(values, path)
    return values


def _read_summary(paths: TrialPaths, objective: Mapping[str, Any] | None) -> dict[str, Any]:
    from hyperherd.metrics.store.parquet import Footer
    from hyperherd.metrics.summary.of_rows import summarize

    with _found(paths) as (found, stored):
        footer = found.base.footer if found.base else Footer()
        # Nothing lies beside the file: its footer has the answer, and no row is read.
        if footer.rows and not found.sources and not found.foreign and footer.has_objective(objective):
            return footer.summary()
        attempts = stored.attempts
        stats, result = summarize(stored.default_rows, objective or footer.spec, attempts)
        return Footer((), stats, result, stored.count, stored.skipped, {}, attempts).summary()
