"""What the index keeps of one trial, and of which trials it may keep anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from hyperherd.errors import FormatError
from hyperherd.masking import masked_name, masked_words
from hyperherd.records.config import KeptSettings
from hyperherd.records.disk import kinds
from hyperherd.records.disk.guarded import DEPTH, is_deep
from hyperherd.records.trial import TrialError, TrialRecord, fault_of_phases
from hyperherd.results.files.hydra_job import fixed_overrides
from hyperherd.results.files.recorded_metrics import RecordedMetrics
from hyperherd.results.files.trial_json import TrialFile, decode_final

STATISTICS = ("count", "last", "last_step", "min", "min_step", "max", "max_step", "nan")
FACTS = ("number", "state", "key", "started", "ended", "seconds", "attempt", "step", "max_step", "gpus")
_TICK = 2_000_000_000
"""Nanoseconds: two seconds, the coarsest clock of a file system."""


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

    place: str
    """Its directory below the sweep's."""
    signature: tuple[int, int, int]
    """Of its `trial.json`."""
    others: str
    """The signatures of other programs' JSONL of which some of the metrics are, as text; most have none."""
    shape: Shape
    facts: list[Any]
    """The values of `FACTS`."""
    params: list[Any]
    final: list[Any]
    statistics: list[Any]
    """`STATISTICS` of each metric, one metric after the other."""
    kept: KeptSettings | None
    """What it ran with beside its parameters; most trials share it."""
    rest: bytes
    """What few tables need, as JSON (see :func:`read_rest`)."""

    @classmethod
    def of(cls, place: str, found: TrialFile, told: RecordedMetrics, kept: KeptSettings | None) -> IndexEntry | None:
        """Return what may be kept of a trial; None if it is not done, has alerts, or would lose something.

        Args:
            place: its directory below the sweep's.
            found: its `trial.json`.
            told: its metrics, those in files of other programs included.
            kept: what its record says of its config.
        """
        record = found.record
        # Values are kept by position: a summary with another key, or another order, cannot be.
        usual = found.is_usual and all(tuple(summary) == STATISTICS for summary in told.metrics.values())
        times = (found.signature[0], *told.signature[::3])
        if not (usual and record.state.done and record.cause is None and all(map(is_settled, times))) or record.alerts:
            return None
        last = record.heartbeat if record.ended is None else record.ended
        seconds = None if last is None or record.started is None else max(last - record.started, 0.0)
        facts = [record.number, record.state.value, record.key, record.started, record.ended, seconds]
        facts += [record.attempt, told.step, record.max_step, record.gpus]
        phases = tuple((phase, tuple(metrics)) for phase, metrics in record.phases.items())
        fixed = masked_words(fixed_overrides(record.overrides, record.params))
        shape = Shape(tuple(record.params), tuple(record.final), tuple(told.metrics), phases, fixed)
        statistics = [value for summary in told.metrics.values() for value in summary.values()]
        params, final = list(record.params.values()), list(decode_final(record.final).values())
        try:
            rest = _rest(record, told)
        except TypeError:  # A value that JSON cannot hold, such as half a surrogate pair.
            return None
        return cls(place, found.signature, as_text(told.signature), shape, facts, params, final, statistics, kept, rest)


class Rest(NamedTuple):
    """What few tables need of a trial, as in its `trial.json`, secrets masked; what is not there is as here."""

    name: str = ""
    overrides: tuple[str, ...] = ()
    phases: dict[str, Any] = {}  # noqa: RUF012 - never changed
    objective: dict[str, Any] | None = None
    step_seconds: float | None = None
    host: str = ""
    job_id: str | None = None
    error: TrialError | None = None
    stop_reason: str = ""
    resources: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @classmethod
    def of(cls, record: TrialRecord, told: RecordedMetrics) -> Rest:
        """Return it of a trial.

        Args:
            record: its `trial.json`.
            told: its metrics, those in files of other programs included.
        """
        name, overrides = masked_name(record.name, record.overrides), masked_words(record.overrides)
        lead = (name, overrides, record.phases, told.objective, record.step_seconds)
        return cls(*lead, record.host, record.job_id, record.error, record.stop_reason, record.resources)


_ABSENT = Rest._field_defaults


def _rest(record: TrialRecord, told: RecordedMetrics) -> bytes:
    values = Rest.of(record, told)._asdict()
    values["error"] = record.error and asdict(record.error)
    rest = {name: value for name, value in values.items() if value != _ABSENT[name]}
    # What other programs logged may be NaN, of which the fast encoder makes null.
    return json.dumps(rest).encode() if told.signature else orjson.dumps(rest)


def read_rest(data: bytes, where: Path) -> Rest:
    """Return what :attr:`IndexEntry.rest` holds.

    Args:
        data: that, or anything that somebody put there.
        where: what an error names.

    Raises:
        FormatError: it is not that.
    """
    try:
        raw = orjson.loads(data)
    except ValueError:
        raw = _with_tokens(data, where)
    # With few brackets nothing nests deeply, and counting them is far cheaper than to look at every point of a curve.
    may_be_deep = data.count(b"[") + data.count(b"{") > DEPTH
    if (may_be_deep and is_deep(raw)) or not isinstance(raw, dict) or not raw.keys() <= _ABSENT.keys():
        raise FormatError(f"{where} is not an index")
    if kinds.fault(raw, _KINDS):
        raise FormatError(f"{where} is not an index")
    found = Rest(**{**_ABSENT, **raw})
    if fault_of_phases(found.phases):
        raise FormatError(f"{where} is not an index")
    error = raw.get("error")
    return found._replace(overrides=tuple(found.overrides), error=None if error is None else TrialError(**error))


def _is_error(raw: Any) -> bool:
    return isinstance(raw, dict) and raw.keys() == _ERROR and all(map(kinds.text, raw.values()))


_ERROR = frozenset({"type", "message", "traceback"})
_KINDS: dict[str, kinds.Kind] = {
    "name": kinds.text,
    "overrides": kinds.texts,
    "phases": kinds.flat_mapping,
    "objective": kinds.optional(kinds.flat_mapping),
    "step_seconds": kinds.optional(kinds.seconds),
    "host": kinds.text,
    "job_id": kinds.optional(kinds.text),
    "error": _is_error,
    "stop_reason": kinds.text,
    "resources": kinds.flat_mapping,
}


def _with_tokens(data: bytes, where: Path) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not an index: {error}") from None


def as_text(signature: Iterable[int]) -> str:
    """Return the signatures of some files as one text."""
    return " ".join(map(str, signature))


def is_settled(modified: int) -> bool:
    """Return whether a file is so old that a later change would show in its time, in nanoseconds."""
    return modified + _TICK < time.time_ns()
