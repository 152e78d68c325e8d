"""The columns of metric rows: those of a table in memory, and those of a file (docs/format.md).

Invariant: a table in memory has one column for what identifies a series (`rows.phases`), whatever file it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.rows.phases import NUL, metric_of, series_of
from hyperherd.metrics.store.arrow import column, scalar, texts

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("metric", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("attempt", pa.int16(), nullable=False),
        pa.field("json", pa.string()),
    ]
)
"""Of a table in memory, whose column `metric` holds the names of series (`rows.phases`), and of a file of one phase."""
PHASE = pa.field("phase", pa.dictionary(pa.int32(), pa.string()))
"""The column that a file of several phases has after all others; null for rows of the phase without a name."""

PLACE = pa.field("place", pa.int32())
"""A column more in a table of several trials: the place of the row's trial among them."""


def conformed(table: pa.Table) -> pa.Table:
    """Return the rows of a file with our columns in our types, whoever wrote them; `metric` holds their series."""
    rows = table.select(SCHEMA.names).cast(SCHEMA)
    if PHASE.name not in table.column_names:
        return rows
    phases = table.select([PHASE.name]).cast(pa.schema([PHASE]))[PHASE.name]
    if phases.null_count == len(phases):
        return rows
    rows = rows.append_column(PHASE, phases).unify_dictionaries().combine_chunks()
    metric, phase = (rows[name].combine_chunks() for name in ("metric", PHASE.name))
    codes = pc.fill_null(phase.indices, scalar(pa.int32(), len(phase.dictionary))).cast(pa.int64())
    width = len(phase.dictionary) + 1
    found = pc.add(pc.multiply(metric.indices.cast(pa.int64()), scalar(pa.int64(), width)), codes).dictionary_encode()
    metrics, names = metric.dictionary.to_pylist(), [*phase.dictionary.to_pylist(), ""]
    series = [series_of(metrics[code // width], names[code % width]) for code in found.dictionary.to_pylist()]
    column_ = pa.DictionaryArray.from_arrays(found.indices, texts(series))
    return rows.drop_columns([PHASE.name]).set_column(1, SCHEMA.field("metric"), column_)


def split_phases(table: pa.Table) -> pa.Table:
    """Return rows of series with their metrics, and their phases in a column of their own, as a file has them."""
    table = table.unify_dictionaries().combine_chunks()
    series = table["metric"].combine_chunks()
    parts = [name.partition(NUL) for name in series.dictionary.to_pylist()]
    metric = _recoded(series.indices, [name for name, _, _ in parts])
    phase = _recoded(series.indices, [phase or None for _, _, phase in parts])
    at = table.schema.get_field_index("metric")
    return table.set_column(at, SCHEMA.field("metric"), metric).append_column(PHASE, phase)


def _recoded(indices: pa.Array, names: Sequence[str | None]) -> pa.DictionaryArray:
    """Return what `names` has for each index, each text once in the dictionary; None is null."""
    places = {name: place for place, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    missing = [place for place, name in enumerate(names) if name is None]
    codes = column(pa.int32(), [0 if name is None else places[name] for name in names], missing)
    return pa.DictionaryArray.from_arrays(codes.take(indices), texts(list(places)))


def of_series(table: pa.Table, series: Iterable[str]) -> pa.Table:
    """Return the rows of some series."""
    if not table.num_rows:
        return table
    metric, wanted = table["metric"].unify_dictionaries().combine_chunks(), frozenset(series)
    codes = [code for code, name in enumerate(metric.dictionary.to_pylist()) if name in wanted]
    return table.filter(pc.is_in(metric.indices, value_set=column(pa.int32(), codes)))  # numbers: texts take far longer


def chosen(table: pa.Table, metrics: Sequence[str] | None = None, since: int | None = None) -> pa.Table:
    """Return the rows of some metrics, of all phases, and since some microsecond; one without a time is none of these.

    The series of a metric are among those of its name.
    """
    if metrics is not None:
        wanted = frozenset(metrics)
        names = {name for chunk in table["metric"].chunks for name in chunk.dictionary.to_pylist()}
        table = of_series(table, [name for name in names if name in wanted or metric_of(name) in wanted])
    if since is not None:
        times = table["time"].cast(pa.timestamp("us")).cast(pa.int64())
        table = table.filter(pc.greater_equal(times, scalar(pa.int64(), since)))
    return table
