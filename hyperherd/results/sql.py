"""SQL over trials, their metrics and their configs: DuckDB reads the tables we hand it, and nothing else.

A query is one that reads: one statement, on a database in memory that is cut off from files, extensions and Python.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.results.arrow import config_table
from hyperherd.results.trials import Trials

if TYPE_CHECKING:
    import pyarrow

VIEWS = {"trials": Trials.table, "metrics": Trials.metrics, "configs": config_table}
"""The tables of a query; the last two are read only if it names them."""
_READING = {"SELECT", "EXPLAIN", "MULTI"}  # MULTI is what PIVOT is made of
_WALLS = (
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def sql(trials: Trials, query: str) -> pyarrow.Table:
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
            for name, table in VIEWS.items():
                if name == "trials" or re.search(rf"\b{name}\b", query, re.IGNORECASE):
                    connection.register(name, table(trials))
            for wall in _WALLS:
                connection.execute(wall)
            result = connection.execute(query)
            fetch = getattr(result, "to_arrow_table", None) or result.fetch_arrow_table
            found: pyarrow.Table = fetch()
            return found
        except duckdb.Error as error:
            raise ResultsError(f"{str(error).strip()}\nviews: {', '.join(VIEWS)}; their columns: describe trials") from None


def _check(statements: list[Any]) -> None:
    if len(statements) != 1:
        raise ResultsError(f"a query is one statement; this has {len(statements)}")
    kind = statements[0].type.name
    if kind not in _READING:
        raise ResultsError(f"a query reads, and this one is {kind}: begin with SELECT, WITH, FROM, PIVOT or DESCRIBE")
