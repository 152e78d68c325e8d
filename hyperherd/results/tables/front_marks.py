"""The column that tells which trials or configurations are on the Pareto front of several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups
from hyperherd.results.statistics.front import front_among, front_of
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Field, Role
from hyperherd.results.values import Gap

FRONT = "front"


def front_fields(trials: TrialCollection, *, for_people: bool = False) -> list[Field]:
    """Return whether the configuration of a trial is on the front, for a table; nothing without several objectives."""
    if not trials.objectives:
        return []
    standing = front_of(trials).standing
    field = Field(FRONT, Role.IDENTITY, lambda trial: standing.get(trial, Gap.MISSING))
    if for_people:
        marked = replace(field, role=Role.PROGRESS, value=lambda trial: _mark(standing.get(trial, Gap.MISSING)))
        return [marked]
    return [field]


def front_values(groups: AnyGroups, rows: Sequence[AnyGroup], *, for_people: bool = False) -> list[Any]:
    """Return whether each of some groups is on the front; a gap for one that is not compared."""
    found = front_among(groups)
    standing = {point.group: place < found.size for place, point in enumerate(found.points)}
    values = [standing.get(group, Gap.MISSING) for group in rows]
    return list(map(_mark, values)) if for_people else values


def _mark(value: bool | Gap) -> Any:
    return value if isinstance(value, Gap) else "*" if value else ""
