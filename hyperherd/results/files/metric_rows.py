"""What a table needs beyond a trial's summary: its metric rows, read once for each metric that is asked for."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.errors import FormatError
from hyperherd.records.files import number

if TYPE_CHECKING:
    import pyarrow as pa

    from hyperherd.results.trials.objective import Objective
    from hyperherd.results.trials.trial import Trial

Series = tuple[list[int], list[float]]


def rows(trial: Trial, names: Sequence[str]) -> pa.Table:
    """Return the rows of a trial that stand, of some metrics or of all.

    Raises:
        FormatError: its `metrics.parquet` is broken, or of a newer format than ours.
    """
    from hyperherd.metrics.reader import has_metrics, read_metrics
    from hyperherd.metrics.store.parquet import SCHEMA
    from hyperherd.results.files.trainer_files import read_series, table

    if trial.dir is None:
        return SCHEMA.empty_table()
    if not has_metrics(trial.dir) and (others := read_series(trial.dir)):
        return table(others, list(names) or None)
    return read_metrics(trial.dir, list(names) or None)


def series(trial: Trial, name: str) -> Series:
    """Return the steps and values of one metric, in the order of steps; what is no number is NaN."""
    kept: dict[str, Series] = trial.__dict__.setdefault("_series", {})
    if name not in kept:
        table = rows(trial, [name])
        values = [math.nan if value is None else value for value in table["value"].to_pylist()]
        kept[name] = (table["step"].to_pylist(), values)
    return kept[name]


def _readable_series(trial: Trial, name: str) -> Series | None:
    """Return what :func:`series` does; None if that cannot be read, which `trial.unread` then tells."""
    try:
        return series(trial, name)
    except (OSError, FormatError) as error:
        trial.__dict__["_unread"] = str(error)
        return None


def aggregated(trial: Trial, name: str, aggregate: str) -> float | None:
    """Return ``mean``, ``mean:K`` or ``@STEP`` of a metric; None if there is none, or its rows cannot be read."""
    summary = trial.summary(name)
    if aggregate.startswith("@") and summary.get("last_step") == int(aggregate[1:]):
        return number(summary.get("last"))
    found = _readable_series(trial, name)
    if found is None:
        return None
    steps, values = found
    if aggregate.startswith("@"):
        return dict(zip(steps, values, strict=True)).get(int(aggregate[1:]))
    _, _, count = aggregate.partition(":")
    chosen = values[-int(count) :] if count else values
    return math.fsum(chosen) / len(chosen) if chosen and all(map(math.isfinite, chosen)) else _not_finite(chosen)


def _not_finite(values: Sequence[float]) -> float | None:
    return sum(values) if values else None


def at_best(trial: Trial, name: str, objective: Objective) -> Any:
    """Return the value of a metric at the step at which a trial was best; its last one before where it has none there.

    Best is where the objective was, unless its aggregate says which step is meant. A value logged without a step is of
    no step, and stands for itself.
    """
    if name in trial.final and name not in trial.metric_names:
        return trial.final[name]
    summary = trial.summary(objective.metric)
    step = _step_of(summary, objective)
    if step is None or name not in trial.metric_names:
        return None
    known = trial.objective or {}
    if known.get("metric") == objective.metric and known.get("best_step") == step and name in known.get("at_best", {}):
        return known["at_best"][name]
    told = trial.summary(name)
    for aggregate in ("last", "max", "min"):
        if told.get(f"{aggregate}_step") == step:
            return told.get(aggregate)
    found = _readable_series(trial, name)
    if found is None:
        return None
    steps, values = found
    place = bisect_right(steps, step)
    return values[place - 1] if place else None


def _step_of(summary: dict[str, Any], objective: Objective) -> int | None:
    if (objective.aggregate or "").startswith("@"):
        return int((objective.aggregate or "")[1:])
    aggregate = objective.aggregate or objective.direction[:3]
    step = summary.get(f"{aggregate}_step")
    return step if isinstance(step, int) else None
