"""One trial as its files tell it, and the sweep it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError

if TYPE_CHECKING:
    from hyperherd.results.objective import Objective


@dataclass(frozen=True)
class Sweep:
    """The sweep a trial belongs to: one of ours, one of Hydra's, or the folder that a job outside of any lies in."""

    name: str
    dir: Path
    """Absolute."""
    script: str = ""
    command: tuple[str, ...] = ()
    """What to type to run its script alone, before the overrides; empty if it is not recorded."""
    objective: Objective | None = None
    """What the sweep itself says it is judged by."""
    problem: str = ""
    """Which of its own files cannot be read, and why."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial, whether it has run or not."""

    number: int | None
    """Stable within the sweep; None for a Hydra job outside of any."""
    name: str
    dir: Path | None
    """None while only the launcher knows it."""
    sweep: Sweep
    state: TrialState
    cause: FailureCause | None = None
    reason: str = ""
    """Why it is not simply done: the error, the scheduler's verdict, what cannot be read."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameter -> typed value."""
    overrides: tuple[str, ...] = ()
    key: str = ""
    """Identity of the assignment; empty for trials that HyperHerd did not plan."""
    script: str = ""
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> count, last, min, max, their steps and nan, as in `trial.json`."""
    final: dict[str, Any] = field(default_factory=dict)
    """Name -> value logged without a step."""
    error: TrialError | None = None
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    """How long it ran, or has run until its last sign of life."""
    attempt: int = 0
    step: int | None = None
    max_step: int | None = None

    @property
    def command(self) -> list[str]:
        """The command that runs this trial alone, outside of the sweep; empty if its script is not known."""
        if not self.script and not self.sweep.command:
            return []
        start = self.sweep.command or ("python", self.script)
        # Where the sweep put its results is no part of what the trial is.
        return [*start, *(item for item in self.overrides if not item.startswith("hydra.sweep."))]

    @property
    def label(self) -> str:
        """What people call it: its number, else its folder."""
        if self.number is not None:
            return str(self.number)
        return self.dir.name if self.dir else self.name

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of metric `name`.

        Args:
            name: the metric.
            aggregate: ``last``, ``max`` or ``min`` over the steps; without it, the value logged without a step
                if there is one, else the last.

        Returns:
            a number, or whatever JSON value was logged; None if there is none.
        """
        if name in self.final and (aggregate is None or name not in self.metrics):
            return self.final[name]
        return self.metrics.get(name, {}).get(aggregate or "last")
