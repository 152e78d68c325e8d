"""Records of others are believed only as far as their types go: a wrong one is a broken file, not a crash later on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.files import number
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord

_PLANNED = {"number": int, "key": str, "name": str, "params": dict, "dir": str | None}
_PLAIN_NUMBERS = frozenset({int, float, type(None)})
_NUMBER = int | float | None
_RECORDED = {
    "number": int,
    "key": str,
    "name": str,
    "params": dict,
    "attempt": int,
    "started": _NUMBER,
    "ended": _NUMBER,
    "heartbeat": _NUMBER,
    "host": str,
    "pid": int | None,
    "pid_started": _NUMBER,
    "step": int | None,
    "max_step": int | None,
    "step_seconds": _NUMBER,
    "job_id": str | None,
    "metrics": dict,
    "final": dict,
}


def check_planned(planned: list[PlannedTrial], sweep_dir: Path, problems: list[str]) -> list[PlannedTrial]:
    """Return those of `planned` whose fields have their types; what is wrong with the others is added to `problems`."""
    faults = [_fault(trial, _PLANNED) for trial in planned]
    problems += [f"{SweepPaths(sweep_dir).trials}: {fault}" for fault in faults if fault]
    return [trial for trial, fault in zip(planned, faults, strict=True) if not fault]


def check_record(record: TrialRecord, trial_dir: str | Path) -> TrialRecord:
    """Return `record` if every field has its type.

    Raises:
        FormatError: one has not; the message names the file and the field.
    """
    fault = _fault(record, _RECORDED)
    for name, summary in record.metrics.items() if not fault else ():
        if not isinstance(summary, dict) or not all(map(_is_statistic, summary.values())):
            fault = f"the summary of metric {name!r} cannot be {summary!r}"
    if fault:
        raise FormatError(f"{TrialPaths(trial_dir).trial}: {fault}")
    return record


def _is_statistic(value: Any) -> bool:
    return type(value) in _PLAIN_NUMBERS or (isinstance(value, str) and number(value) is not None)


def _fault(record: Any, types: dict[str, Any]) -> str:
    """Return which field of `record` is not of its type; an empty string if all are."""
    for name, kind in types.items():
        value = getattr(record, name)
        if not isinstance(value, kind):
            return f"{name!r} cannot be {value!r}"
    return "" if all(isinstance(item, str) for item in record.overrides) else "'overrides' holds what is no text"
