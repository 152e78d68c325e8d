"""`index.json`: a sweep's finished trials as they were last read, so that thousands are not read again.

Invariant: deleting it changes nothing but time. An entry replaces its `trial.json` only while that file and the JSONL
of other programs beside it have the same modification time, size and inode; it is made only of a trial that is done,
about which no other file has anything to say, and only if the files are too old to be changed within the tick of the
clock that their time was taken from.

It is JSON, because importing pyarrow takes longer than all the rest; and it is terse, because parsing it comes second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

import hyperherd
from hyperherd.errors import FormatError
from hyperherd.masking import masked_words
from hyperherd.metrics.store.foreign import first_results, foreign_signature, list_foreign, may_have_foreign
from hyperherd.paths import RECORDS, SweepPaths, TrialPaths
from hyperherd.records.config import KeptSettings
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import number, replace_bytes, strict
from hyperherd.records.disk.guarded import is_deep, read_regular
from hyperherd.records.disk.ownership import is_own
from hyperherd.records.places import stays_in
from hyperherd.records.states import TrialState
from hyperherd.results.files.hydra_job import fixed_overrides
from hyperherd.results.files.recorded_metrics import RecordedMetrics
from hyperherd.results.files.trial_json import Signature, TrialFile

FORMAT = 5
SMALLEST = 100
"""Sweeps of fewer trials are read as fast without."""
STATISTICS = ("count", "last", "last_step", "min", "min_step", "max", "max_step", "nan")
FACTS = ("number", "state", "key", "started", "ended", "seconds", "attempt", "step", "max_step", "gpus")
_DONE = frozenset(state.value for state in TrialState if state.done)
_TRIAL = f"{RECORDS}/trial.json"
_TICK = 2_000_000_000
"""Nanoseconds: two seconds, the coarsest clock of a file system."""
_WORTHWHILE = 20
"""The index is written again when one in this many entries would be new."""


_MOST_BYTES = 1 << 28
_PLAIN_NUMBERS = frozenset({int, float, type(None)})
_FLAT = frozenset({int, float, bool, str, type(None)})
_TIME: frozenset[type] = frozenset({int, float, type(None)})
_STEP: frozenset[type] = frozenset({int, type(None)})
_FACT_TYPES: tuple[Collection[type], ...] = ({int}, {str}, {str}, _TIME, _TIME, _TIME, {int}, _STEP, _STEP, _TIME)


class Shape(NamedTuple):
    """The names that many trials have in common."""

    params: tuple[str, ...]
    final: tuple[str, ...]
    metrics: tuple[str, ...]
    phases: tuple[tuple[str, tuple[str, ...]], ...]
    """Of each phase its name and its metrics; empty if there is only the phase without a name."""
    fixed: tuple[str, ...] = ()
    """The overrides of what is not a parameter, secrets masked, as :func:`fixed_overrides` returns them."""

    @classmethod
    def read(cls, raw: Any) -> Shape:
        """Return a shape as the index has it.

        Raises:
            TypeError, ValueError: it is not that.
        """
        params, final, metrics, phases, fixed = raw
        named = tuple((phase, tuple(names)) for phase, names in phases)
        shape = cls(tuple(params), tuple(final), tuple(metrics), named, tuple(fixed))
        every = [*shape[:3], shape.fixed, *([phase, *names] for phase, names in named)]
        if not all(isinstance(name, str) for names in every for name in names):
            raise TypeError("not the names of a trial")
        return shape


class IndexEntry(NamedTuple):
    """What one trial said; the names of its values are those of a shape that many trials have."""

    signature: Signature
    is_odd: bool
    """Whether it has numbers that JSON cannot express (NaN, infinities)."""
    shape: Shape
    facts: list[Any]
    """The values of `FACTS`."""
    params: list[Any]
    final: list[Any]
    statistics: list[Any]
    """`STATISTICS` of each metric, one metric after the other."""
    others: list[int]
    """The signatures of other programs' JSONL of which some of the metrics are."""
    kept: KeptSettings | None = None
    """What it ran with beside its parameters; most trials share it."""

    @classmethod
    def of(cls, found: TrialFile, told: RecordedMetrics) -> IndexEntry | None:
        """Return what may be kept of a trial; None if it is not done, or would lose something.

        Args:
            found: its `trial.json`.
            told: its metrics, those in files of other programs included.
        """
        record = found.record
        last = record.heartbeat if record.ended is None else record.ended
        seconds = None if last is None or record.started is None else max(last - record.started, 0.0)
        facts = [record.number, record.state.value, record.key, record.started, record.ended, seconds]
        facts += [record.attempt, told.step, record.max_step, record.gpus]
        phases = tuple((phase, tuple(metrics)) for phase, metrics in record.phases.items())
        fixed = masked_words(fixed_overrides(record.overrides, record.params))
        shape = Shape(tuple(record.params), tuple(record.final), tuple(told.metrics), phases, fixed)
        # Values are kept by position: a summary with another key, or another order, cannot be.
        usual = all(tuple(summary) == STATISTICS for summary in told.metrics.values())
        times = (found.signature[0], *told.signature[::3])
        if not (record.state.done and usual and found.is_usual and all(map(is_settled, times))) or record.alerts:
            return None
        if record.stop_reason:  # which has no place there; and an event may have a pruned trial run on
            return None
        is_odd = found.is_odd or bool(told.signature)  # Other programs' NaN is a number here, and JSON has none.
        summaries = strict(told.metrics) if is_odd else told.metrics
        statistics = [value for summary in summaries.values() for value in summary.values()]
        params, final = list(record.params.values()), list(record.final.values())
        kept = KeptSettings(record.choices, record.config_hash, record.versions) if record.config_hash else None
        return cls(found.signature, is_odd, shape, facts, params, final, statistics, told.signature, kept)


