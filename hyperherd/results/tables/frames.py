"""Trials as a pandas data frame of which means may be taken: only what counts has values, no identity is a number.

A trial that runs, failed or was repeated has metrics, too, and a mean over rows would take them for results.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hyperherd.results.statistics.configurations import GroupCollection
from hyperherd.results.tables.arrow import columns_table, data_frame
from hyperherd.results.tables.columns import Column, View, exact_columns
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import OURS, Role, find_field, param_field
from hyperherd.results.values import Gap, flat

if TYPE_CHECKING:
    import pandas

STANDING = "values_are"
"""The column that tells what the values of a row are."""
_MEASURED = (Role.METRIC, Role.OBJECTIVE)


def trial_frame(
    trials: TrialCollection, config: bool | Iterable[str], also: str | Iterable[str], *, every_value: bool
) -> pandas.DataFrame:
    """Return one row per trial; see :meth:`hyperherd.Trials.to_pandas`."""
    groups = GroupCollection.by_configuration(trials)
    standings = _standings(groups)
    columns = exact_columns(trials, trials, View(everything=True), sweep=True)
    if not every_value:
        counts = [standing == "final" for standing in standings]
        columns = [_where(column, counts) if column.role in _MEASURED else column for column in columns]
    place = next(place for place, column in enumerate(columns) if column.name == "state") + 1
    columns.insert(place, Column(STANDING, Role.IDENTITY, standings))
    last = next(place for place, column in enumerate(columns) if column.name == "dir")
    columns[last:last] = _config_columns(trials, config, columns)
    known = {column.name for column in columns}
    for name in dict.fromkeys((also,) if isinstance(also, str) else also):
        if name not in known:
            field = find_field(trials, name)
            columns.insert(-1, Column(field.name, field.role, [field.value(trial) for trial in trials]))
    frame = data_frame(columns_table(columns))
    # A mean of seeds, or of the numbers of trials, would look like a result.
    for name in ("number", *(param_field(trials, key).name for key in groups.keys)):
        if name in frame:
            frame[name] = frame[name].astype("category").cat.as_ordered()
    return frame


def _standings(groups: GroupCollection[TrialCollection]) -> list[str]:
    counted = {id(trial) for group in groups for trial in group.counted}
    repeated = {id(trial) for group in groups for trial in group.superseded if trial.state.finished}
    return [
        "final" if id(trial) in counted else "superseded" if id(trial) in repeated else "unfinished"
        for trial in groups.trials
    ]


def _where(column: Column, counts: Sequence[bool]) -> Column:
    values = [value if count else Gap.MISSING for value, count in zip(column.values, counts, strict=True)]
    return replace(column, values=values)


def _config_columns(
    trials: TrialCollection, config: bool | Iterable[str], columns: Sequence[Column]
) -> Iterator[Column]:
    """Yield a column for each value of the config that is asked for and is not a column yet."""
    taken = {*OURS, STANDING, *(column.name for column in columns)}
    if isinstance(config, bool):
        every = dict.fromkeys(name for trial in trials for name in flat(trial.config)) if config else {}
        names: Iterable[str] = [name for name in every if name not in trials.params]
    else:
        names = (config,) if isinstance(config, str) else config
    for name in dict.fromkeys(names):
        field = find_field(trials, f"config.{name.removeprefix('config.')}")
        plain = field.name.removeprefix("config.")
        yield Column(field.name if plain in taken else plain, Role.PARAM, [field.value(trial) for trial in trials])
