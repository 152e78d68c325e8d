"""The lines of journals (docs/format.md, Journals).

Invariant: a line that is not a whole record (torn by a kill or a full disk) costs itself and no other; it is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from hyperherd.errors import FormatError
from hyperherd.metrics.rows import values
from hyperherd.metrics.rows.phases import NUL, as_phase, series_of
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.records.disk.files import number
from hyperherd.records.disk.guarded import LINE_BYTES, is_deep, open_regular

BLOCK = 1 << 14
"""Bytes read at a time: a journal of any size is parsed in little memory, and parsing a block, in which no other thread
of the process can run, takes a fraction of a millisecond."""

_DISORDER = 5.0
"""Seconds by which a line of a journal may be earlier than the one before it."""
_LAST_TIME = 4e9
"""Seconds since 1970 beyond which a number is not a time (2096), but milliseconds, for example."""


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a journal in blocks that end with a newline; what follows the last newline comes last."""
    rest: list[bytes] = []
    while data := stream.read(BLOCK):
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            yield b"".join([*rest, whole, newline])
            rest = [tail] if tail else []
        else:
            rest.append(data)
            if len(rest) * BLOCK > LINE_BYTES:  # Such as a file of holes, which costs whoever made it nothing.
                raise FormatError(f"{stream.name} has a line of more than {LINE_BYTES:,} bytes")
    if rest:
        yield b"".join(rest)


def seek_time(stream: BinaryIO, since: float) -> None:
    """Go to a line of a journal from which on everything is that was written since a time, and little more.

    Lines are in the order of their times but for those of several threads, which `_DISORDER` covers.
    """
    low, high = 0, stream.seek(0, 2)
    while high - low > BLOCK:
        middle = (low + high) // 2
        # The middle of a file lies within a line, which is passed over; its successor is whole.
        stream.seek(middle)
        # Bounded: a line of a broken or foreign file need not end.
        stream.readline(LINE_BYTES)
        record = load(stream.readline(LINE_BYTES))
        time = as_time(record.get("ts")) if record else None
        if time is not None and time < since - _DISORDER:
            low = middle
        else:
            high = middle
    stream.seek(low)
    if low:
        stream.readline(LINE_BYTES)


def journal_rows(path: Path, about: SourceName, since: float | None = None) -> Iterator[Rows]:
    """Yield the rows of a journal, block by block; `since` skips what is surely older."""
    with open_regular(path) as stream:
        if since is not None:
            seek_time(stream, since)
        for block in blocks(stream):
            rows = parse(block)
            if not block.endswith(b"\n") and about.may_be_alive:
                rows.skipped = 0  # Not torn: being written.
            yield rows


class Final(NamedTuple):
    """A value logged without a step; of several under one name the greatest attempt, then time, wins."""

    attempt: int
    time: float
    value: Any


class Resumed(NamedTuple):
    """Where an attempt announced to resume: older attempts' rows of a phase at or after `step` are superseded."""

    step: int
    metrics: tuple[str, ...] | None
    """None stands for all."""
    phase: str = ""


@dataclass
class Rows:
    """Rows as columns of equal length, and what stood between them."""

    step: list[int] = field(default_factory=list)
    metric: list[str] = field(default_factory=list)
    """The series of each row (`phases`)."""
    value: list[float | None] = field(default_factory=list)
    time: list[float | None] = field(default_factory=list)
    json: dict[int, str] = field(default_factory=dict)
    """Index of a row to its exact JSON; few rows have one."""
    final: dict[str, tuple[float, Any]] = field(default_factory=dict)
    """Name to time and final value, the last one logged."""
    resumed: list[Resumed] = field(default_factory=list)
    skipped: int = 0
    """Lines and values that could not be read."""

    def add(self, step: int, metric: str, value: float | None, time: float | None, text: str | None = None) -> None:
        """Append one row."""
        if text is not None:
            self.json[len(self.step)] = text
        self.step.append(step)
        self.metric.append(metric)
        self.value.append(value)
        self.time.append(time)


def parse(block: bytes) -> Rows:
    """Return the rows and final values in some lines of a journal."""
    if (rows := _parse_plain(block)) is not None:
        return rows
    rows = Rows()
    for line in block.split(b"\n"):
        if line and not _add(rows, load(line)):
            rows.skipped += 1
    return rows