@dataclass
class Index:
    """The entries of one sweep by the trials' directories, relative to the sweep's."""

    shapes: list[Shape] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=dict)
    """Directory -> an entry with the places of its shape and of what it kept, as it was read; few are looked at."""
    planned: list[int] | None = None
    """Signature of a `trials.jsonl` that plans only trials which have entries."""
    kept: list[KeptSettings | None] = field(default_factory=list)
    results: str = ""
    """Where the first HyperHerd's results lie in the sweep, if there are any."""
    is_ours: bool = True
    """Whether the file there is one of ours, of any version, or there is none; anything else is not replaced."""

    @classmethod
    def read(cls, sweep_dir: Path) -> Index:
        """Return the index of a sweep; an empty one if there is none that this version wrote."""
        path = SweepPaths(sweep_dir).index
        if not stays_in(path, sweep_dir):
            return cls(is_ours=False)
        try:
            raw = orjson.loads(read_regular(path, _MOST_BYTES))
            if raw["hyperherd"] != hyperherd.__version__ or raw["format"] != FORMAT:
                return cls()
            shapes = [Shape.read(item) for item in raw["shapes"]]
            rows = {name: row for name, row in raw["trials"].items() if isinstance(row, list)}
            kept = [_kept(item) for item in raw["kept"]]
            return cls(shapes, rows, raw["planned"], kept, first_results(sweep_dir))
        except FileNotFoundError:
            return cls()
        except (OSError, FormatError, ValueError, KeyError, TypeError, AttributeError):
            # It is a cache, in a folder that others may write to: what is wrong in it is as if absent.
            return cls(is_ours=False)

    def current(self, name: str, path: str) -> IndexEntry | None:
        """Return the entry of the trial in `path`, named so below the sweep, if it still matches its file."""
        row = self.rows.get(name)
        if row is None:
            return None
        try:
            time_ns, size, inode, odd, shape, facts, params, final, statistics, others, kept = row
            status = os.stat(f"{path}/{_TRIAL}")  # noqa: PTH116 - once for each trial, and a Path takes longer
            if status.st_mtime_ns != time_ns or status.st_size != size or status.st_ino != inode:
                return None
            names = self.shapes[shape]
            # Names and values lie apart. One value too few would put all that follow under the wrong names, unseen.
            fits = len(params) == len(names[0]) and len(final) == len(names[1]) and len(facts) == len(FACTS)
            if not fits or len(statistics) != len(STATISTICS) * len(names[2]) or facts[1] not in _DONE:
                return None
            are_places = type(shape) is int and type(kept) is int
            if not are_places or not _is_sound(facts, [*params, *final], statistics, is_odd=odd):
                return None
            if (others or may_have_foreign(path, facts[0], self.results)) and _signature_beside(path) != others:
                return None
            signature = (time_ns, size, inode)
            return IndexEntry(signature, odd, names, facts, params, final, statistics, others, self.kept[kept])
        except (OSError, ValueError, TypeError, IndexError, AttributeError):
            return None

    def write(self, sweep_dir: Path, fresh: Mapping[str, IndexEntry], planned: Signature | None) -> None:
        """Replace the index of a sweep if it is worth it; what is not this user's own, or not ours, stays as it is.

        Args:
            sweep_dir: absolute.
            fresh: the entries by the trials' directories below the sweep's.
            planned: the signature of the list of planned trials, if all of them have entries.
        """
        told = None if planned is None else list(planned)
        new = sum(self.rows.get(name, ())[:3] != [*entry.signature] for name, entry in fresh.items())
        if not self.is_ours or not is_own(SweepPaths(sweep_dir).records) or not is_own(sweep_dir):
            return
        if len(fresh) < SMALLEST or (new * _WORTHWHILE < len(fresh) and told == self.planned):
            return
        shapes = {shape: place for place, shape in enumerate(dict.fromkeys(entry.shape for entry in fresh.values()))}
        texts = {id(entry.kept): repr(entry.kept) for entry in fresh.values()}  # many are the same object
        kept = {texts[id(entry.kept)]: entry.kept for entry in fresh.values()}
        places = {text: place for place, text in enumerate(kept)}
        rows = {
            name: [*entry.signature, entry.is_odd, shapes[entry.shape], *entry[3:-1], places[texts[id(entry.kept)]]]
            for name, entry in fresh.items()
        }
        record = {
            "format": FORMAT,
            "hyperherd": hyperherd.__version__,
            "planned": told,
            "shapes": list(map(list, shapes)),
        }
        record["kept"] = [
            None if item is None else [item.choices, item.config_hash, item.versions] for item in kept.values()
        ]
        with suppress(OSError, TypeError):  # Closed to us; or a value that this JSON cannot hold: then there is none.
            replace_bytes(SweepPaths(sweep_dir).index, orjson.dumps({**record, "trials": rows}), durable=False)


