"""What a table shows of all rows (docs/format.md, Attempts), and what a table says of them in a few numbers.

Invariant: both are functions of the set of rows alone, in whatever order and from whatever files they were read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.arrow import column, scalar
from hyperherd.metrics.stats import Objective, Point, Stats, thin

_KEYS = ("metric", "step", "attempt", "time")
_ALL_STEPS = 2**63 - 1


def ordered(table: pa.Table) -> pa.Table:
    """Return the rows sorted by metric, step, attempt and time, in one chunk; equal ones keep their order."""
    table = unified(table)
    keys = pa.Table.from_arrays([_rank(table["metric"]), *(table[key] for key in _KEYS[1:])], names=list(_KEYS))
    return table.take(pc.sort_indices(keys, sort_keys=[(key, "ascending") for key in _KEYS])).combine_chunks()


def unified(table: pa.Table) -> pa.Table:
    """Return the rows in one chunk with one dictionary of metrics."""
    return table.unify_dictionaries().combine_chunks()


def _codes(metric: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return a dictionary column of one dictionary as its indices and its names."""
    whole = metric.combine_chunks()
    return whole.indices, whole.dictionary


def _rank(metric: pa.ChunkedArray) -> pa.Array:
    """Return for each row the place of its metric among the sorted names: numbers sort faster than text."""
    indices, names = _codes(metric)
    place = {name: rank for rank, name in enumerate(sorted(names.to_pylist()))}
    return column(pa.int32(), [place[name] for name in names.to_pylist()]).take(indices)


def default_view(table: pa.Table) -> pa.Table:
    """Return the rows of a sorted table that stand: nothing a newer attempt did again, one per metric and step."""
    return _last_of_each(without_superseded(table))


def without_superseded(table: pa.Table) -> pa.Table:
    """Drop, per metric, an older attempt's rows at or after the first step that a newer attempt logged."""
    attempts = pc.unique(table["attempt"])
    if len(attempts) < 2:
        return table
    series = _series(table, attempts)
    last_kept = _last_kept(_first_steps(series, table["step"]), attempts.to_pylist())
    return table.filter(pc.less_equal(table["step"], column(pa.int64(), last_kept).take(series))).combine_chunks()


def _series(table: pa.Table, attempts: pa.Array) -> pa.Array:
    """Return one number per row for its metric and attempt."""
    indices, _ = _codes(table["metric"])
    place = pc.index_in(table["attempt"].combine_chunks(), value_set=attempts)
    return pc.add(pc.multiply(indices, scalar(pa.int32(), len(attempts))), place)


def _first_steps(series: pa.Array, step: pa.ChunkedArray) -> dict[int, int]:
    """Return the first step of each series of a sorted table: that of its first row."""
    encoded = series.dictionary_encode()  # Numbered by first appearance, so a new one exceeds all before.
    seen = pc.cumulative_max(encoded.indices)
    is_first = pa.concat_arrays([pc.is_valid(seen[:1]), pc.greater(seen[1:], seen[:-1])])
    return dict(zip(encoded.dictionary.to_pylist(), step.filter(is_first).to_pylist(), strict=True))


def _last_kept(first: Mapping[int, int], attempts: list[int]) -> list[int]:
    """Return for each series the last step that stands: the one before any newer attempt's first at the same metric."""
    count = len(attempts)
    newest_first = sorted(range(count), key=lambda place: -attempts[place])
    kept = [_ALL_STEPS] * ((max(first) // count + 1) * count)
    for metric in {series // count for series in first}:
        before = _ALL_STEPS
        for series in (metric * count + place for place in newest_first):
            kept[series] = before
            if series in first:
                before = min(before, first[series] - 1)
    return kept


def _last_of_each(table: pa.Table) -> pa.Table:
    """Keep the last row of each metric, step and attempt of a sorted table."""
    if table.num_rows < 2:
        return table
    metric, _ = _codes(table["metric"])
    columns = (metric, table["step"].combine_chunks(), table["attempt"].combine_chunks())
    changes = [pc.not_equal(values[:-1], values[1:]) for values in columns]
    is_last = pc.or_(pc.or_(changes[0], changes[1]), changes[2])
    if pc.all(is_last).as_py():
        return table
    final = pc.is_valid(table["step"][-1:].combine_chunks())  # True: nothing follows the last row.
    return table.filter(pa.concat_arrays([is_last, final])).combine_chunks()


def summarize(view: pa.Table, objective: Mapping[str, Any] | None) -> tuple[dict[str, Stats], Objective | None]:
    """Return the stats of every metric that has numbers, and the objective's, for the rows of a default view.

    Args:
        view: what :func:`default_view` returned.
        objective: ``{"metric", "direction"}``, or None.
    """
    series = dict(_by_metric(view.filter(pc.is_valid(view["value"])).combine_chunks()))
    stats = {name: _stats(rows) for name, rows in series.items()}
    if objective is None or objective["metric"] not in series:
        return stats, None
    metric, direction = objective["metric"], objective["direction"]
    best, best_step = stats[metric].best(direction)
    others = {name: _at(rows, best_step) for name, rows in series.items() if name != metric}
    at_best = {name: value for name, value in others.items() if value is not None}
    return stats, Objective(metric, direction, best, best_step, at_best, _curve(series[metric]))


def _by_metric(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield each metric of a sorted table with its rows."""
    start = 0
    for run in pc.value_counts(_codes(table["metric"])[0]).to_pylist():
        rows = table.slice(start, run["counts"])
        start += run["counts"]
        yield rows["metric"][0].as_py(), rows


def _stats(rows: pa.Table) -> Stats:
    steps, values = rows["step"], rows["value"]
    is_nan = pc.is_nan(values)
    nan = pc.sum(is_nan).as_py()
    stats = Stats(rows.num_rows, values[-1].as_py(), steps[-1].as_py(), nan=nan)
    if nan == rows.num_rows:
        return stats
    if nan:
        steps, values = steps.filter(pc.invert(is_nan)), values.filter(pc.invert(is_nan))
    extremes = pc.min_max(values)
    stats.min, stats.max = extremes["min"].as_py(), extremes["max"].as_py()
    stats.min_step, stats.max_step = (steps[pc.index(values, extremes[key]).as_py()].as_py() for key in ("min", "max"))
    return stats


def _at(rows: pa.Table, step: int | None) -> float | None:
    """Return the value at `step`, or the last one before it; None if there is none."""
    if step is None:
        return None
    steps = rows["step"]
    count = bisect_right(range(rows.num_rows), step, key=lambda place: steps[place].as_py())
    value: float | None = rows["value"][count - 1].as_py() if count else None
    return value


def _curve(rows: pa.Table) -> list[Point]:
    rows = rows.take(column(pa.int64(), thin(range(rows.num_rows))))
    return list(zip(rows["step"].to_pylist(), rows["value"].to_pylist(), strict=True))
