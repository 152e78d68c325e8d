"""Many trials in one table, and a column for each metric instead of a row for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.store.arrow import column
from hyperherd.metrics.store.parquet import SCHEMA
from hyperherd.metrics.store.reader import read_metrics
from hyperherd.metrics.store.sweep_file import LEAD

_KEYS = ("number", "step")


def read_many(
    trials: Mapping[int, Path],
    metrics: Sequence[str] | None = None,
    *,
    raw: bool = False,
    since: float | None = None,
) -> pa.Table:
    """Return the metric rows of many trials, led by the column ``number``; see :func:`read_metrics`.

    Args:
        trials: the trials' directories by their numbers.
        metrics: names of the metrics wanted; all if None.
        raw: every row that was logged, instead of those that stand.
        since: seconds since 1970; only rows of that time and later.
    """
    schema = pa.schema([LEAD, *SCHEMA])
    tables = [schema.empty_table()]
    for number, trial_dir in sorted(trials.items()):  # In the order in which a compacted sweep has them.
        rows = read_metrics(trial_dir, metrics, raw=raw, since=since)
        lead = column(pa.int64(), [number]).take(column(pa.int64(), [0] * rows.num_rows))
        tables.append(pa.Table.from_arrays([lead, *rows.columns], schema=schema))
    return pa.concat_tables(tables).unify_dictionaries()


def wide(table: pa.Table) -> pa.Table:
    """Return the numbers of a default view, a row for each step (of each trial) and a column for each metric.

    Args:
        table: what :func:`read_metrics` or :func:`read_many` returned. A metric whose name is that of a column before
            the metrics gets an underscore behind it.
    """
    if LEAD.name not in table.column_names:
        return _wide(table, _names(table))
    table, names = table.unify_dictionaries().combine_chunks(), _names(table)
    parts = []
    for number, rows in _by_number(table):
        part = _wide(rows, names)
        lead = column(pa.int64(), [number]).take(column(pa.int64(), [0] * part.num_rows))
        parts.append(pa.Table.from_arrays([lead, *part.columns], [LEAD.name, *part.column_names]))
    return pa.concat_tables(parts) if parts else table.select(_KEYS)


def _names(table: pa.Table) -> list[str]:
    """Return the metrics that have rows, sorted."""
    return sorted(pc.unique(table["metric"].cast(pa.string())).to_pylist())


def _by_number(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    start = 0
    runs = pc.run_end_encode(table[LEAD.name].combine_chunks())
    for end, number in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        yield number, table.slice(start, end - start)
        start = end


def _wide(table: pa.Table, names: Sequence[str]) -> pa.Table:
    steps = pc.unique(table["step"])
    steps = steps.take(pc.sort_indices(steps))
    columns = []
    for name in names:
        rows = table.filter(pc.equal(table["metric"].cast(pa.string()), name)).combine_chunks()
        places = pc.index_in(steps, value_set=rows["step"].combine_chunks())
        columns.append(rows["value"].combine_chunks().take(places))
    return pa.Table.from_arrays([steps, *columns], ["step", *(f"{name}_" if name in _KEYS else name for name in names)])
