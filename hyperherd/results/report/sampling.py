"""Curves small enough for a file that is mailed: at most 200 points each, fewer of many trials.

The curves of a large sweep are those that every `trial.json` holds, so that no metric file is opened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyperherd.errors import FormatError
from hyperherd.records.disk.files import number
from hyperherd.results.curves.reading import epoch_places, epochs_of, numeric_rows
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
_EXACT = 50_000
"""Points up to which values keep all their digits, so that a filter may compute with them."""

_EPOCH = "epoch"
"""The metric by which callbacks log the epoch."""

Sampled = list[Any]
"""In parallel: steps, values, seconds since the trial's first value, epochs; None for what is not known."""


@dataclass
class SampledCurves:
    """The curves of a report."""

    curves: dict[str, list[Sampled | None]]
    """Metric -> the curve of each trial."""
    thinned: dict[str, list[int]] = field(default_factory=dict)
    """Metric -> the places of the trials of which it has not all that was logged: fewer points, or fewer digits."""
    notes: list[str] = field(default_factory=list)
    """What is missing."""


def sample_curves(trials: TrialCollection) -> SampledCurves:
    """Return the curve of each trial and metric, and what is missing."""
    if len(trials) > MOST_READ:
        return _summarized(trials)
    metrics = _metrics(trials)
    found = SampledCurves({name: [None] * len(trials) for name in metrics})
    most = max(_LEAST_POINTS, min(_MOST_POINTS, _BUDGET // max(1, len(trials) * len(metrics))))
    for place, trial in enumerate(trials):
        try:
            for name, (curve, logged) in _read(trial, metrics, most).items():
                found.curves[name][place] = curve
                if len(curve[0]) < logged:
                    found.thinned.setdefault(name, []).append(place)
        except (OSError, FormatError) as error:
            found.notes.append(f"trial {trial.label}: curves left out: {error}")
    found.curves = {name: curves for name, curves in found.curves.items() if any(curves)}
    _shorten(found)
    return found


def _shorten(found: SampledCurves) -> None:
    """Shorten the values of curves to what a line on a screen needs, if they are many."""
    if sum(len(curve[0]) for curves in found.curves.values() for curve in curves if curve) <= _EXACT:
        return
    for name, curves in found.curves.items():
        found.thinned[name] = [place for place, curve in enumerate(curves) if curve]
        for curve in filter(None, curves):
            curve[1] = list(map(_short, curve[1]))


def _metrics(trials: TrialCollection) -> list[str]:
    known = [(name, number(summary.get("count"))) for trial in trials for name, summary in trial.metrics.items()]
    first = trials.objective.metric if trials.objective else None
    if first is not None:  # perhaps of a phase that is named
        known += [(first, number(trial.summary(first).get("count"))) for trial in trials]
    stepped = {name for name, values in known if values and values > 1}
    return sorted(stepped, key=lambda name: (name != first, interest(name)))[:_MOST_METRICS]


def _read(trial: Trial, metrics: Sequence[str], most: int) -> dict[str, tuple[Sampled, int]]:
    """Return the curves of a trial with at most this many points, each with how many were logged."""
    rows_of = numeric_rows(trial, metrics)
    epochs = epochs_of(trial) if _EPOCH in trial.metric_names else {}
    return {name: (_sampled(rows, most, epochs), rows.num_rows) for name, rows in rows_of.items() if rows.num_rows}


def _sampled(rows: pa.Table, most: int, epochs: Mapping[tuple[str | None, int], float]) -> Sampled:
    values = _floats(rows["value"])
    places = thin(values, most)
    sampled: Sampled = [rows["step"].take(places).to_pylist(), [_finite(values[place]) for place in places], None, None]
    if not rows["time"].null_count:
        micros = rows["time"].cast("int64")
        sampled[2] = [round((moment - micros[0].as_py()) / 1e6, 1) for moment in micros.take(places).to_pylist()]
    if epochs:
        phase = rows["phase"][0].as_py() if "phase" in rows.column_names else None
        found = epoch_places(rows["step"].to_pylist(), epochs, phase)
        sampled[3] = [None if (x := found[place]) is None else round(x, 4) for place in places]
    return sampled


def _floats(column: pa.ChunkedArray) -> list[float]:
    """Return a column of floats without nulls as a list, at once instead of one by one."""
    values = column.combine_chunks()
    raw: memoryview[float] = memoryview(values.buffers()[1]).cast("d")
    return list(raw[values.offset : values.offset + len(values)])


def _summarized(trials: TrialCollection) -> SampledCurves:
    """Return the curves of the sweep's own objective that the trials keep beside their state."""
    more = f"more than {MOST_READ} trials: the report has only the curve of the objective, at a few points"
    found = SampledCurves({}, notes=[more])
    for place, trial in enumerate(trials):
        told = trial.objective if isinstance(trial.objective, dict) else {}
        points, metric = _points(told.get("curve")), told.get("metric")
        if points and isinstance(metric, str):
            curves = found.curves.setdefault(metric, [None] * len(trials))
            curves[place] = [[step for step, _ in points], [_short(value) for _, value in points], None, None]
            found.thinned.setdefault(metric, []).append(place)
    return found


def _points(curve: Any) -> list[tuple[Any, Any]]:
    """Return what is a point among what a record calls a curve."""
    pairs = [item for item in curve if isinstance(item, list) and len(item) == 2] if isinstance(curve, list) else []
    return [(step, value) for step, value in pairs if number(step) is not None and number(value) is not None]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _short(value: Any) -> float | None:
    """Return a value as precise as a line on a screen, None if it is not a finite number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
