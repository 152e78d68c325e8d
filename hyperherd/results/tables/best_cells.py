"""Which cells of a table are set in bold: in each measured column the best, and what cannot be told from it.

The rule is that of the ranking (:mod:`hyperherd.results.statistics.pooling`), asked of each column by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from hyperherd.errors import ResultsError
from hyperherd.results.statistics.best_of import best_of
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups
from hyperherd.results.statistics.pooling import Sample
from hyperherd.results.tables.columns import Column
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Field
from hyperherd.results.trials.judging import ask_objective
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.trial import Trial

BOLD = ("column", "row", "none")
"""What the best is in bold of; `row` is for a pivot, whose cells are all of one metric."""


def best_groups(columns: Sequence[Column], groups: AnyGroups, rows: Sequence[AnyGroup]) -> list[Column]:
    """Return the columns of configurations with the best ones of each; `rows` are those that are shown."""
    places = {id(group): place for place, group in enumerate(groups)}
    at = {places[id(group)]: row for row, group in enumerate(rows)}
    found = []
    for column in columns:
        judge = _judge(column.field, groups.trials)
        if column.field is None or judge is None:
            found.append(column)
            continue
        samples = [_sample(group, column.field, judge, groups) for group in groups]
        found.append(replace(column, best=frozenset(at[place] for place in best_of(samples, at))))
    return found


def best_trials(columns: Sequence[Column], trials: TrialCollection, rows: Sequence[Trial]) -> list[Column]:
    """Return the columns of trials with the best finished ones of each: nothing is known of noise here."""
    found = []
    for column in columns:
        judge = _judge(column.field, trials)
        if judge is None:
            found.append(column)
            continue
        samples = [
            Sample((_sign(judge) * value,)) if trial.state.finished and _is_finite(value) else None
            for trial, value in zip(rows, column.values, strict=True)
        ]
        found.append(replace(column, best=best_of(samples)))
    return found


def _judge(field: Field | None, trials: TrialCollection) -> Objective | None:
    """Return the measured field as an objective; None where it is not known which way is better."""
    if field is None or not field.metric:
        return None
    judges = [trials.objective] if trials.objective else trials.objectives
    if own := [objective for objective in judges if field.metric == objective.label]:
        return own[0]
    directions = [objective.direction[:3] for objective in judges if field.metric == objective.metric]
    try:
        return ask_objective(list(trials), field.metric, directions[0] if directions else None)
    except ResultsError:  # its direction is not known
        return None


def _sample(group: AnyGroup, field: Field, judge: Objective, groups: AnyGroups) -> Sample | None:
    values = group.of(field).values
    bad = group.bad_seeds(judge) if groups.keys else 0
    return Sample(tuple(_sign(judge) * value for value in values), bad) if values else None


def _sign(judge: Objective) -> float:
    return 1.0 if judge.direction == MAXIMIZE else -1.0


def _is_finite(value: object) -> bool:
    return is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
