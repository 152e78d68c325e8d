"""Which columns a table of trials has, and their values: one decision for the terminal, TSV and Arrow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hyperherd.records.states import TrialState
from hyperherd.results.cells import Gap, duration, is_number
from hyperherd.results.objective import Objective, interest
from hyperherd.results.trial import Sweep, Trial
from hyperherd.results.trials import Trials

_OURS = frozenset({"sweep", "number", "trial", "state", "step", "time", "dir"})
"""Names of our own columns; a parameter or metric of that name gets its prefix."""


class Role(Enum):
    """What a column tells."""

    IDENTITY = "identity"
    PARAM = "param"
    OBJECTIVE = "objective"
    METRIC = "metric"
    PROGRESS = "progress"


@dataclass(frozen=True)
class Column:
    """One column: a value or a gap for each trial."""

    name: str
    role: Role
    values: list[Any]


def exact_columns(trials: Trials, *, params: Iterable[str], sweep: bool) -> list[Column]:
    """Return the columns for programs; their order depends on names alone, never on what is best.

    Args:
        trials: one row each, in this order.
        params: the parameters to show.
        sweep: whether the first column names the sweep.
    """
    columns = [Column("sweep", Role.IDENTITY, _sweeps(trials))] if sweep else []
    columns += [
        _column("number", Role.IDENTITY, trials, lambda trial: trial.number),
        _column("state", Role.IDENTITY, trials, lambda trial: trial.state.value),
        *_params(trials, trials, params),
        *(_metric(trials, trials, name) for name in trials.metric_names),
        *_aggregated(trials, trials),
        _column("dir", Role.IDENTITY, trials, lambda trial: None if trial.dir is None else str(trial.dir)),
    ]
    return columns


def shown_columns(trials: Trials, rows: Sequence[Trial], *, params: Iterable[str]) -> list[Column]:
    """Return the columns for people: the objective first, then the other metrics that are numbers, then progress.

    Args:
        trials: all trials; they decide which columns there are.
        rows: those to show.
        params: the parameters to show.
    """
    sweeps = [Column("sweep", Role.IDENTITY, _sweeps(trials, rows))] if len(trials.sweeps) > 1 else []
    names = [name for name in trials.metric_names if any(is_number(trial.value(name)) for trial in trials)]
    objective = trials.objective
    first = _aggregated(trials, rows)
    if not first and objective is not None:
        first = [_objective(trials, rows, objective)]
        names = [name for name in names if name != objective.metric]
    return [
        *sweeps,
        _column("trial", Role.IDENTITY, rows, lambda trial: trial.label if trial.number is None else trial.number),
        *_params(trials, rows, params),
        *first,
        *(_metric(trials, rows, name) for name in sorted(names, key=interest)),
        *_progress(trials, rows),
    ]


def sweep_labels(sweeps: Sequence[Sweep]) -> dict[Sweep, str]:
    """Return a name for each sweep that no other has: its own, else its directory below what they all share."""
    names = [sweep.name for sweep in sweeps]
    if len(set(names)) == len(names):
        return dict(zip(sweeps, names, strict=True))
    shared = os.path.commonpath([sweep.dir.parent for sweep in sweeps])
    return {sweep: os.path.relpath(sweep.dir, shared) for sweep in sweeps}


def metric_column_name(trials: Trials, name: str) -> str:
    """Return the heading of a metric: its name, or ``metric.name`` where a parameter or column of ours has that."""
    return f"metric.{name}" if name in _OURS or name in trials.params else name


def _param_column_name(trials: Trials, name: str) -> str:
    return f"param.{name}" if name in _OURS or name in trials.metric_names else name


def _column(name: str, role: Role, rows: Iterable[Trial], value: Callable[[Trial], Any]) -> Column:
    found = (value(trial) for trial in rows)
    return Column(name, role, [Gap.MISSING if item is None else item for item in found])


def _sweeps(trials: Trials, rows: Sequence[Trial] | None = None) -> list[str]:
    labels = sweep_labels(trials.sweeps)
    return [labels[trial.sweep] for trial in (trials if rows is None else rows)]


def _params(trials: Trials, rows: Sequence[Trial], names: Iterable[str]) -> list[Column]:
    return [
        Column(_param_column_name(trials, name), Role.PARAM, [_setting(trial, name) for trial in rows])
        for name in names
    ]


def _setting(trial: Trial, name: str) -> Any:
    if name in trial.params:
        return trial.params[name]
    unknown = trial.state is TrialState.UNREADABLE and not trial.params
    return Gap.MISSING if unknown else Gap.NOT_APPLICABLE


def _metric(trials: Trials, rows: Sequence[Trial], name: str) -> Column:
    return _column(metric_column_name(trials, name), Role.METRIC, rows, lambda trial: trial.value(name))


def _aggregated(trials: Trials, rows: Sequence[Trial]) -> list[Column]:
    """Return the column of an objective such as ``val/acc:max``, which no plain metric column shows."""
    objective = trials.objective
    return [_objective(trials, rows, objective)] if objective is not None and objective.aggregate else []


def _objective(trials: Trials, rows: Sequence[Trial], objective: Objective) -> Column:
    name = metric_column_name(trials, objective.metric)
    name = f"{name}:{objective.aggregate}" if objective.aggregate else name
    return _column(name, Role.OBJECTIVE, rows, lambda trial: trial.value(objective.metric, objective.aggregate))


def _progress(trials: Trials, rows: Sequence[Trial]) -> list[Column]:
    columns = []
    if any(trial.step is not None for trial in trials):
        columns.append(_column("step", Role.PROGRESS, rows, _step))
    if any(trial.seconds is not None for trial in trials):
        columns.append(_column("time", Role.PROGRESS, rows, _time))
    return columns


def _step(trial: Trial) -> str | None:
    if trial.step is None or trial.max_step is None or trial.state.finished:
        return None if trial.step is None else str(trial.step)
    return f"{trial.step}/{trial.max_step}"


def _time(trial: Trial) -> str | None:
    return None if trial.seconds is None else duration(trial.seconds)
