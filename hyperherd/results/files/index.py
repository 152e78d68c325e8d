"""`index.json`: what a sweep's finished trials said when they were last read, so that thousands are not read again.

Invariant: deleting it changes nothing but time. An entry stands for its `trial.json` only while that file has the same
modification time, size and inode; it is made only of a trial that is done, about which no other file has anything to
say, and only if the file is too old to be changed within the tick of the clock that its time was taken from.

It is JSON, because importing pyarrow takes longer than all the rest; and it is terse, because parsing it comes second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

import hyperherd
from hyperherd.paths import RECORDS, SweepPaths
from hyperherd.records.files import replace_bytes
from hyperherd.records.states import TrialState
from hyperherd.results.files.trial_json import Recorded, Signature

FORMAT = 1
SMALLEST = 100
"""Sweeps of fewer trials are read as fast without."""
STATISTICS = ("count", "last", "last_step", "min", "min_step", "max", "max_step", "nan")
FACTS = ("number", "state", "key", "started", "ended", "seconds", "attempt", "step", "max_step")
_DONE = frozenset(state.value for state in TrialState if state.done)
_TRIAL = f"{RECORDS}/trial.json"
_TICK = 2_000_000_000
"""Nanoseconds: two seconds, the coarsest clock of a file system."""
_WORTHWHILE = 20
"""The index is written again when one in so many entries would be new."""


class Entry(NamedTuple):
    """What one trial said; the names of its values are those of a shape that many trials have."""

    signature: Signature
    is_odd: bool
    """Whether numbers are in it that JSON has no word for."""
    shape: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """The names of its parameters, final values and metrics."""
    facts: list[Any]
    """The values of `FACTS`."""
    params: list[Any]
    final: list[Any]
    statistics: list[Any]
    """`STATISTICS` of each metric, one metric after the other."""

    @classmethod
    def of(cls, found: Recorded) -> Entry | None:
        """Return what may be kept of a trial; None if it is not done, or would lose something."""
        record = found.record
        last = record.heartbeat if record.ended is None else record.ended
        seconds = None if last is None or record.started is None else max(last - record.started, 0.0)
        facts = [record.number, record.state.value, record.key, record.started, record.ended, seconds]
        facts += [record.attempt, record.step, record.max_step]
        shape = (tuple(record.params), tuple(record.final), tuple(record.metrics))
        usual = all(tuple(summary) == STATISTICS for summary in record.metrics.values())
        if not (record.state.done and usual and found.is_usual and is_settled(found.signature)):
            return None
        statistics = [value for summary in record.metrics.values() for value in summary.values()]
        params, final = list(record.params.values()), list(record.final.values())
        return cls(found.signature, found.is_odd, shape, facts, params, final, statistics)


@dataclass
class Index:
    """The entries of one sweep by the trials' directories, relative to the sweep's."""

    shapes: list[tuple[Any, Any, Any]] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=dict)
    """Directory -> an entry with its shape's place, as it was read; not all of them are looked at."""
    planned: list[int] | None = None
    """Signature of a `trials.jsonl` that plans only trials which have entries."""

    @classmethod
    def read(cls, sweep_dir: Path) -> Index:
        """Return the index of a sweep; an empty one if there is none that this version wrote."""
        try:
            raw = orjson.loads(SweepPaths(sweep_dir).index.read_bytes())
            if raw["format"] != FORMAT or raw["hyperherd"] != hyperherd.__version__:
                return cls()
            shapes = [(tuple(params), tuple(final), tuple(metrics)) for params, final, metrics in raw["shapes"]]
            rows = {name: row for name, row in raw["trials"].items() if isinstance(row, list)}
            return cls(shapes, rows, raw["planned"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def current(self, name: str, path: str) -> Entry | None:
        """Return the entry of the trial in `path`, named so below the sweep, if it still stands for its file."""
        row = self.rows.get(name)
        if row is None:
            return None
        try:
            time_ns, size, inode, odd, shape, facts, params, final, statistics = row
            status = os.stat(f"{path}/{_TRIAL}")  # noqa: PTH116 - once for each trial, and a Path takes longer
            if status.st_mtime_ns != time_ns or status.st_size != size or status.st_ino != inode:
                return None
            names = self.shapes[shape]
            fits = len(params) == len(names[0]) and len(final) == len(names[1]) and len(facts) == len(FACTS)
            if not fits or len(statistics) != len(STATISTICS) * len(names[2]) or facts[1] not in _DONE:
                return None
            return Entry((time_ns, size, inode), odd, names, facts, params, final, statistics)
        except (OSError, ValueError, TypeError, IndexError):
            return None

    def write(self, sweep_dir: Path, fresh: Mapping[str, Entry], planned: Signature | None) -> None:
        """Replace the index of a sweep if it is worth it; a directory that is closed to us stays as it is.

        Args:
            sweep_dir: absolute.
            fresh: the entries by the trials' directories below the sweep's.
            planned: the signature of the list of planned trials, if all of them have entries.
        """
        told = None if planned is None else list(planned)
        new = sum(self.rows.get(name, ())[:3] != [*entry.signature] for name, entry in fresh.items())
        if len(fresh) < SMALLEST or (new * _WORTHWHILE < len(fresh) and told == self.planned):
            return
        shapes = {shape: place for place, shape in enumerate(dict.fromkeys(entry.shape for entry in fresh.values()))}
        rows = {
            name: [*entry.signature, entry.is_odd, shapes[entry.shape], *entry[3:]] for name, entry in fresh.items()
        }
        record = {"format": FORMAT, "hyperherd": hyperherd.__version__, "planned": told, "shapes": list(shapes)}
        with suppress(OSError, TypeError):  # Closed to us; or a value that this JSON cannot hold: then there is none.
            replace_bytes(SweepPaths(sweep_dir).index, orjson.dumps({**record, "trials": rows}), durable=False)


def is_settled(signature: Signature) -> bool:
    """Return whether a file is so old that a later change would show in its time."""
    return signature[0] + _TICK < time.time_ns()
