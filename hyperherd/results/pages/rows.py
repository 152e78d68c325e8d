"""Rows that a query gave, in the formats of a table."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hyperherd.records.disk.files import strict
from hyperherd.results.pages.parts import table
from hyperherd.results.tables.columns import Column
from hyperherd.results.tables.formats import to_csv, to_tsv
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, exact, is_number, setting
from hyperherd.results.text.layout import Screen, page
from hyperherd.results.trials.fields import Role
from hyperherd.results.values import Gap

if TYPE_CHECKING:
    import pyarrow


def rows_text(answer: pyarrow.Table, form: str, screen: Screen) -> str:
    """Return an answer as ``table``, ``tsv``, ``csv``, ``json`` or ``jsonl``."""
    names = list(answer.column_names)
    columns = [[_plain(value) for value in column.to_pylist()] for column in answer.columns]
    rows = list(zip(*columns, strict=True))
    if form == "json":
        types = [{"name": field.name, "type": str(field.type)} for field in answer.schema]
        return _json({"schema": SCHEMA, "columns": types, "rows": rows}, indent=1)
    if form == "jsonl":
        keys = _distinct(names)
        return "".join(_json(dict(zip(keys, row, strict=True))) for row in rows)
    if form == "table":
        numeric = [place for place, column in enumerate(columns) if all(v is None or is_number(v) for v in column)]
        cells = [[_cell(value) for value in row] for row in rows]
        return page(table(list(map(escaped, names)), cells, screen, right=numeric), screen)
    sheet = [
        Column(name, Role.METRIC, [Gap.MISSING if value is None else value for value in column])
        for name, column in zip(names, columns, strict=True)
    ]
    return to_csv(sheet) if form == "csv" else to_tsv(sheet)


def _cell(value: Any) -> str:
    """Return a value for people; a column has one type, so no text in it needs quotes."""
    if value is None:
        return Gap.MISSING.value
    return escaped(exact(value)) if isinstance(value, str) else setting(value, full=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):  # sums of whole numbers come as HUGEINT or DECIMAL
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _distinct(names: list[str]) -> list[str]:
    """Return names that differ: a query may give two columns of one name."""
    found: list[str] = []
    for name in names:
        unique, count = name, 1
        while unique in found:
            count += 1
            unique = f"{name}_{count}"
        found.append(unique)
    return found


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(strict(value), indent=indent, allow_nan=False) + "\n"
