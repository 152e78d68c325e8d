"""The metric rows of one trial, read from its directory: ours, else those that a trainer wrote beside a Hydra job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.results.files.event_files import NoReader
from hyperherd.results.files.trainer_files import LoggedSeries, read_series, table

if TYPE_CHECKING:
    import pyarrow as pa


def read_rows(trial_dir: Path | None, names: Sequence[str] = (), *, shown: bool = False) -> pa.Table:
    """Return the rows of a trial that stand, of some metrics or of all; none without a directory.

    Args:
        trial_dir: the trial's directory.
        names: the metrics; none stands for all.
        shown: of each metric only the phase that counts, instead of all phases.

    Raises:
        FormatError: its `metrics.parquet` is broken, or of a newer format than ours.
        OSError: it may not be read.
    """
    # These import pyarrow, which takes longer than a table that needs no rows.
    from hyperherd.metrics.reader import has_metrics, read_metrics, read_summary
    from hyperherd.metrics.store.parquet import SCHEMA

    if trial_dir is None:
        return SCHEMA.empty_table()
    # What a trainer logged to its own files as well would count twice: ours stand where there are any.
    found = read_metrics(trial_dir, list(names) or None, shown=shown)
    is_empty = not found.num_rows and not (has_metrics(trial_dir) and read_summary(trial_dir)["rows"])
    if is_empty and (others := _series_of_trainer(trial_dir)):
        return table(others, list(names) or None)
    return found


def _series_of_trainer(trial_dir: Path) -> LoggedSeries:
    try:
        return read_series(trial_dir)
    except NoReader:
        return {}


def rows_of_phase(rows: pa.Table, phase: str) -> pa.Table:
    """Return the rows of one phase; `phase` is empty for the one without a name."""
    import pyarrow.compute as pc

    if "phase" not in rows.column_names:
        return rows if not phase else rows.slice(0, 0)
    own = rows["phase"]
    return rows.filter(pc.equal(own.cast("string"), phase) if phase else pc.is_null(own))


def read_phases(trial_dir: Path | None, names: Sequence[str], phases: Sequence[tuple[str, str]]) -> pa.Table:
    """Return the rows of a trial that stand, of whole metrics and of single phases of others.

    Args:
        trial_dir: the trial's directory.
        names: the metrics of which all phases are wanted.
        phases: a metric and a phase each.
    """
    import pyarrow as pa

    found = [read_rows(trial_dir, names)] if names else []
    found += [rows_of_phase(read_rows(trial_dir, [metric]), phase) for metric, phase in phases]
    return pa.concat_tables(found, promote_options="default").unify_dictionaries()


def read_values(trial_dir: Path | None, name: str, phase: str | None = None) -> tuple[list[int], list[float]]:
    """Return the steps and values of one metric, in the order of steps; a value that is not a number is NaN.

    Args:
        trial_dir: the trial's directory.
        name: the metric.
        phase: which phase, empty for the one without a name; None: the one that counts.
    """
    rows = read_rows(trial_dir, [name], shown=phase is None)
    if phase is not None:
        rows = rows_of_phase(rows, phase)
    # Arrow has no NaN where a value was logged that is not a number: it is null there, and its JSON is beside it.
    return rows["step"].to_pylist(), [math.nan if value is None else value for value in rows["value"].to_pylist()]
