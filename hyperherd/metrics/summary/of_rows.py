"""A stream of rows, summarised in a few numbers (docs/format.md, `trial.json`), in memory that does not grow with it.

Invariant: the numbers are a function of the rows alone, in whatever pieces they came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.rows.cuts import AttemptStart
from hyperherd.metrics.rows.phases import PhaseOrder, metric_of, phase_of
from hyperherd.metrics.rows.stats import ObjectiveResult, Point, Stats, thin
from hyperherd.metrics.store.arrow import column

_POINTS = 4096
"""Points that a curve is thinned from, at most twice as many."""

Rows = Callable[["Sequence[str] | None"], Iterable[pa.Table]]
"""Gives the rows of a default view, of all or of some metrics; may be asked again and again."""


def summarize(
    rows: Rows, spec: Mapping[str, Any] | None, attempts: Mapping[int, AttemptStart]
) -> tuple[dict[str, Stats], ObjectiveResult | None]:
    """Return the stats of every series that has numbers, and the objective's.

    Args:
        rows: asked for the objective first, since its best step decides what is wanted of the other metrics.
        spec: ``{"metric", "direction"}``, or None.
        attempts: how all attempts began: of several phases they say which one counts.
    """
    objective = None if spec is None else _objective(rows, spec, PhaseOrder(attempts))
    stats: dict[str, Stats] = {}
    at_best: dict[str, float] = {}
    for series, part in _by_series(rows(None)):
        stats[series] = stats.get(series, Stats()).merged(_stats(part))
        if objective is not None and phase_of(series) == objective.phase and series != objective.series:
            value = _at(part, objective.best_step)
            if value is not None:
                at_best[metric_of(series)] = value
    return stats, replace(objective, at_best=at_best) if objective else None


def _objective(rows: Rows, spec: Mapping[str, Any], order: PhaseOrder) -> ObjectiveResult | None:
    """Return the objective without other metrics' values; None if it has no number."""
    metric, direction = spec["metric"], spec["direction"]
    stats: dict[str, Stats] = {}
    curves: dict[str, _RowCurve] = defaultdict(_RowCurve)
    for series, part in _by_series(rows([metric])):
        stats[series] = stats.get(series, Stats()).merged(_stats(part))
        curves[series].add(part)
    shown = order.shown(stats).get(metric)
    if shown is None:
        return None
    best, best_step = stats[shown].best(direction)
    return ObjectiveResult(metric, direction, best, best_step, {}, curves[shown].points(), phase_of(shown))


def values_at(batches: Iterable[pa.Table], step: int, phase: str) -> dict[str, float]:
    """Return every metric's value at `step` of a phase, or its last one before."""
    found = {}
    for series, part in _by_series(batches):
        value = _at(part, step) if phase_of(series) == phase else None
        if value is not None:
            found[metric_of(series)] = value
    return found


def _by_series(batches: Iterable[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the numbers of each series in every piece of a sorted stream."""
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
