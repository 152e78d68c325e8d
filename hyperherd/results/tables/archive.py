"""Trials and metrics as files for other programs, with a description of every column. No file is ever overwritten."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hyperherd.errors import ResultsError, one_of
from hyperherd.records.disk.files import create_bytes, dumps, new_file
from hyperherd.results.tables.arrow import columns_table, metric_batches, metric_schema
from hyperherd.results.tables.columns import View, exact_columns
from hyperherd.results.tables.formats import csv_cell, to_csv
from hyperherd.results.tables.front_marks import FRONT
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Role
from hyperherd.results.trials.objective import Objective

FORMS = ("parquet", "csv", "jsonl")
_ROWS = 1_000_000
"""Rows of a row group: what is held in memory at once."""
_METRIC_COLUMNS = {
    "sweep": "the sweep's name, or its directory where two have one name",
    "number": "the trial's number in its sweep; null outside a sweep",
    "step": "the step the value was logged at",
    "metric": "the metric's name",
    "value": "the number that was logged; null if it is not a number",
    "time": "when it was logged, UTC",
    "attempt": "the number of the attempt that logged it, from 0",
    "json": "the exact JSON of a value that a float cannot hold",
    "phase": "the phase of the trial that it was logged in; null for the one without a name",
}
_ON_FRONT = "whether its configuration is on the Pareto front of the objectives; null if it is not compared"
_ROLES = {
    Role.IDENTITY: "the trial's identity and state",
    Role.PARAM: "a parameter",
    Role.OBJECTIVE: "the objective of the trials",
    Role.METRIC: "a metric: the value logged without a step if there is one, else the last",
    Role.PROGRESS: "the trial's progress",
}


def export(
    trials: TrialCollection, folder: str | os.PathLike[str], form: str = "parquet", *, escape_formulas: bool = False
) -> list[Path]:
    """Write ``trials``, ``metrics`` and ``schema.json`` into `folder` and return their paths.

    Args:
        trials: what to write; one row each, and one row per metric, step and attempt.
        folder: made if it is missing.
        form: ``parquet``, ``csv`` or ``jsonl``.
        escape_formulas: whether in CSV a text that a spreadsheet would take for a formula gets a ``'`` before it.

    Raises:
        ResultsError: one of the files already exists, or `form` is unknown; nothing has been written then.
        OSError: the folder cannot be written to.
    """
    one_of(form, FORMS, "an export format")
    place = Path(folder)
    paths = [place / f"trials.{form}", place / f"metrics.{form}", place / "schema.json"]
    taken = [str(path) for path in paths if os.path.lexists(path)]
    if taken:
        raise ResultsError(f"{' and '.join(taken)} already exist{'s' * (len(taken) == 1)}; choose another folder")
    place.mkdir(parents=True, exist_ok=True)
    columns = exact_columns(trials, trials, View(everything=True), sweep=True)
    table = columns_table(columns)
    writers: dict[str, Callable[[Path, pa.Schema, Iterable[pa.Table]], None]] = {
        "parquet": _write_parquet,
        "csv": partial(_write_csv, escape_formulas=escape_formulas),
        "jsonl": _write_jsonl,
    }
    write = writers[form]
    try:
        with new_file(paths[0]) as path:
            if form == "csv":  # Not by way of Arrow, which knows one type per column and one kind of nothing.
                path.write_text(to_csv(columns, escape_formulas=escape_formulas), encoding="utf-8")
            else:
                write(path, table.schema, [table])
        with new_file(paths[1]) as path:
            write(path, metric_schema(trials), _gathered(metric_batches(trials)))
        description = dumps(_description(trials, table.schema, form), indent=1) + "\n"
        create_bytes(paths[2], description.encode())
    except FileExistsError as error:  # Someone was faster.
        raise ResultsError(f"{error.filename2 or error.filename} already exists; choose another folder") from None
    return paths


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables of `_ROWS` rows, so that a row group is neither a single trial nor everything."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += len(table)
        while count >= _ROWS:
            whole = pa.concat_tables(waiting).unify_dictionaries()
            yield whole.slice(0, _ROWS)
            waiting, count = [whole.slice(_ROWS)], count - _ROWS
    if count:
        yield pa.concat_tables(waiting).unify_dictionaries()


def _write_parquet(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def _write_csv(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], *, escape_formulas: bool = False) -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        cell = partial(csv_cell, escape_formulas=escape_formulas)
        writer.writerow([cell(name) for name in schema.names])
        for row in _rows(tables):
            writer.writerow(["" if value is None else cell(_plain(value)) for value in row.values()])


def _write_jsonl(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as stream:
        stream.writelines(dumps({name: _plain(value) for name, value in row.items()}) + "\n" for row in _rows(tables))


def _rows(tables: Iterable[pa.Table]) -> Iterator[dict[str, Any]]:
    for table in tables:
        for batch in table.to_batches(max_chunksize=10_000):
            yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _judge(objective: Objective) -> dict[str, Any]:
    return {"metric": objective.metric, "direction": objective.direction, "aggregate": objective.aggregate}


def _description(trials: TrialCollection, schema: pa.Schema, form: str) -> dict[str, Any]:
    roles = {column.name: column.role for column in exact_columns(trials, trials, View(everything=True), sweep=True)}
    several = {"objectives": list(map(_judge, trials.objectives))} if trials.objectives else {}
    return {
        "schema": SCHEMA,
        "objective": _judge(trials.objective) if trials.objective else None,
        **several,
        f"trials.{form}": [
            {
                "name": field.name,
                "type": str(field.type),
                "role": roles[field.name].value,
                "meaning": _ON_FRONT if field.name == FRONT else _ROLES[roles[field.name]],
            }
            for field in schema
        ],
        f"metrics.{form}": [
            {"name": field.name, "type": str(field.type), "meaning": _METRIC_COLUMNS[field.name]}
            for field in metric_schema(trials)
        ],
    }
