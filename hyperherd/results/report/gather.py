"""The data of a report, as plain as JSON: columns over the trials, in the order of their rank.

A trial is known by its place in these columns. Parameters are coded: each column has its different values once.
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hyperherd import __version__
from hyperherd.plural import counted
from hyperherd.results.pages.ranking import ranking
from hyperherd.results.report.comparable import comparable
from hyperherd.results.report.findings import command_of, what_is_sure, what_ranks
from hyperherd.results.report.lookups import lookups, typed
from hyperherd.results.report.sampling import MOST_READ, sample_curves
from hyperherd.results.report.sections import SECTIONS
from hyperherd.results.statistics.gpu_hours import gpu_hours
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.text.format import exact, is_number, measure, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.directions import direction_of, interest
from hyperherd.results.trials.machine import gpus_of, machine_of
from hyperherd.results.trials.metric_names import has_metric, phase_notes
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap

SCHEMA = 1
_MOST_METRICS = 40
_LONGEST_TEXT = 500
_LONGEST_NUMBER = 8


def gather(trials: TrialCollection, command: str) -> tuple[dict[str, Any], list[str]]:
    """Return the report's data, and what is missing in it."""
    ordered = trials.sorted()
    sampled = sample_curves(ordered)
    notes = sampled.notes + phase_notes(ordered)
    metrics, left_out = _metrics(ordered)
    if left_out:
        notes.append(f"{counted(len(left_out), 'metric')} left out of the report: {', '.join(left_out[:5])} ...")
    labels = sweep_labels(ordered.sweeps)
    places = {trial: place for place, trial in enumerate(ordered)}
    params = [_param(ordered, name) for name in ordered.varying]
    document = {
        "schema": SCHEMA,
        "title": " + ".join(list(labels.values())[:3]) + (" ..." if len(labels) > 3 else ""),
        "made": time.time(),
        "made_by": {"version": __version__, "python": platform.python_version(), "command": command},
        "objective": _objective(ordered),
        "ranking": ranking(ordered),
        "gpu_hours": str(hours) if (hours := gpu_hours(ordered)) else None,
        "sure": what_is_sure(ordered),
        "ranks": what_ranks(ordered),
        "left": max((trial.eta for trial in ordered if trial.eta is not None), default=None),
        "counts": {state.value: count for state, count in ordered.counts.items()},
        "sweeps": [_sweep(sweep, label) for sweep, label in labels.items()],
        "directions": _directions(ordered, [*sampled.curves, *(metric["name"] for metric in metrics)]),
        "constant": {name: setting(value) for name, value in ordered.constant.items()},
        "params": params,
        "metrics": metrics,
        "trials": _columns(ordered),
        "comparable": comparable(trials, ordered, params) if ordered.ranked else None,
        **{section.name: section.data(ordered, places) for section in SECTIONS if section.data},
        "provenance": _provenance(ordered),
        "lookups": lookups(ordered, [metric["name"] for metric in metrics]),
        "curves": sampled.curves,
        "thinned": sampled.thinned,
        "notes": notes,
    }
    return document, notes


def _objective(trials: TrialCollection) -> dict[str, Any] | None:
    objective = trials.objective
    if objective is None:
        return None
    return {
        "metric": objective.metric,
        "label": objective.label,
        "direction": objective.direction,
        "source": objective.source,
        "values": [objective.value(trial) for trial in trials],
        "ranked": len(trials.ranked),
    }


def _directions(trials: TrialCollection, metrics: Iterable[str]) -> dict[str, str]:
    """Return which way is better, of the metrics of which that is known."""
    found = {name: better for name in metrics if (better := direction_of(name))}
    judges = [trials.objective] if trials.objective else trials.objectives
    return found | {name: one.direction for one in judges for name in (one.metric, one.label)}


def _sweep(sweep: Sweep, label: str) -> dict[str, Any]:
    return {"name": label, "dir": str(sweep.dir), "script": Path(sweep.script).name, "problem": sweep.problem}


