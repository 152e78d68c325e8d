"""The objective of trials: requested, saved with the sweep, or guessed, and then marked as guessed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hyperherd.errors import ResultsError
from hyperherd.records.disk.files import number
from hyperherd.results.trials.aggregates import split_metric, unknown_metric
from hyperherd.results.trials.objective import DIRECTIONS, Objective, direction_of, preference, saved_objective
from hyperherd.results.trials.trial import Trial


def needed(objective: Objective | None, trials: Iterable[Trial]) -> Objective:
    """Return the objective.

    Raises:
        ResultsError: there is none, so a question that needs one cannot be answered.
    """
    if objective is None:
        known = ", ".join(metric_names(trials)) or "none"
        raise ResultsError(
            f"these trials have no objective; choose a metric and a direction with -m METRIC --direction max|min; "
            f"available: {known}"
        )
    return objective


def choose_objective(trials: Sequence[Trial]) -> Objective | None:
    """Return the default objective of `trials`: the sweep's own, else a guess, else None."""
    saved = saved_objectives(trials)
    if saved:
        return saved[0] if len(saved) == 1 else None
    held = Counter(name for trial in trials for name in metric_names([trial]) if number(trial.value(name)) is not None)
    candidates = [(name, better) for name in held if (better := direction_of(name))]
    if not candidates:
        return None
    metric, better = min(candidates, key=lambda pair: (*preference(*pair), -held[pair[0]], len(pair[0]), pair[0]))
    return Objective(metric, better, source="guessed")


def saved_objectives(trials: Iterable[Trial]) -> list[Objective]:
    """Return the different objectives that the sweeps of `trials` were given; without any, those of their callbacks."""
    trials = list(trials)
    given = list(dict.fromkeys(trial.sweep.objective for trial in trials if trial.sweep.objective))
    return given or list(
        dict.fromkeys(filter(None, (saved_objective(trial.objective) for trial in _first_of_sweeps(trials))))
    )


def _first_of_sweeps(trials: Iterable[Trial]) -> Iterable[Trial]:
    """Return a finished trial of each sweep: its script has told all of them the same, and there may be thousands."""
    found: dict[object, Trial] = {}
    for trial in trials:
        if trial.state.finished:
            found.setdefault(trial.sweep, trial)
    return found.values()


def ask_objective(trials: Sequence[Trial], asked: str, direction: str | None = None) -> Objective:
    """Return the objective a person asked for.

    Args:
        trials: what is to be judged.
        asked: ``METRIC`` or ``METRIC:AGG`` (see :mod:`hyperherd.results.trials.aggregates`).
        direction: ``max`` or ``min``; without it that of the sweep, else by the metric's name, else the aggregate.

    Raises:
        ResultsError: no trial has the metric, or its direction is unknown.
    """
    known = metric_names(trials)
    found = split_metric(asked, known) or split_metric(asked.removeprefix("metric."), known)
    if found is None:
        raise unknown_metric(asked, known)
    metric, aggregate = found
    saved = {objective.metric: objective.direction for objective in saved_objectives(trials)}
    better = _asked_direction(direction) if direction else saved.get(metric) or direction_of(metric)
    better = better or DIRECTIONS.get(aggregate or "")
    if better is None:
        raise ResultsError(f"the direction of {metric!r} is not known; add --direction max or --direction min")
    return Objective(metric, better, aggregate)


def turned(objective: Objective, direction: str) -> Objective:
    """Return `objective` with the direction (``max`` or ``min``) a person asked for."""
    return replace(objective, direction=_asked_direction(direction), source="asked")


def metric_names(trials: Iterable[Trial]) -> list[str]:
    """Return the names of all metrics and final values of `trials`, sorted."""
    kinds = dict.fromkeys((trial.metric_names, tuple(trial.final)) for trial in trials)
    return sorted({name for metrics, final in kinds for name in (*metrics, *final)})


def _asked_direction(text: str) -> str:
    if text not in (*DIRECTIONS, *DIRECTIONS.values()):
        raise ResultsError(f"{text!r} is not a direction; use max or min")
    return DIRECTIONS.get(text, text)


def at_best(trial: Trial, name: str, objective: Objective) -> Any:
    """Return the value of a metric at the step at which a trial was best; its last one before where it has none there.

    Best is where the objective was, unless its aggregate names a step. A value logged without a step is of
    no step, and stands for itself.
    """
    if name in trial.final and name not in trial.metric_names:
        return trial.final[name]
    step = _step_of(trial.summary(objective.metric), objective)
    if step is None or name not in trial.metric_names:
        return None
    known = trial.objective or {}
    if known.get("metric") == objective.metric and known.get("best_step") == step and name in known.get("at_best", {}):
        return known["at_best"][name]
    # Its summary may have the value, without reading rows: it has the steps of the last, greatest and least one.
    told = trial.summary(name)
    for aggregate in ("last", "max", "min"):
        if told.get(f"{aggregate}_step") == step:
            return told.get(aggregate)
    steps, values = trial.readable_values(name) or ((), ())
    place = bisect_right(steps, step)
    return values[place - 1] if place else None


def _step_of(summary: Mapping[str, Any], objective: Objective) -> int | None:
    if (objective.aggregate or "").startswith("@"):
        return int((objective.aggregate or "")[1:])
    aggregate = objective.aggregate or objective.direction[:3]
    step = summary.get(f"{aggregate}_step")
    return step if isinstance(step, int) else None