def _signature_beside(trial_dir: str) -> list[int]:
    return foreign_signature(list_foreign(TrialPaths(Path(trial_dir))))


def _is_sound(facts: list[Any], values: list[Any], statistics: list[Any], *, is_odd: Any) -> bool:
    """Return whether values are of the kinds that a `trial.json` may have: the file may be anybody's."""
    if not _has_types(tuple(map(type, facts))):
        return False
    number_, _, _, started, ended, seconds, attempt, step, max_step, gpus = facts
    times = kinds.moment(started or 0) and kinds.moment(ended or 0) and kinds.seconds(seconds or 0)
    times = times and kinds.amount(gpus or 0)
    if not (times and kinds.count(attempt) and all(map(kinds.whole, (number_, step or 0, max_step or 0)))):
        return False
    if not _FLAT.issuperset(map(type, values)) and is_deep(values):
        return False
    rest = set(map(type, statistics)) - _PLAIN_NUMBERS
    texts = [item for item in statistics if isinstance(item, str)] if rest else []
    return not rest or (rest == {str} and is_odd is True and all(number(text) is not None for text in texts))


@lru_cache(maxsize=256)
def _has_types(types: tuple[type, ...]) -> bool:
    return all(kind in allowed for kind, allowed in zip(types, _FACT_TYPES, strict=True))


def is_settled(modified: int) -> bool:
    """Return whether a file is so old that a later change would show in its time, in nanoseconds."""
    return modified + _TICK < time.time_ns()


def _kept(raw: Any) -> KeptSettings | None:
    """Return what trials kept, as the index has it.

    Raises:
        TypeError, ValueError: it is not that.
    """
    if raw is None:
        return None
    choices, config_hash, versions = raw
    if not (isinstance(choices, dict) and isinstance(config_hash, str) and isinstance(versions, dict)):
        raise TypeError("not what a trial keeps")
    return KeptSettings(choices, config_hash, versions)
