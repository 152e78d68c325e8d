"""Curves small enough for a file that is mailed: at most 200 points each, fewer of many trials.

The curves of a large sweep are those that every `trial.json` holds, so that no metric file is opened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.errors import FormatError
from hyperherd.records.disk.files import number
from hyperherd.results.curves.reading import numeric_rows
from hyperherd.results.curves.smoothing import thin
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.directions import interest
from hyperherd.results.trials.trial import Trial

if TYPE_CHECKING:
    import pyarrow as pa

MOST_READ = 2000
"""Trials whose metric files are read."""
_MOST_POINTS, _LEAST_POINTS = 200, 24
_MOST_METRICS = 12
_BUDGET = 600_000
"""Points of all curves together, about ten bytes each once compressed."""

Sampled = list[list[Any]]
"""Steps, values and seconds since the trial's first value, in parallel; without the last if times are not known."""


def sample_curves(trials: TrialCollection) -> tuple[dict[str, list[Sampled | None]], list[str]]:
    """Return metric -> the curve of each trial, and what is missing."""
    if len(trials) > MOST_READ:
        return _summarized(trials)
    metrics = _metrics(trials)
    curves: dict[str, list[Sampled | None]] = {name: [None] * len(trials) for name in metrics}
    notes = []
    most = max(_LEAST_POINTS, min(_MOST_POINTS, _BUDGET // max(1, len(trials) * len(metrics))))
    for place, trial in enumerate(trials):
        try:
            for name, curve in _read(trial, metrics, most).items():
                curves[name][place] = curve
        except (OSError, FormatError) as error:
            notes.append(f"trial {trial.label}: curves left out: {error}")
    return {name: found for name, found in curves.items() if any(found)}, notes


def _metrics(trials: TrialCollection) -> list[str]:
    known = [(name, number(summary.get("count"))) for trial in trials for name, summary in trial.metrics.items()]
    first = trials.objective.metric if trials.objective else None
    if first is not None:  # perhaps of a phase that is named
        known += [(first, number(trial.summary(first).get("count"))) for trial in trials]
    stepped = {name for name, values in known if values and values > 1}
    return sorted(stepped, key=lambda name: (name != first, interest(name)))[:_MOST_METRICS]


def _read(trial: Trial, metrics: Sequence[str], most: int) -> dict[str, Sampled]:
    return {name: _sampled(rows, most) for name, rows in numeric_rows(trial, metrics).items() if rows.num_rows}


def _sampled(rows: pa.Table, most: int) -> Sampled:
    values = _floats(rows["value"])
    places = thin(values, most)
    sampled: Sampled = [rows["step"].take(places).to_pylist(), [_short(values[place]) for place in places]]
    if not rows["time"].null_count:
        micros = rows["time"].cast("int64")
        sampled.append([round((moment - micros[0].as_py()) / 1e6, 1) for moment in micros.take(places).to_pylist()])
    return sampled


def _floats(column: pa.ChunkedArray) -> list[float]:
    """Return a column of floats without nulls as a list, at once instead of one by one."""
    values = column.combine_chunks()
    raw: memoryview[float] = memoryview(values.buffers()[1]).cast("d")
    return list(raw[values.offset : values.offset + len(values)])


def _summarized(trials: TrialCollection) -> tuple[dict[str, list[Sampled | None]], list[str]]:
    """Return the curves of the sweep's own objective that the trials keep beside their state."""
    found: dict[str, list[Sampled | None]] = {}
    for place, trial in enumerate(trials):
        told = trial.objective if isinstance(trial.objective, dict) else {}
        points, metric = _points(told.get("curve")), told.get("metric")
        if points and isinstance(metric, str):
            curves = found.setdefault(metric, [None] * len(trials))
            curves[place] = [[step for step, _ in points], [_short(value) for _, value in points]]
    more = f"more than {MOST_READ} trials: the report has only the curve of the objective, at a few points"
    return found, [more]


def _points(curve: Any) -> list[tuple[Any, Any]]:
    """Return what is a point among what a record calls a curve."""
    pairs = [item for item in curve if isinstance(item, list) and len(item) == 2] if isinstance(curve, list) else []
    return [(step, value) for step, value in pairs if number(step) is not None and number(value) is not None]


def _short(value: Any) -> float | None:
    """Return a value as precise as a line on a screen, None if it is not a finite number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
