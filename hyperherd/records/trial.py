"""`trial.json`: what a trial records about itself, written by its running attempt and by no other process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT, TrialPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import number, read_json, replace_json
from hyperherd.records.states import FailureCause, TrialState


@dataclass(frozen=True)
class TrialError:
    """The exception that ended an attempt, as text: it comes from user code and is trusted by nobody."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """The content of `trial.json`; docs/format.md explains each field."""

    number: int
    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]
    attempt: int
    state: TrialState
    cause: FailureCause | None = None
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None
    beats: int = 0
    host: str = ""
    pid: int | None = None
    pid_started: float | None = None
    job_id: str | None = None
    exit_code: int | None = None
    error: TrialError | None = None
    requeued: bool = False
    """Whether the attempt ended because its scheduler runs the job again."""
    stop_reason: str = ""
    """Why it was pruned or paused, or cancelled by a request to stop; empty for every other end."""
    gpus: float | None = None
    """How many GPUs it was given, or sees; None if that is not known."""
    step: int | None = None
    max_step: int | None = None
    step_seconds: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    """Metric -> its summary, in the phase that counts for it."""
    phases: dict[str, Any] = field(default_factory=dict)
    """Phase -> metric -> its summary there; empty if there is only the phase without a name."""
    final: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] | None = None
    alerts: dict[str, int] = field(default_factory=dict)
    """Level -> how many alerts of it there are, the worst level first."""
    sweep: str | None = None
    """The sweep it belongs to, by the absolute path of its directory; None in a file of an earlier version."""
    choices: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    versions: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    """What the attempt has taken of its machine, once it has ended."""

    @property
    def standing(self) -> TrialState:
        """Where it stands by its own word: it may have ended because its job is requeued."""
        return TrialState.REQUEUED if self.requeued else self.state

    def write(self, trial_dir: Path, *, durable: bool = True) -> None:
        """Replace the `trial.json` of `trial_dir`."""
        record = {"format": FORMAT, **asdict(self)}
        for name in ("phases", "alerts", "resources"):
            if not record[name]:
                del record[name]
        replace_json(TrialPaths(trial_dir).trial, record, durable=durable)

    @classmethod
    def read(cls, trial_dir: Path) -> TrialRecord:
        """Read the `trial.json` of `trial_dir`.

        Raises:
            FileNotFoundError: there is none.
            FormatError: it is broken, or of a newer format; the message names the file.
        """
        path = TrialPaths(trial_dir).trial
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, raw: dict[str, Any], path: Path) -> TrialRecord:
        """Make a record from the JSON object that `path` holds, ignoring keys this version does not know."""
        values = {key: value for key, value in raw.items() if key in _FIELDS}
        try:
            values["state"] = TrialState(values["state"])
            values["cause"] = FailureCause(values["cause"]) if values.get("cause") else None
            if fault := kinds.fault(values, _KINDS) or fault_of_phases({"": values.get("metrics") or {}}):
                raise FormatError(f"{path}: {fault}")
            if fault := fault_of_phases(values.get("phases") or {}):
                raise FormatError(f"{path}: {fault}")
            values["overrides"] = tuple(values["overrides"])
            if error := values.get("error"):
                values["error"] = _error(error)
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{path} is not a trial record: {error}") from None

    def with_(self, **changes: Any) -> TrialRecord:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def _error(raw: Mapping[str, Any]) -> TrialError:
    error = TrialError(raw["type"], raw["message"], raw.get("traceback", ""))
    if not all(isinstance(item, str) for item in (error.type, error.message, error.traceback)):
        raise TypeError("'error' contains something that is not text")
    return error


def fault_of_phases(phases: Mapping[str, Any]) -> str:
    """Return what is wrong with the summaries of metrics by phase; an empty string if nothing is."""
    for phase, metrics in phases.items():
        if not isinstance(metrics, dict):
            return f"the metrics of phase {phase!r} cannot be {metrics!r:.80}"
        if fault := _fault_of_metrics(metrics):
            return fault
    return ""


def _fault_of_metrics(metrics: Mapping[str, Any]) -> str:
    for name, summary in metrics.items():
        if not isinstance(summary, dict):
            return f"the summary of metric {name!r} cannot be {summary!r:.80}"
        odd = [value for value in summary.values() if type(value) is not float and value is not None]
        if not all(map(_is_statistic, odd)):
            return f"the summary of metric {name!r} cannot be {summary!r:.80}"
    return ""


def _is_statistic(value: Any) -> bool:
    if type(value) is int:
        return bool(abs(value) < _GREATEST)
    return type(value) in (float, NoneType) or (isinstance(value, str) and number(value) is not None)


_GREATEST = 2**1023
"""An integer below is within the range of floats."""
_KINDS: dict[str, kinds.Kind] = {
    "number": kinds.whole,
    "key": kinds.text,
    "name": kinds.text,
    "overrides": kinds.texts,
    "params": kinds.mapping,
    "choices": kinds.mapping,
    "config_hash": kinds.text,
    "versions": kinds.mapping,
    "resources": kinds.mapping,
    "attempt": kinds.count,
    "started": kinds.optional(kinds.moment),
    "ended": kinds.optional(kinds.moment),
    "heartbeat": kinds.optional(kinds.moment),
    "beats": kinds.whole,
    "host": kinds.text,
    "pid": kinds.optional(kinds.integer),
    "pid_started": kinds.optional(kinds.seconds),
    "job_id": kinds.optional(kinds.text),
    "exit_code": kinds.optional(kinds.whole),
    "requeued": kinds.flag,
    "stop_reason": kinds.text,
    "gpus": kinds.optional(kinds.amount),
    "step": kinds.optional(kinds.whole),
    "max_step": kinds.optional(kinds.whole),
    "step_seconds": kinds.optional(kinds.seconds),
    "metrics": kinds.flat_mapping,
    "phases": kinds.flat_mapping,
    "final": kinds.mapping,
    "objective": kinds.optional(kinds.mapping),
    "alerts": lambda value: kinds.mapping(value) and all(map(kinds.count, value.values())),
}
_FIELDS = frozenset(item.name for item in fields(TrialRecord))
