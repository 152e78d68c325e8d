"""Trials as an xarray dataset: a dimension for each parameter, and one for seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.results.statistics.configurations import AnyGroups, GroupCollection, seed_of
from hyperherd.results.text.format import escaped, exact, is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Field, Role, find_field, metric_field
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

if TYPE_CHECKING:
    import xarray

ABSENT = "(not set)"
"""The place on an axis of texts of trials that do not have the parameter; on one of numbers it is NaN."""
_SMALL = 1_000
_SPARSE = 100
"""A grid may have this many cells for each trial; what has more is not a grid."""

Axes = dict[str, list[Any]]


def trial_dataset(trials: TrialCollection, names: Sequence[str] = ()) -> xarray.Dataset:
    """Return metrics of the trials that count over their parameters; see :meth:`hyperherd.Trials.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise ResultsError("arrays with named axes need xarray: pip install 'hydra-hyperherd[xarray]'") from None
    groups = GroupCollection.by_configuration(trials)
    order = {id(trial): place for place, trial in enumerate(trials)}
    rows = sorted(_placed(groups), key=lambda row: order[id(row[0])])
    axes: Axes = {name: [place[name] for _, place, _ in rows] for name in (rows[0][1] if rows else {})}
    coordinates = {name: _coordinate(values) for name, values in axes.items()}
    shape = _checked_shape(coordinates, len(trials))
    positions = [
        tuple(coordinates[name].index(_label(value, coordinates[name])) for name, value in place.items())
        for _, place, _ in rows
    ]
    _check_distinct(rows, positions)
    fields = [find_field(trials, name) for name in names] or _numeric(trials)
    variables = _variables(rows, positions, shape, fields)
    objective = trials.objective
    told = {"objective": objective.label, "direction": objective.direction} if objective else {}
    data = {name: (list(coordinates), values) for name, values in variables.items()}
    return xarray.Dataset(data, coords={name: _known(values) for name, values in coordinates.items()}, attrs=told)


def _placed(groups: AnyGroups) -> Iterator[tuple[Trial, dict[str, Any], bool]]:
    """Yield the trials of each seed: the one that counts, else the last one, its place, and whether it counts."""
    names = [field.name for field in groups.fields]
    for group in groups:
        settings = dict(zip(names, group.settings.values(), strict=True))
        counted = set(map(id, group.counted))
        chosen: dict[Any, Trial] = {}
        for seed, trial in zip(group.seeds, group.trials, strict=True):
            if seed not in chosen or id(trial) in counted:
                chosen[seed] = trial
        for trial in chosen.values():
            yield trial, settings | _seed(trial, groups), id(trial) in counted


def _seed(trial: Trial, groups: AnyGroups) -> dict[str, Any]:
    known = [seed_of(groups.trials, trial, key) for key in groups.keys]
    if len(known) < 2:
        return dict(zip(groups.keys, known, strict=True))
    return {"seed": ",".join(ABSENT if isinstance(value, Gap) else exact(value) for value in known)}


def _coordinate(values: Sequence[Any]) -> list[Any]:
    """Return the places on an axis: numbers in their order, else texts in that of the trials; what is absent last."""
    known = [value for value in values if not isinstance(value, Gap)]
    gap = len(known) < len(values)
    if all(map(is_number, known)) and known:
        return [*sorted(set(known)), *([math.nan] if gap else [])]
    if all(isinstance(value, bool) for value in known) and not gap:
        return sorted(set(known))
    return list(dict.fromkeys([*map(exact, known), *([ABSENT] if gap else [])]))


def _label(value: Any, coordinate: Sequence[Any]) -> Any:
    """Return the place of a value on its axis."""
    if isinstance(value, Gap):
        return coordinate[-1]  # NaN is found by identity
    return exact(value) if isinstance(coordinate[0], str) else value


def _checked_shape(coordinates: Axes, count: int) -> tuple[int, ...]:
    shape = tuple(map(len, coordinates.values()))
    cells = math.prod(shape)
    if cells > max(_SMALL, _SPARSE * count):
        most = sorted(coordinates, key=lambda name: -len(coordinates[name]))[:3]
        told = ", ".join(f"{escaped(name)}: {len(coordinates[name])} values" for name in most)
        raise ResultsError(
            f"{count} trials are not a grid: their parameters span {cells} cells ({told}); "
            "filter them, or use to_pandas()"
        )
    return shape


def _check_distinct(rows: Sequence[tuple[Trial, dict[str, Any], bool]], positions: Sequence[tuple[int, ...]]) -> None:
    """Refuse trials that differ in what an axis does not show, such as 1 and 1.0, or that have no known seed."""
    taken: dict[tuple[int, ...], Trial] = {}
    for (trial, _, _), position in zip(rows, positions, strict=True):
        other = taken.setdefault(position, trial)
        if other is not trial:
            raise ResultsError(
                f"trials {escaped(other.label)} and {escaped(trial.label)} have one place among the parameters, and "
                "are not repetitions of each other; filter them, or use to_pandas()"
            )


def _numeric(trials: TrialCollection) -> list[Field]:
    fields = [metric_field(trials, name) for name in trials.metric_names]
    return [field for field in fields if any(is_number(field.value(trial)) for trial in trials if trial.state.finished)]


def _variables(
    rows: Sequence[tuple[Trial, dict[str, Any], bool]],
    positions: Sequence[tuple[int, ...]],
    shape: tuple[int, ...],
    fields: Sequence[Field],
) -> dict[str, Any]:
    import numpy as np  # xarray needs it, too

    found: dict[str, Any] = {}
    for field in fields:
        values = np.full(shape, np.nan)
        for (trial, _, counts), position in zip(rows, positions, strict=True):
            value = field.value(trial)
            if counts and is_number(value):
                values[position] = value
        found[field.name] = values
        if field.role is not Role.METRIC:
            raise ResultsError(f"{field.name!r} is not a metric; parameters are dimensions")
    numbers = np.full(shape, -1)
    states: Any = np.full(shape, "", dtype=object)
    for (trial, _, _), position in zip(rows, positions, strict=True):
        numbers[position] = -1 if trial.number is None else trial.number
        states[position] = trial.state.value
    return found | {"state": states.astype(str), "number": numbers}


def _known(values: list[Any]) -> list[Any]:
    """Return the places as NumPy can have them: whole numbers beyond its own as floats."""
    return [float(value) if isinstance(value, int) and abs(value) >= 2**63 else value for value in values]
