"""SQL over trials, their metrics and their configs: DuckDB reads the tables we hand it, and nothing else.

A query is one that reads: one statement, on a database in memory that is cut off from files, extensions and Python.
"""

from __future__ import annotations

import re
from array import array
from typing import Any

import pyarrow as pa

from hyperherd.errors import ResultsError
from hyperherd.metrics.store.arrow import column, texts
from hyperherd.results.tables.arrow import metric_table, trial_table
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.text.format import exact, is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.values import flat

VIEWS = ("trials", "metrics", "configs")
"""The tables of a query; the last two are read only if it names them."""
_READING = {"SELECT", "EXPLAIN", "MULTI"}  # MULTI is what PIVOT is made of
_WALLS = (
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def sql(trials: TrialCollection, query: str) -> pa.Table:
    """Return what `query` makes of the views ``trials``, ``metrics`` and ``configs``.

    Raises:
        ResultsError: DuckDB is not installed, or cannot make sense of the query, or it does more than read.
    """
    try:
        import duckdb
    except ImportError:
        raise ResultsError("SQL needs DuckDB: pip install 'hydra-hyperherd[sql]'") from None
    with duckdb.connect(":memory:") as connection:
        try:
            _check(connection.extract_statements(query))
            for name in VIEWS:
                if name == "trials" or re.search(rf"\b{name}\b", query, re.IGNORECASE):
                    connection.register(name, _view(trials, name))
            for wall in _WALLS:
                connection.execute(wall)
            found: pa.Table = connection.sql(query).to_arrow_table()
            return found
        except duckdb.Error as error:
            hint = f"the views are {', '.join(VIEWS)}; 'describe trials' lists the columns of one"
            raise ResultsError(f"{str(error).strip()}; {hint}") from None


def config_table(trials: TrialCollection) -> pa.Table:
    """Return a row for each value of each trial's config: ``sweep, number, key, value`` (its exact text), ``num``."""
    labels = sweep_labels(trials.sweeps)
    rows = [
        (labels[trial.sweep], trial.number, key, value) for trial in trials for key, value in flat(trial.config).items()
    ]
    numbers = [float(value) if is_number(value) and abs(value) <= 2**53 else None for *_, value in rows]
    return pa.table(
        {
            "sweep": texts([row[0] for row in rows]),
            "number": _optional(pa.int64(), "q", [row[1] for row in rows]),
            "key": texts([row[2] for row in rows]),
            "value": texts([None if row[3] is None else exact(row[3]) for row in rows]),
            "num": _optional(pa.float64(), "d", numbers),
        }
    )


def _optional(kind: pa.DataType, code: str, values: list[Any]) -> pa.Array:
    missing = [place for place, value in enumerate(values) if value is None]
    return column(kind, array(code, [0 if value is None else value for value in values]), missing)


def _view(trials: TrialCollection, name: str) -> pa.Table:
    if name == "configs":
        return config_table(trials)
    return trial_table(trials) if name == "trials" else metric_table(trials)


def _check(statements: list[Any]) -> None:
    kinds = [statement.type.name for statement in statements]
    # DuckDB 1 makes two of a PIVOT, a type for its columns and a query, both without text; DuckDB 2 makes one MULTI.
    if kinds[-1:] == ["SELECT"] and set(kinds[:-1]) == {"CREATE"} and not any(part.query for part in statements):
        return
    if len(kinds) != 1:
        raise ResultsError(f"only one statement is allowed, not {len(kinds)}")
    kind = kinds[0]
    if kind not in _READING:
        raise ResultsError(
            f"only read-only queries are allowed, not {kind}; begin with SELECT, WITH, FROM, PIVOT or DESCRIBE"
        )