def _param(trials: TrialCollection, name: str) -> dict[str, Any]:
    """Return a parameter's different values, sorted, and for each trial the place of its own; -1 where it has none."""
    places: dict[str, Any] = {}
    found = [trials.setting(trial, name) for trial in trials]
    for value in found:
        if not isinstance(value, Gap):
            places.setdefault(_token(value), value)
    numbers = all(is_number(value) and math.isfinite(value) for value in places.values())
    ordered = sorted(places.items(), key=lambda item: item[1] if numbers else (str(type(item[1])), exact(item[1])))
    codes = {token: code for code, (token, _) in enumerate(ordered)}
    texts = _texts([value for _, value in ordered])
    values = [
        {"text": told, "exact": exact(value), "typed": typed(value), "number": value if numbers else None}
        for told, (_, value) in zip(texts, ordered, strict=True)
    ]
    of_trials = [-1 if isinstance(value, Gap) else codes[_token(value)] for value in found]
    return {"name": name, "numeric": numbers, "values": values, "codes": of_trials}


def _texts(values: Sequence[Any]) -> list[str]:
    """Return different values for people: floats with many digits short, where that leaves them different."""
    full = [setting(value) for value in values]
    short = [text if len(text) <= _LONGEST_NUMBER else measure(value) for text, value in zip(full, values, strict=True)]
    return short if len(set(short)) == len(short) else full


def _token(value: Any) -> str:
    return f"{type(value).__name__} {exact(value)}"


def _metrics(trials: TrialCollection) -> tuple[list[dict[str, Any]], list[str]]:
    first = trials.objective.metric if trials.objective else None
    known = {*trials.metric_names, *([first] if first and has_metric(first, trials) else ())}
    names = sorted(known, key=lambda name: (name != first, interest(name)))
    columns = [
        {"name": name, "values": [_cell(trial.value(name)) for trial in trials]} for name in names[:_MOST_METRICS]
    ]
    return columns, names[_MOST_METRICS:]


def _cell(value: Any) -> Any:
    """Return a measured value: a number as it is, anything else as text."""
    if value is None or is_number(value):
        return value
    return exact(value)[:_LONGEST_TEXT]


def _columns(trials: TrialCollection) -> dict[str, list[Any]]:
    sweeps = {sweep: place for place, sweep in enumerate(trials.sweeps)}
    return {
        "label": [trial.label for trial in trials],
        "sweep": [sweeps[trial.sweep] for trial in trials],
        "state": [trial.state.value for trial in trials],
        "reason": [trial.reason[:_LONGEST_TEXT] for trial in trials],
        "started": [trial.started for trial in trials],
        "seconds": [trial.seconds for trial in trials],
        "step": [trial.step for trial in trials],
        "max_step": [trial.max_step for trial in trials],
        "attempt": [trial.attempt for trial in trials],
        "dir": [None if trial.dir is None else str(trial.dir) for trial in trials],
        "command": [command_of(trial) for trial in trials],
    }


def _provenance(trials: TrialCollection) -> dict[str, Any]:
    """Return the different environments the trials ran in, and for each trial the place of its own; -1 if unknown."""
    kinds: dict[str, int] = {}
    places = []
    for trial in trials if len(trials) <= MOST_READ else _first_of_each(trials):
        told = _environment(trial)
        places.append(-1 if told is None else kinds.setdefault(json.dumps(told, sort_keys=True), len(kinds)))
    return {"kinds": [json.loads(kind) for kind in kinds], "of": places if len(places) == len(trials) else []}


def _first_of_each(trials: TrialCollection) -> Sequence[Trial]:
    return list({trial.sweep: trial for trial in reversed(trials) if trial.started is not None}.values())


def _environment(trial: Trial) -> dict[str, str] | None:
    told = trial.provenance
    if not told:
        return None
    git = told.get("git")
    found = {name: told.get(name) for name in ("host", "python", "platform", "hyperherd")}
    if isinstance(git, dict):
        found["commit"] = f"{git.get('commit')}{' + changes' if git.get('dirty') else ''}"
        found["branch"] = git.get("branch")
    found |= {"CPU": machine_of(trial, "cpu"), "GPU": gpus_of(trial), "driver": machine_of(trial, "driver")}
    found["snapshot of the code"] = told.get("snapshot")
    packages = told.get("packages")
    if isinstance(packages, dict):
        found.update({f"{name} version": version for name, version in packages.items()})
    return {str(name): str(value)[:_LONGEST_TEXT] for name, value in found.items() if value is not None}
