"""Trials for programs and papers, in every format, from the same columns and records as the table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import orjson

from hyperherd.records.disk.files import strict
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups
from hyperherd.results.statistics.front import front_of
from hyperherd.results.statistics.marginal import pooled_over
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.tables.best_cells import best_groups, best_trials
from hyperherd.results.tables.columns import (
    Column,
    View,
    exact_columns,
    groups_sorted_by,
    shown_columns,
    sorted_by,
    spread_columns,
    sweep_labels,
)
from hyperherd.results.tables.formats import FOR_PEOPLE, FOR_PROGRAMS
from hyperherd.results.tables.front_marks import front_values
from hyperherd.results.tables.people import people_columns
from hyperherd.results.tables.pivot import pivot_columns
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap

SCHEMA = 1
"""Version of the JSON; raised when a key changes its meaning or goes."""
EXACTLY = ("latex",)
"""Formats for people in which columns that someone names stand alone: what is for a paper is not added to."""


def to_text(
    trials: TrialCollection,
    form: str,
    view: View | None = None,
    *,
    limit: int | None = None,
    groups: AnyGroups | None = None,
) -> str:
    """Return a table in a format but for ``table`` and ``parquet``.

    Args:
        trials: a row each, if there are no groups.
        form: one of `form_names.FORMS`.
        view: what to show.
        limit: the most rows.
        groups: a row each instead.
    """
    view = view or View()
    if form in STREAMED:
        return "".join(STREAMED[form](trials, limit=limit, view=view, groups=groups))
    if form in FOR_PROGRAMS:
        return FOR_PROGRAMS[form](exact_sheet(trials, view, limit=limit, groups=groups), view)
    return _for_people(trials, form, replace(view, bare=form in EXACTLY and bool(view.columns)), limit, groups)


def _for_people(trials: TrialCollection, form: str, view: View, limit: int | None, groups: AnyGroups | None) -> str:
    bold = view.bold != "none"
    if groups is not None:
        rows = groups_sorted_by(groups, view)[:limit]
        columns = people_columns(groups, rows, view)
        columns = best_groups(columns, groups, rows) if bold else columns
        return FOR_PEOPLE[form](_marked(columns, groups), view, groups.err)
    chosen = sorted_by(trials, view)[:limit]
    columns = shown_columns(trials, chosen, view)
    if not view.sort and trials.objective is not None:
        view = replace(view, ranked=min(len(trials.ranked), len(chosen)))
    return FOR_PEOPLE[form](best_trials(columns, trials, chosen) if bold else columns, view, "std")


def _marked(columns: list[Column], groups: AnyGroups) -> list[Column]:
    """Return the columns with the word for a rank by a guess, because no sentence stands above such a table."""
    guessed = groups.objective is not None and groups.objective.source == "guessed"
    return [replace(one, name="rank (guessed)") if guessed and one.name == "rank" else one for one in columns]


def pivot_text(groups: AnyGroups, form: str, view: View) -> str:
    """Return the objective by two names in a format of text."""
    if form in FOR_PROGRAMS:
        return FOR_PROGRAMS[form](pivot_columns(groups, view, exact=True), view)
    return FOR_PEOPLE[form](pivot_columns(groups, view, exact=False), view, groups.err)


def exact_sheet(
    trials: TrialCollection, view: View, *, limit: int | None = None, groups: AnyGroups | None = None
) -> list[Column]:
    """Return the columns of a table for programs, best first."""
    if groups is not None:
        return spread_columns(groups, view, groups_sorted_by(groups, view)[:limit])
    rows = sorted_by(trials, view)[:limit]
    return exact_columns(trials, rows, view, sweep=len(trials.sweeps) > 1)


def to_tsv(trials: TrialCollection, *, limit: int | None = None, view: View | None = None) -> str:
    """Return a header and one line per trial, best first (see :func:`formats.to_tsv`)."""
    return to_text(trials, "tsv", view, limit=limit)


def to_json(
    trials: TrialCollection, *, limit: int | None = None, view: View | None = None, groups: AnyGroups | None = None
) -> str:
    """Return everything a table is made of as strict JSON: NaN and infinities are strings, as in docs/format.md."""
    return "".join(json_pieces(trials, limit=limit, view=view, groups=groups))


def json_pieces(
    trials: TrialCollection, *, limit: int | None = None, view: View | None = None, groups: AnyGroups | None = None
) -> Iterator[str]:
    """Return what :func:`to_json` does in pieces, of which one is made at a time: all may be larger than the memory."""
    view = view or View()
    objective = trials.objective
    judges = _objectives(trials)
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "sweeps": [_sweep(sweep, label, judges[sweep]) for sweep, label in sweep_labels(trials.sweeps).items()],
        "objective": asdict(objective) if objective else None,
        **_several(trials.objectives),
        "counts": {state.value: count for state, count in trials.counts.items()},
        "constant": trials.constant,
        "varying": list(trials.varying),
    }
    if groups is None:
        return _document(head, {"trials": _trial_lines(trials, sorted_by(trials, view)[:limit])})
    head["seed_keys"] = list(groups.keys)
    head["pooled_over"] = list(pooled_over(groups))
    # The limit counts what is asked for, and a group is worth nothing without its trials.
    rows = group_records(groups, groups_sorted_by(groups, view)[:limit])
    return _document(head, {"groups": map(_line, rows), "trials": _trial_lines(trials, list(trials.sorted()))})


def _document(head: dict[str, Any], lists: dict[str, Iterable[str]]) -> Iterator[str]:
    """Yield one JSON object in pieces; of the lists, which may be long, an item each."""
    yield json.dumps(strict(head), indent=1, allow_nan=False, default=str).removesuffix("\n}")
    for name, items in lists.items():
        yield f',\n "{name}": [\n'
        for place, item in enumerate(items):
            yield ",\n" + item if place else item
        yield "\n ]"
    yield "\n}\n"


def _line(record: dict[str, Any], *, is_finite: bool = False) -> str:
    """Return a record as JSON; `is_finite` if it is known to have no number that JSON cannot express."""
    if not is_finite:
        try:
            json.dumps(record, allow_nan=False, default=str)  # to look for one everywhere in Python takes longer
        except ValueError:
            record = strict(record)
    with suppress(TypeError):  # an integer beyond 64 bits, or half a surrogate pair
        line = orjson.dumps(record, default=str)
        if line.isascii():
            return line.decode()
    return json.dumps(record, allow_nan=False, default=str, separators=(",", ":"))


def _trial_lines(trials: TrialCollection, rows: Sequence[Trial]) -> Iterator[str]:
    for trial, record in zip(rows, trial_records(trials, rows), strict=True):
        yield _line(record, is_finite=trial.is_finite and "settings" not in record)


def jsonl_pieces(
    trials: TrialCollection, *, limit: int | None = None, view: View | None = None, groups: AnyGroups | None = None
) -> Iterator[str]:
    """Return one line of strict JSON per trial, or per group."""
    view = view or View()
    if groups is not None:
        lines: Iterable[str] = map(_line, group_records(groups, groups_sorted_by(groups, view)[:limit]))
    else:
        lines = _trial_lines(trials, sorted_by(trials, view)[:limit])
    return (f"{line}\n" for line in lines)


STREAMED = {"json": json_pieces, "jsonl": jsonl_pieces}
"""The formats that are made piece by piece."""


def trial_records(trials: TrialCollection, rows: Sequence[Trial]) -> Iterator[dict[str, Any]]:
    """Yield some of the trials as the JSON has them, with their places among all."""
    labels = sweep_labels(trials.sweeps)
    objectives = _objectives(trials)
    parts = trials.by_objective()
    ranks = {id(trial): rank for part in parts for rank, trial in enumerate(part.ranked, 1)}
    fronts = {trial: told for part in parts if part.objectives for trial, told in _fronts(part)}
    for trial in rows:
        told = trial_record(trial, objectives[trial.sweep])
        record = {"sweep": labels[trial.sweep], "rank": ranks.get(id(trial)), **fronts.get(trial, {}), **told}
        found = {name: trials.setting(trial, name) for name in trials.varying if name not in trial.params}
        settings = {name: value for name, value in found.items() if not isinstance(value, Gap)}
        yield {**record, "settings": settings} if settings else record
        trial.forget()


def _fronts(trials: TrialCollection) -> Iterator[tuple[Trial, dict[str, Any]]]:
    """Yield the trials that several objectives judge, each with its values and whether it is on the front."""
    standing = front_of(trials).standing
    for trial in trials:
        values = [objective.value(trial) for objective in trials.objectives]
        yield trial, {"front": standing.get(trial), "values": values}


def _several(objectives: Sequence[Objective]) -> dict[str, Any]:
    return {"objectives": [asdict(objective) for objective in objectives]} if objectives else {}


def _objectives(trials: TrialCollection) -> dict[Sweep, Objective | None]:
    """Return what the trials of each sweep are judged by."""
    return {sweep: part.objective for part in trials.by_objective() for sweep in part.sweeps}


def group_records(groups: AnyGroups, rows: Sequence[AnyGroup]) -> Iterator[dict[str, Any]]:
    """Yield some of the groups as the JSON has them, with their places among all."""
    ranks = {id(group): rank for rank, group in enumerate(groups.ranked, 1)}
    scores = {id(group): score for group, score in zip(groups.ranked, groups.scores, strict=True)}
    fronts = front_values(groups, rows) if groups.trials.objectives else [None] * len(rows)
    for group, front in zip(rows, fronts, strict=True):
        told = _several_means(group, groups, front) if groups.trials.objectives else {}
        yield {"rank": ranks.get(id(group)), "score": scores.get(id(group)), **told, **_group(group, groups)}


def _several_means(group: AnyGroup, groups: AnyGroups, front: Any) -> dict[str, Any]:
    values = [_spread(group.judged(objective)) for objective in groups.trials.objectives]
    return {"front": None if isinstance(front, Gap) else front, "values": values}


def _group(group: AnyGroup, groups: AnyGroups) -> dict[str, Any]:
    objective = groups.objective
    judged = group.judged(objective) if objective else None
    return {
        "settings": {name: value for name, value in group.settings.items() if not isinstance(value, Gap)},
        "n": len(group.counted) if judged is None else judged.n,
        "planned": group.planned,
        "value": None if judged is None else _spread(judged),
        "metrics": {name: _spread(group.spread(name)) for name in groups.trials.metric_names},
        "counted": _labels(group.counted),
        "missing": _labels(group.missing),
        "superseded": _labels(group.superseded),
    }


def _labels(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [{"number": trial.number, "name": trial.name, "state": trial.state.value} for trial in trials]


def _spread(found: Spread) -> dict[str, Any]:
    low, high = (min(found.values), max(found.values)) if found.values else (None, None)
    return {
        "n": found.n,
        "mean": found.mean,
        "std": found.std,
        "sem": found.sem,
        "ci": found.ci,
        "min": low,
        "max": high,
        "values": list(found.values),
    }


def _sweep(sweep: Sweep, label: str, objective: Objective | None) -> dict[str, Any]:
    return {
        "name": label,
        "dir": str(sweep.dir),
        "script": sweep.script or None,
        "seed_key": sweep.seed_key or None,
        "note": sweep.note or None,
        "problem": sweep.problem or None,
        "objective": asdict(objective) if objective else None,
        **_several(sweep.several),
    }


def trial_record(trial: Trial, objective: Objective | None) -> dict[str, Any]:
    """Return one trial as JSON has it."""
    tags = {"tags": list(found)} if (found := trial.tags) else {}
    resources = {"resources": trial.resources} if trial.resources else {}
    alerts = {"alerts": [asdict(alert) for alert in trial.alerts]} if trial.alert_counts else {}
    return {
        "number": trial.number,
        "name": trial.name,
        "key": trial.key or None,
        "dir": trial.dir_text,
        "state": trial.state.value,
        "cause": None if trial.cause is None else trial.cause.value,
        "reason": trial.reason or None,
        "value": objective.value(trial) if objective else None,
        "params": trial.params,
        "metrics": trial.metrics,
        "final": trial.final,
        "objective": trial.objective,
        "started": trial.started,
        "ended": trial.ended,
        "seconds": trial.seconds,
        "silent_seconds": trial.silent or None,
        "eta_seconds": trial.eta,
        "attempt": trial.attempt,
        "step": trial.step,
        "max_step": trial.max_step,
        "host": trial.host or None,
        "job_id": trial.job_id,
        "error": None if trial.error is None else asdict(trial.error),
        "overrides": list(trial.overrides),
        "command": trial.command,
        **resources,
        **tags,
        **alerts,
    }
