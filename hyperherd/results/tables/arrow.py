"""Trials as Arrow tables. Importing this module, `archive` or `sql` imports pyarrow, so it is done late elsewhere."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from hyperherd.errors import FormatError, ResultsError
from hyperherd.escape import one_line
from hyperherd.garbage import not_collected
from hyperherd.metrics.store.arrow import column, texts
from hyperherd.metrics.store.many_trials import read_many
from hyperherd.metrics.store.tables import PHASE, PLACE, SCHEMA
from hyperherd.results.statistics.configurations import AnyGroups
from hyperherd.results.tables.columns import Column, View, exact_columns, spread_columns, sweep_labels
from hyperherd.results.text.format import exact, is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap

if TYPE_CHECKING:
    import pandas

_LEAD = (pa.field("sweep", pa.string()), pa.field("number", pa.int64()))


def trial_table(trials: TrialCollection) -> pa.Table:
    """Return one row per trial with all its parameters; a column of mixed types holds their exact text."""
    return columns_table(exact_columns(trials, trials, View(everything=True), sweep=True))


def columns_table(columns: Sequence[Column]) -> pa.Table:
    """Return columns as a table, each of the narrowest type that holds all of it."""
    names = [_whole_text(column.name) for column in columns]
    return pa.Table.from_arrays([_array(column.values) for column in columns], names=names)


def group_table(groups: AnyGroups) -> pa.Table:
    """Return one row per group: settings, n, planned, and each metric's mean, std, sem, ci, min and max."""
    return columns_table(spread_columns(groups, View(everything=True)))


def data_frame(table: pa.Table) -> pandas.DataFrame:
    """Return a table as a pandas data frame.

    Raises:
        ResultsError: pandas is not installed.
    """
    try:
        return table.to_pandas()
    except ImportError:
        raise ResultsError("data frames need pandas: pip install 'hydra-hyperherd[pandas]'") from None


def metric_table(trials: TrialCollection, names: list[str] | None = None) -> pa.Table:
    """Return the metric rows of all trials, led by the columns ``sweep`` and ``number``.

    A trial whose metrics cannot be read is left out, with a warning that names it.
    """
    with not_collected():
        tables = list(metric_batches(trials, names))
    if not tables:
        return metric_schema(trials).empty_table()
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def write_parquet(columns: Sequence[Column], stream: BinaryIO) -> None:
    """Write columns as Parquet."""
    pq.write_table(columns_table(columns), stream)


def metric_schema(trials: Iterable[Trial] = ()) -> pa.Schema:
    """Return the columns of :func:`metric_table`: with that of the phases if one of these trials has several."""
    return pa.schema([*_LEAD, *SCHEMA, *([PHASE] if any(trial.phase_names for trial in trials) else [])])


def metric_batches(trials: TrialCollection, names: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of :func:`metric_table`, some trials at a time, all with the columns of :func:`metric_schema`."""
    labels = {sweep: _whole_text(label) for sweep, label in sweep_labels(trials.sweeps).items()}
    columns = metric_schema(trials).names
    members = list(trials)
    for places, several in read_many([_dir_of_many(trial, names) for trial in members], names):
        chosen = members[places.start : places.stop]
        tables = [] if several is None else [_led(several, chosen, labels, several[PLACE.name])]
        for trial in chosen if several is None else ():
            rows = _rows(trial, names)
            tables += [] if rows is None else [_led(rows, [trial], labels)]
        for rows in tables:
            if PHASE.name in columns and PHASE.name not in rows.column_names:
                rows = rows.append_column(PHASE, pa.nulls(len(rows), PHASE.type))
            yield rows.select(columns)


def _dir_of_many(trial: Trial, names: list[str] | None) -> Path | None:
    """Return where a trial is that may be read together with others; None if a single phase of it is asked for."""
    if names == [] or (trial.phase_names and any(trial.asked_phase(name) for name in names or ())):
        return None
    return trial.dir


def _rows(trial: Trial, names: list[str] | None) -> pa.Table | None:
    if trial.dir is None or names == []:
        return None
    try:
        return trial.history(*(names or ()))
    except (OSError, FormatError) as error:
        warnings.warn(one_line(f"trial {trial.label}: metrics left out: {error}"), stacklevel=4)
        return None


def _led(
    rows: pa.Table, trials: Sequence[Trial], labels: Mapping[Sweep, str], places: pa.ChunkedArray | None = None
) -> pa.Table:
    """Return rows with the sweep and the number of their trial before them; `places` are among several trials."""
    numbers = [trial.number for trial in trials]
    missing = [place for place, number in enumerate(numbers) if number is None]
    lead = [
        texts([labels[trial.sweep] for trial in trials]),
        column(pa.int64(), [number or 0 for number in numbers], missing),
    ]
    at = column(pa.int32(), array("i", [0]) * len(rows)) if places is None else places
    return pa.Table.from_arrays(
        [*(values.take(at) for values in lead), *rows.columns], schema=pa.schema([*_LEAD, *rows.schema])
    )


def _array(values: Sequence[Any]) -> pa.Array:
    cells = [None if isinstance(value, Gap) else value for value in values]
    known = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, int) and is_number(cell) and abs(cell) < 2**63 for cell in known):
        return pa.array(cells, pa.int64())
    if all(isinstance(cell, float) or (is_number(cell) and abs(cell) <= 2**53) for cell in known):
        return pa.array(cells, pa.float64())
    if all(isinstance(cell, bool) for cell in known):
        return pa.array(cells, pa.bool_())
    return pa.array([None if cell is None else _whole_text(exact(cell)) for cell in cells], pa.string())


def _whole_text(text: str) -> str:
    """Return a text with half characters (from names that are not UTF-8) as escapes: Arrow takes none."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
