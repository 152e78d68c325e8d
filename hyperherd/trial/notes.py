"""What callbacks say about the training of the current trial beside its metrics; the trial's records take it from here.

Facts of one process, the one that keeps the trial's state: what a further rank notes stays there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OBJECTIVE = "objective"
TRAINING = "training"
CHECKPOINT = "checkpoint"

_DIRECTIONS = {"min": "minimize", "max": "maximize", "minimize": "minimize", "maximize": "maximize"}

_noted: dict[str, Any] = {}


def note(name: str, value: Any) -> None:
    """Keep a fact about the current trial; the last one of a name stays.

    Args:
        name: ``objective`` (``{"metric", "direction"}``), by which the trial is judged unless its sweep says otherwise;
            ``training`` or ``checkpoint``, keys of `provenance.json` (docs/format.md).
        value: any JSON value.
    """
    _noted[name] = value


def noted() -> Mapping[str, Any]:
    """Return what has been noted about the current trial."""
    return dict(_noted)


def forget() -> None:
    """Begin anew, with another trial."""
    _noted.clear()


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