def _parse_plain(block: bytes) -> Rows | None:
    """Parse lines of the usual form, a time, a step and numbers, all at once: three times as fast as one by one.

    Returns None if one of them is of any other form.
    """
    if not block.endswith(b"\n"):
        return None
    try:
        # JSON escapes line breaks in texts, so each one that is here ends a record.
        records = orjson.loads(b"[" + block[:-1].replace(b"\n", b",") + b"]")
        metrics = [record["metrics"] for record in records]
        steps = [record["step"] for record in records]
        times = [record["ts"] for record in records]
        numbers = list(chain.from_iterable(map(dict.values, metrics)))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    # As many records as lines, so that no two torn lines have been taken for one whole; and nothing but numbers.
    lengths = set(map(len, records))
    if len(records) != block.count(b"\n") or not lengths <= {3, 4} or b"\\u0000" in block:
        return None
    # Exact types: to isinstance, true is an int.
    kinds = set(map(type, numbers))
    if set(map(type, steps)) != {int} or set(map(type, times)) != {float} or not kinds <= {float, int}:
        return None
    if not (min(steps) >= -values.INT64 and max(steps) < values.INT64 and min(times) >= 0 and max(times) <= _LAST_TIME):
        return None
    if len(numbers) != len(records) or set(map(len, metrics)) != {1}:
        widths = list(map(len, metrics))
        steps = list(chain.from_iterable(map(repeat, steps, widths)))
        times = list(chain.from_iterable(map(repeat, times, widths)))
    names = list(chain.from_iterable(metrics)) if lengths == {3} else _series(records)
    if names is None:
        return None
    return Rows(steps, names, list(map(float, numbers)) if int in kinds else numbers, times)


def _series(records: list[dict[str, Any]]) -> list[str] | None:
    """Return the series of all rows of some records; None if a record has a fourth key that is not its phase."""
    phases = [record.get("phase", "") for record in records]
    if not set(map(type, phases)) <= {str} or any(len(record) == 4 and "phase" not in record for record in records):
        return None
    return [
        f"{name}{NUL}{phase}" if phase else name
        for record, phase in zip(records, phases, strict=True)
        for name in record["metrics"]
    ]


def load(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object in one line, its integers exact; None if it is none."""
    try:
        record = orjson.loads(line)
        if isinstance(record, dict) and _is_exact(record):
            return None if is_deep(record) else record
    except ValueError:
        pass  # The standard library reads a lone surrogate, and other programs' NaN.
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and not is_deep(record) else None


def _is_exact(record: dict[str, Any]) -> bool:
    """Return whether orjson, which makes floats of integers beyond 64 bits, has lost no digit of exact JSON."""
    if "final" in record:
        return False
    exact = record.get("json")
    return not isinstance(exact, dict) or all(isinstance(item, str | bool | None) for item in exact.values())


def _add(rows: Rows, record: dict[str, Any] | None) -> bool:
    """Add one record of a journal; return whether it is one."""
    if record is None:
        return False
    time = as_time(record.get("ts"))
    if isinstance(final := record.get("final"), dict):
        for name, value in final.items():
            # Another program may have written a bare NaN, of which no file of ours holds more than its word.
            rows.final[values.as_name(name)] = (time or 0.0, values.wrap(value))
        return True
    try:
        phase = as_phase(record.get("phase"))
    except TypeError:
        return False
    return _add_resumed(rows, record["resumed"], phase) if "resumed" in record else add_record(rows, record, phase)


def _add_resumed(rows: Rows, resumed: Any, phase: str) -> bool:
    """Add ``{"step", "metrics": [name, ...] or null}``; return whether it is of that form."""
    try:
        names = resumed["metrics"]
        metrics = None if names is None else tuple(values.as_name(name) for name in names)
        rows.resumed.append(Resumed(values.as_step(resumed["step"]), metrics, phase))
    except (TypeError, KeyError):
        return False
    return True


def add_record(rows: Rows, record: dict[str, Any], phase: str = "") -> bool:
    """Add ``{"ts", "step", "metrics": {...}, "json": {...}}`` of a phase; return whether it is of that form."""
    numeric, exact = record.get("metrics", {}), record.get("json", {})
    if not isinstance(numeric, dict) or not isinstance(exact, dict) or not record.keys() & {"metrics", "json"}:
        return False
    try:
        step = values.as_step(record.get("step"))
    except TypeError:
        return False
    time = as_time(record.get("ts"))
    for name in chain(numeric, exact.keys() - numeric.keys()):
        value = as_number(numeric.get(name))
        text = values.dumps(values.wrap(exact[name])).decode() if name in exact else None
        if value is None and text is None:
            rows.skipped += 1
        else:
            rows.add(step, series_of(values.as_name(name), phase), value, time, text)
    return True


def as_number(value: Any) -> float | None:
    """Return a number read from JSON as a float; None for what is none, or is greater than any."""
    try:
        return number(value)
    except OverflowError:
        return None


def as_time(value: Any) -> float | None:
    """Return seconds since 1970 read from JSON; None for what is not such a time."""
    seconds = as_number(value)
    return seconds if seconds is not None and 0 <= seconds <= _LAST_TIME else None


def latest(finals: Iterable[tuple[str, Final]]) -> dict[str, Final]:
    """Return the final value that wins under each name; of equals, the one that comes last."""
    winners: dict[str, Final] = {}
    for name, final in finals:
        # Time decides within one attempt alone: the clock of another attempt's host may be ahead.
        if name not in winners or final[:2] >= winners[name][:2]:
            winners[name] = final
    return winners
