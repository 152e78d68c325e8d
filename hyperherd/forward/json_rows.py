"""The rows in a JSONL file of another program: in the forms that trials are read in, with a count of what is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.metrics.rows.journal import Rows, blocks, load
from hyperherd.metrics.rows.values import as_step
from hyperherd.metrics.store.foreign import add_foreign
from hyperherd.records.disk.guarded import open_regular

NOT_JSON = "not a JSON object"
NO_STEP = "no whole number as step or epoch"
NO_NUMBER = "no number"
SOME_NOT_NUMBERS = "a metric that is not a number"
UNFINISHED = "a last line without its end"


@dataclass(frozen=True)
class JsonRow:
    """One line, and where it began."""

    offset: int
    line: bytes
    step: int
    time: float | None
    metrics: Mapping[str, float]
    exact: Mapping[str, str] = field(default_factory=dict)
    """Metric -> exact JSON of a value that is not a number, or one that a float cannot hold."""


class JsonRows:
    """The rows of one file, read line by line each time they are asked for.

    Args:
        path: of the file.
        metric: the name of values whose rows name none: ``{"step", "value", "ts"}``.
    """

    def __init__(self, path: Path, metric: str) -> None:
        self._path = path
        self._metric = metric
        self.malformed: Counter[str] = Counter()
        """What the last reading met that is not a row, by kind; one with some metrics is a row of the others."""

    def __iter__(self) -> Iterator[JsonRow]:
        self.malformed.clear()
        offset = 0
        with open_regular(self._path) as stream:
            for block in blocks(stream):
                for line in _lines(block):
                    row = self._row(offset, line)
                    offset += len(line)
                    if row is not None:
                        yield row

    def _row(self, offset: int, line: bytes) -> JsonRow | None:
        if not line.strip():
            return None
        record, rows = load(line), Rows()
        is_row = add_foreign(rows, record, self._metric)
        if not rows.step:
            kind = _fault(record)
            is_torn = record is None and not line.endswith(b"\n")
            self.malformed[UNFINISHED if is_torn else kind] += 1
            return None
        if rows.skipped or not is_row:
            self.malformed[SOME_NOT_NUMBERS] += 1
        metrics = {name: value for name, value in zip(rows.metric, rows.value, strict=True) if value is not None}
        exact = {rows.metric[index]: text for index, text in rows.json.items()}
        return JsonRow(offset, line, rows.step[0], rows.time[0], metrics, exact)


def _lines(block: bytes) -> Iterator[bytes]:
    """Yield the lines of a block; only a line feed ends one."""
    *whole, last = block.split(b"\n")
    yield from (line + b"\n" for line in whole)
    if last:
        yield last


def _fault(record: dict[str, Any] | None) -> str:
    if record is None:
        return NOT_JSON
    try:
        as_step(record.get("epoch" if record.get("step") is None else "step"))
    except TypeError:
        return NO_STEP
    return NO_NUMBER
