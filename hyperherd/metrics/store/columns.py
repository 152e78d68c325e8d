"""Rows on their way from lines to Arrow: columns of plain numbers, 30 bytes a row, that Arrow takes as they are."""

from __future__ import annotations

from array import array

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.rows.cuts import AttemptStart
from hyperherd.metrics.rows.journal import Final, Rows
from hyperherd.metrics.store.arrow import column, scalar, texts
from hyperherd.metrics.store.parquet import SCHEMA


class Columns:
    """The rows, and what stood between them, of any number of journals and other files."""

    def __init__(self) -> None:
        self.final: list[tuple[str, Final]] = []
        self.skipped = 0
        self.starts: dict[int, AttemptStart] = {}
        """Where attempts announced to resume."""
        self._step = array("q")
        self._metric = array("i")
        self._value = array("d")
        self._time = array("d")
        self._attempt = array("h")
        self._json: dict[int, str] = {}
        self._names: dict[str, int] = {}
        self._no_value: list[int] = []
        self._no_time: list[int] = []

    def __len__(self) -> int:
        return len(self._step)

    def add(self, rows: Rows, attempt: int) -> None:
        """Append rows of one attempt."""
        start, names = len(self), self._names
        self.skipped += rows.skipped
        self.final += [(name, Final(attempt, *item)) for name, item in rows.final.items()]
        self._step.extend(rows.step)
        for name in dict.fromkeys(rows.metric):
            names.setdefault(name, len(names))
        self._metric.extend(map(names.__getitem__, rows.metric))
        self._value.extend(_filled(rows.value, start, self._no_value))
        self._time.extend(_filled(rows.time, start, self._no_time))
        self._attempt.extend([attempt] * len(rows.step))
        for resumed in rows.resumed:
            self.starts.setdefault(attempt, AttemptStart()).resume(resumed)
        # By place, since few rows have one: a column of them would be mostly nulls until it is made for Arrow.
        self._json.update({start + place: text for place, text in rows.json.items()})

    def table(self) -> pa.Table:
        """Return the rows in the order in which they came."""
        metric = pa.DictionaryArray.from_arrays(column(pa.int32(), self._metric), texts(list(self._names)))
        seconds = column(pa.float64(), self._time, self._no_time)
        # Arrow refuses to cast a number with a fraction to an integer.
        micros = pc.round(pc.multiply(seconds, scalar(pa.float64(), 1e6))).cast(pa.int64())
        columns = [
            column(pa.int64(), self._step),
            metric,
            column(pa.float64(), self._value, self._no_value),
            micros.cast(SCHEMA.field("time").type),
            column(pa.int16(), self._attempt),
            self._texts(),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def _texts(self) -> pa.Array:
        if not self._json:
            return pa.nulls(len(self), pa.string())
        return texts([self._json.get(place) for place in range(len(self))])


def _filled(items: list[float | None], start: int, missing: list[int]) -> list[float]:
    """Return `items` with 0 for None, and note the places of None, counted from `start`."""
    if None not in items:
        return items  # type: ignore[return-value]
    missing += [start + place for place, item in enumerate(items) if item is None]
    return [0.0 if item is None else item for item in items]
