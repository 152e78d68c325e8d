"""The course of the objective in a dozen characters, from what `trial.json` keeps of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hyperherd.records.disk.files import number
from hyperherd.results.tables.columns import Column, View
from hyperherd.results.text.layout import BARS
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

_POINTS = 12
_MOST = 3
"""Trials of a configuration that are looked at."""


def curve_columns(trials: TrialCollection, rows: Sequence[Sequence[Trial]], view: View) -> list[Column]:
    """Return a column of curves on one scale, the mean over the trials of each row; none if nothing was kept.

    Args:
        trials: all trials.
        rows: the trials of each row.
        view: what to show; who names columns gets those alone.
    """
    objective = trials.objective
    if objective is None or view.columns:
        return []
    curves = [_mean([_points(trial, objective.metric) for trial in row[:_MOST]]) for row in rows]
    known = [value for curve in curves for value in curve if math.isfinite(value)]
    if not known:
        return []
    low, high = min(known), max(known)
    values: list[Any] = [_spark(curve, low, high) if curve else Gap.MISSING for curve in curves]
    return [Column(f"{objective.metric} curve", Role.METRIC, values)]


def _points(trial: Trial, metric: str) -> list[float]:
    """Return the kept curve of a metric, thinned out to a few points."""
    kept = trial.objective or {}
    if kept.get("metric") != metric or not isinstance(kept.get("curve"), list):
        return []
    found = [number(point[1]) for point in kept["curve"] if isinstance(point, list) and len(point) == 2]
    values = [math.nan if value is None else value for value in found]
    if len(values) <= _POINTS:
        return values
    return [values[round(place * (len(values) - 1) / (_POINTS - 1))] for place in range(_POINTS)]


def _mean(curves: list[list[float]]) -> list[float]:
    """Return the mean of curves, as far as all that have begun have got."""
    begun = [curve for curve in curves if curve]
    if not begun:
        return []
    length = min(map(len, begun))
    return [math.fsum(curve[place] for curve in begun) / len(begun) for place in range(length)]


def _spark(curve: list[float], low: float, high: float) -> str:
    span = (high - low) or 1.0
    return "".join(_bar((value - low) / span) for value in curve)


def _bar(share: float) -> str:
    return " " if math.isnan(share) else BARS[max(0, min(len(BARS) - 1, int(share * len(BARS))))]
