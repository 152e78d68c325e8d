"""What a filter in the report may ask beside the columns that are shown, so that it takes what the command line takes.

Columns are coded: each has its different values once, as a letter for the type and the exact text (`typed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hyperherd.results.report.sampling import MOST_READ
from hyperherd.results.text.format import exact, is_number
from hyperherd.results.trials.aggregates import is_aggregate
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import fact_field
from hyperherd.results.trials.judging import at_best
from hyperherd.results.trials.phases import EVALUATE, phases_of
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap, flat

FACTS = (
    *("sweep", "number", "trial", "name", "script", "cause", "reason", "error"),
    *("key", "ended", "host", "job_id", "note"),
)
"""Facts of a trial that no column of the report has as they are."""
RECORDED = ("branch", "commit", "cpu", "gpu", "driver", "cpu_time", "peak_memory", "peak_gpu_memory")
"""Facts for which a file of each trial is read: of many trials a report does without."""
COLUMNS = ("state", "step", "time", "seconds", "dir", "started", "attempt", "max_step")
"""Those that columns of the report have."""
_LONGEST = 500
_MOST_METRICS = 12
_MOST_PHASED = 24

Coded = dict[str, Any]


def lookups(trials: TrialCollection, metrics: Iterable[str]) -> dict[str, Any]:
    """Return columns over `trials` by what they are about.

    Args:
        trials: in the order of the report.
        metrics: those of the report, the most interesting first.
    """
    first = list(metrics)[:_MOST_METRICS]
    few = len(trials) <= MOST_READ
    return {
        "facts": {name: _coded(map(fact_field(name).value, trials)) for name in (*FACTS, *(RECORDED if few else ()))},
        "tags": [list(trial.tags) for trial in trials] if any(trial.tags for trial in trials) else None,
        "constants": {name: _coded(trials.setting(trial, name) for trial in trials) for name in _constants(trials)},
        "config": _nested([trial.config for trial in trials]) if few else None,
        "provenance": _nested([trial.provenance for trial in trials]) if few else None,
        "aggregates": {name: _aggregates(trials, name) for name in first},
        "phased": {name: _aggregates(trials, name, None) for name in _phased(trials, first)},
        "at_best": _at_best(trials, first) if few else {},
    }


def typed(value: Any) -> str:
    """Return a value as the letter of its type and its exact text: ``n0.01``, ``scnn``, ``btrue``, ``znull``."""
    if isinstance(value, str):
        return f"s{value}"
    kind = "z" if value is None else "b" if isinstance(value, bool) else "n" if is_number(value) else "j"
    return kind + exact(value)


def _constants(trials: TrialCollection) -> list[str]:
    """Return the parameters and config groups that are the same in all trials."""
    choices = dict.fromkeys(name for trial in trials for name in trial.choices)
    return [name for name in dict.fromkeys((*trials.params, *choices)) if name not in trials.varying]


def _coded(values: Iterable[Any]) -> Coded:
    """Return the different values, and for each trial the place of its own, -1 for none; no places if all are one.

    What is too long for the report has no values.
    """
    places: dict[str, int] = {}
    codes = [-1 if isinstance(value, Gap) else places.setdefault(typed(value), len(places)) for value in values]
    if any(len(text) > _LONGEST for text in places):
        return {"values": None, "codes": None}
    return {"values": list(places), "codes": None if codes and set(codes) == {0} else codes}


def _nested(kept: list[dict[str, Any]]) -> dict[str, Coded]:
    """Return a column for each value of nested maps, by its dotted name."""
    leaves = [flat(one) for one in kept]
    names = dict.fromkeys(name for one in leaves for name in one)
    return {name: _coded(one.get(name, Gap.NOT_APPLICABLE) for one in leaves) for name in names}


def _aggregates(trials: TrialCollection, name: str, *others: None) -> dict[str, list[Any]]:
    """Return the aggregates that need no rows; for None the plain value."""
    asked = ("last", "max", "min", *others)
    return {kept or "value": [_plain(trial.value(name, kept)) for trial in trials] for kept in asked}


def _phased(trials: TrialCollection, metrics: Iterable[str]) -> list[str]:
    """Return ``METRIC:PHASE`` of what was logged in several phases; a word that is an aggregate means that."""
    known = {tuple((phase, tuple(names)) for phase, names in trial.phase_names.items()) for trial in trials}
    kinds = [dict(kind) for kind in sorted(known)]
    found = []
    for metric in metrics:
        phases = dict.fromkeys(phase for kind in kinds for phase in phases_of(metric, kind))
        asked = [*phases, EVALUATE] if len(phases) > 1 else []
        found += [f"{metric}:{phase}" for phase in asked if not is_aggregate(phase)]
    return found[:_MOST_PHASED]


def _at_best(trials: TrialCollection, names: Iterable[str]) -> dict[str, list[Any]]:
    objective = trials.objective
    if objective is None:
        return {}

    def value(trial: Trial, name: str) -> Any:
        return _plain(at_best(trial, name, objective))

    return {name: [value(trial, name) for trial in trials] for name in names}


def _plain(value: Any) -> Any:
    return value if is_number(value) else None
