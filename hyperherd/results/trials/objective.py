"""A metric as what trials are judged by.

Only a finite value of a finished trial is ever ranked. Plain data: it knows no more of a trial than that it has a state
and values, so that a sweep can hold the objective that it was given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hyperherd.records.disk.files import number
from hyperherd.records.states import TrialState
from hyperherd.results.trials.directions import MAXIMIZE, MINIMIZE

__all__ = ["DIRECTIONS", "MAXIMIZE", "MINIMIZE", "Judged", "Objective", "in_words", "saved_objective", "saved_several"]

DIRECTIONS = {"max": MAXIMIZE, "min": MINIMIZE}


class Judged(Protocol):
    """What an objective asks of a trial."""

    @property
    def state(self) -> TrialState:
        """How it stands."""

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of a metric."""


@dataclass(frozen=True)
class Objective:
    """A metric and which way is better."""

    metric: str
    direction: str
    """``maximize`` or ``minimize``."""
    aggregate: str | None = None
    """One of :mod:`hyperherd.results.trials.aggregates` as it was written; None: the final value, else the last."""
    source: str = "asked"
    """``asked``, ``saved`` (with the sweep, or by a callback in its trials) or ``guessed`` (from the metric's name)."""

    @property
    def label(self) -> str:
        """The metric with its aggregate, as one types it."""
        return f"{self.metric}:{self.aggregate}" if self.aggregate else self.metric

    @property
    def verdict(self) -> str:
        """``val/acc, higher is better``."""
        return f"{self.label}, {'higher' if self.direction == MAXIMIZE else 'lower'} is better"

    @property
    def spec(self) -> dict[str, str]:
        """The metric and the direction, as a trial's own records have them."""
        return {"metric": self.metric, "direction": self.direction}

    def value(self, trial: Judged) -> float | None:
        """Return what `trial` achieved, finished or not, NaN included; None if it has no such number."""
        return number(trial.value(self.metric, self.aggregate))

    def ranks(self, trial: Judged) -> bool:
        """Return whether `trial` may be compared at all."""
        value = self.value(trial)
        return trial.state.finished and value is not None and math.isfinite(value)

    def order(self, trial: Judged) -> tuple[int, float]:
        """Return a sort key: ranked trials best first, then finished ones without a value, then the others."""
        if not trial.state.finished:
            return 2, 0.0
        value = self.value(trial)
        if value is None or not math.isfinite(value):
            return 1, 0.0
        return 0, -value if self.direction == MAXIMIZE else value


def saved_objective(raw: Any) -> Objective | None:
    """Return the objective that a `sweep.json` names; None if it names none, or none that can be followed."""
    if not isinstance(raw, dict) or raw.get("direction") not in DIRECTIONS.values():
        return None
    metric = raw.get("metric")
    return Objective(metric, raw["direction"], source="saved") if isinstance(metric, str) else None


def saved_several(raw: Sequence[Any]) -> tuple[Objective, ...]:
    """Return the several objectives that a `sweep.json` names; none if one of them cannot be followed."""
    found = tuple(objective for one in raw if (objective := saved_objective(one)))
    return found if len(found) == len(raw) > 1 else ()


def in_words(objectives: Sequence[Objective]) -> str:
    """Return ``val/loss, lower is better; latency, lower is better``."""
    return "; ".join(objective.verdict for objective in objectives)
