"""What callbacks say about the training of the current trial beside its metrics; the trial's records take it from here.

The process that keeps the trial's state has them in memory. One that it started, and that trains (torchrun, a strategy
that spawns), hands them on in a file; of several the main one. What a further rank notes stays there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT, TrialPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.records.places import in_place
from hyperherd.records.states import TrialState
from hyperherd.trial.ranks import current_rank

OBJECTIVE = "objective"
TRAINING = "training"
CHECKPOINT = "checkpoint"
STOPPED = "stopped"
GPUS = "gpus"
MAX_STEP = "max_step"
VERDICT = "verdict"

_DIRECTIONS = {"min": "minimize", "max": "maximize", "minimize": "minimize", "maximize": "maximize"}

_noted: dict[str, Any] = {}
_trial: tuple[Path, int, int | None] | None = None
"""The current trial's directory and attempt, and the process that keeps its state, if that is one of ours."""


def note(name: str, value: Any) -> None:
    """Keep a fact about the current trial; the last one of a name stays.

    Args:
        name: ``objective`` (``{"metric", "direction"}``), by which the trial is judged unless its sweep says otherwise;
            ``training``, ``checkpoint`` or ``stopped``, keys of `provenance.json` (docs/format.md); ``gpus``, how many
            GPUs it sees; ``max_step``, how many steps it is going to take; ``verdict`` (``{"state", "reason"}``), why
            its training was told to end.
        value: any JSON value, or a function without arguments that returns one, and never raises: it is called each
            time the fact is wanted.
    """
    if name not in _noted or _noted[name] != value:  # trainers say the same again and again
        _noted[name] = value
        hand_on()


def noted() -> Mapping[str, Any]:
    """Return what has been noted about the current trial."""
    return {name: value() if callable(value) else value for name, value in list(_noted.items())}


def begin(trial_dir: Path, attempt: int, *, keeps_state: bool) -> None:
    """Begin anew, with another trial.

    Args:
        trial_dir: its directory.
        attempt: which attempt this is.
        keeps_state: whether this process keeps the trial's state, and takes the notes from memory.
    """
    global _trial
    _noted.clear()
    _trial = trial_dir, attempt, os.getpid() if keeps_state else None
    # What this process hands on replaces what one before it did, which may have been told to end.
    if not keeps_state and VERDICT in (before := handed_on(trial_dir, attempt)):
        _noted[VERDICT] = before[VERDICT]


def hand_on() -> None:
    """Write what has been noted where the process looks that keeps the trial's state, unless this is it."""
    if _trial is None or _trial[2] == os.getpid() or not _noted or current_rank():
        return
    trial_dir, attempt, _ = _trial
    with suppress(OSError):  # A disk that is full has been warned of; a training needs no notes.
        record = {"format": FORMAT, "attempt": attempt, "noted": noted()}
        replace_json(TrialPaths(trial_dir).noted, record, durable=False)


def handed_on(trial_dir: Path, attempt: int) -> Mapping[str, Any]:
    """Return what another process of an attempt has noted, as far as it is what it should be."""
    try:
        record = read_json(in_place(TrialPaths(trial_dir).noted, trial_dir))
    except (OSError, FormatError):
        return {}
    found = record.get("noted")
    if record.get("attempt") != attempt or not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name in _KINDS and _KINDS[name](value)}


def _is_objective(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metric"), str) and value.get("direction") in _ORDERS


def _is_verdict(value: Any) -> bool:
    return isinstance(value, dict) and value.get("state") in _STOPPED and kinds.text(value.get("reason"))


_ORDERS = ("minimize", "maximize")
_STOPPED = (TrialState.PRUNED, TrialState.PAUSED, TrialState.CANCELLED)
_KINDS: dict[str, Callable[[Any], bool]] = {
    OBJECTIVE: _is_objective,
    TRAINING: kinds.mapping,
    CHECKPOINT: kinds.mapping,
    STOPPED: lambda value: isinstance(value, list),
    GPUS: kinds.amount,
    MAX_STEP: kinds.whole,
    VERDICT: _is_verdict,
}
"""What a note must be to be taken over from a file."""


def objective_of(metric: str | None, direction: str | None) -> dict[str, str] | None:
    """Return an objective as records have it; None without a metric.

    Raises:
        ValueError: there is a metric and no direction, or the direction is another word.
    """
    if direction is not None and direction not in _DIRECTIONS:
        raise ValueError(f"direction must be 'minimize' or 'maximize', not {direction!r}")
    if not metric:
        return None
    if direction is None:
        raise ValueError(f"the objective {metric!r} needs a direction: 'minimize' or 'maximize'")
    return {"metric": metric, "direction": _DIRECTIONS[direction]}
