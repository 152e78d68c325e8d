"""A stream of rows, summarised in a few numbers (docs/format.md, `trial.json`), in memory that does not grow with it.

Invariant: the numbers are a function of the rows alone, in whatever pieces they came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.rows.stats import ObjectiveResult, Point, Stats, thin
from hyperherd.metrics.store.arrow import column

_POINTS = 4096
"""Points that a curve is thinned from, at most twice as many."""

Rows = Callable[["Sequence[str] | None"], Iterable[pa.Table]]
"""Gives the rows of a default view, of all or of some metrics; may be asked again and again."""


def summarize(rows: Rows, spec: Mapping[str, Any] | None) -> tuple[dict[str, Stats], ObjectiveResult | None]:
    """Return the stats of every metric that has numbers, and the objective's.

    Args:
        rows: asked for the objective first, since its best step decides what is wanted of the other metrics.
        spec: ``{"metric", "direction"}``, or None.
    """
    best_step, curve = None, _RowCurve()
    if spec is not None:
        alone: dict[str, Stats] = {}
        for metric, part in _by_metric(rows([spec["metric"]])):
            alone[metric] = alone.get(metric, Stats()).merged(_stats(part))
            curve.add(part)
        best_step = alone[spec["metric"]].best(spec["direction"])[1] if alone else None
    stats: dict[str, Stats] = {}
    at_best: dict[str, float] = {}
    for metric, part in _by_metric(rows(None)):
        stats[metric] = stats.get(metric, Stats()).merged(_stats(part))
        value = _at(part, best_step)
        if value is not None:
            at_best[metric] = value
    if spec is None or spec["metric"] not in stats:
        return stats, None
    best, best_step = stats[spec["metric"]].best(spec["direction"])
    at_best.pop(spec["metric"], None)
    return stats, ObjectiveResult(spec["metric"], spec["direction"], best, best_step, at_best, curve.points())


def values_at(batches: Iterable[pa.Table], step: int) -> dict[str, float]:
    """Return every metric's value at `step`, or its last one before."""
    found = {}
    for metric, part in _by_metric(batches):
        value = _at(part, step)
        if value is not None:
            found[metric] = value
    return found


def _by_metric(batches: Iterable[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the numbers of each metric in every piece of a sorted stream."""
    for batch in batches:
        table = batch.filter(pc.is_valid(batch["value"])).unify_dictionaries().combine_chunks()
        if not table.num_rows:
            continue
        start = 0
        for count in pc.value_counts(table["metric"].combine_chunks().indices).field("counts").to_pylist():
            rows = table.slice(start, count)
            start += count
            yield rows["metric"][0].as_py(), rows


def _stats(rows: pa.Table) -> Stats:
    steps, values = rows["step"], rows["value"]
    is_nan = pc.is_nan(values)
    nan = pc.sum(is_nan).as_py()
    # Sorted by step, so the last row has the last value.
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


class _RowCurve:
    """Every n-th point of a stream, with n doubled whenever there are too many, and the last one."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._every = 1
        self._count = 0
        self._last: Point | None = None

    def add(self, rows: pa.Table) -> None:
        # The first row here whose place in the whole stream is a multiple of n.
        start = -self._count % self._every
        picked = rows.take(column(pa.int64(), range(start, rows.num_rows, self._every)))
        self._points += zip(picked["step"].to_pylist(), picked["value"].to_pylist(), strict=True)
        while len(self._points) > 2 * _POINTS:
            self._points, self._every = self._points[::2], 2 * self._every
        self._count += rows.num_rows
        self._last = rows["step"][-1].as_py(), rows["value"][-1].as_py()

    def points(self) -> list[Point]:
        is_last_in = (self._count - 1) % self._every == 0
        return thin(self._points if is_last_in or self._last is None else [*self._points, self._last])
