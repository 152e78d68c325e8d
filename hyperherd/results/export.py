"""Trials for programs: exact TSV and strict JSON, both from the same trials as the table on the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hyperherd.records.files import strict
from hyperherd.results.cells import tsv
from hyperherd.results.columns import View, exact_columns, sorted_by, sweep_labels
from hyperherd.results.objective import Objective
from hyperherd.results.trial import Sweep, Trial
from hyperherd.results.trials import Trials

SCHEMA = 1
"""Version of the JSON; raised when a key changes its meaning or goes."""


def to_tsv(trials: Trials, *, limit: int | None = None, view: View | None = None) -> str:
    """Return a header and one line per trial, best first: nothing rounded, nothing cut.

    An empty cell is a missing value; backslash, tab, newline and what is not printable are escaped as in Python.
    """
    view = view or View()
    ordered = Trials(sorted_by(trials, view), trials.objective)
    columns = exact_columns(ordered, view, sweep=len(ordered.sweeps) > 1)
    rows = zip(*([tsv(value) for value in column.values[:limit]] for column in columns), strict=True)
    lines = ["\t".join(tsv(column.name) for column in columns), *map("\t".join, rows)]
    return "\n".join(lines) + "\n"


def to_json(trials: Trials, *, limit: int | None = None) -> str:
    """Return everything a table is made of as strict JSON: NaN and infinities are strings, as in docs/format.md."""
    ordered = trials.sorted()
    labels = sweep_labels(ordered.sweeps)
    objective = ordered.objective
    record = {
        "schema": SCHEMA,
        "sweeps": [_sweep(sweep, label) for sweep, label in labels.items()],
        "objective": _objective(objective) if objective else None,
        "counts": {state.value: count for state, count in ordered.counts.items()},
        "constant": ordered.constant,
        "varying": list(ordered.varying),
        "trials": [
            {"sweep": labels[trial.sweep], "rank": rank, **_trial(trial, objective)}
            for rank, trial in zip(_ranks(ordered), ordered, strict=True)
        ][:limit],
    }
    return json.dumps(strict(record), indent=1, allow_nan=False, default=str) + "\n"


def _ranks(ordered: Trials) -> list[int | None]:
    """Return the place of each trial, from 1; None for those that are not ranked, which come last."""
    ranked = len(ordered.ranked)
    return [*range(1, ranked + 1), *[None] * (len(ordered) - ranked)]


def _sweep(sweep: Sweep, label: str) -> dict[str, Any]:
    return {"name": label, "dir": str(sweep.dir), "script": sweep.script or None, "problem": sweep.problem or None}


def _objective(objective: Objective) -> dict[str, Any]:
    return asdict(objective)


def _trial(trial: Trial, objective: Objective | None) -> dict[str, Any]:
    return {
        "number": trial.number,
        "name": trial.name,
        "key": trial.key or None,
        "dir": None if trial.dir is None else str(trial.dir),
        "state": trial.state.value,
        "cause": None if trial.cause is None else trial.cause.value,
        "reason": trial.reason or None,
        "value": objective.value(trial) if objective else None,
        "params": trial.params,
        "metrics": trial.metrics,
        "final": trial.final,
        "started": trial.started,
        "ended": trial.ended,
        "seconds": trial.seconds,
        "attempt": trial.attempt,
        "step": trial.step,
        "max_step": trial.max_step,
        "error": None if trial.error is None else asdict(trial.error),
        "overrides": list(trial.overrides),
        "command": trial.command,
    }
