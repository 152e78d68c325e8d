"""How far a sweep has come, and how long the rest takes, judged by its trials' steps and by those that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyperherd.results.text.format import duration

_CELLS = 20


@dataclass(frozen=True)
class Underway:
    """A trial that runs.

    Attributes:
        elapsed: seconds since it began.
        left: seconds that it still takes by its steps; None if it has not said how many there are.
    """

    elapsed: float
    left: float | None


@dataclass(frozen=True)
class Pace:
    """The trials of a sweep as far as their times are concerned.

    Attributes:
        took: the seconds of each trial that ran to its end.
        running: those that run.
        waiting: how many have not begun.
        ended: how many have ended, in whatever way.
    """

    took: Sequence[float]
    running: Sequence[Underway]
    waiting: int
    ended: int

    @property
    def seconds_left(self) -> float | None:
        """How long all of it still takes, if as many run at once as now; None if nothing runs, or nothing is known."""
        known = [trial.elapsed + trial.left for trial in self.running if trial.left is not None]
        whole = list(self.took) or known
        if not self.running or not whole:
            return None
        usual = sum(whole) / len(whole)
        lefts = [max(usual - trial.elapsed, 0.0) if trial.left is None else trial.left for trial in self.running]
        return max((sum(lefts) + self.waiting * usual) / len(self.running), *lefts)

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1; of a running trial its share counts, if it is known."""
        total = self.ended + len(self.running) + self.waiting
        parts = [
            trial.elapsed / whole
            for trial in self.running
            if trial.left is not None and (whole := trial.elapsed + trial.left) > 0
        ]
        return min((self.ended + sum(parts)) / total, 1.0) if total else 0.0

    def line(self, *, unicode: bool) -> str:
        """Return a bar, its percentage, and the time left where it is known."""
        full, rest = ("█", "░") if unicode else ("#", ".")
        cells = int(self.share * _CELLS)
        left = self.seconds_left
        told = "" if left is None else f", about {duration(left)} left"
        return f"[{full * cells}{rest * (_CELLS - cells)}] {int(self.share * 100)} %{told}"


def steps_left(step: int | None, max_step: int | None, step_seconds: float | None, silent: float = 0.0) -> float | None:
    """Return the seconds until a running trial's last step; None where nothing tells.

    Args:
        step: the last one it has logged.
        max_step: its last one; below 1 it is not known, as in the settings of trainers.
        step_seconds: the usual time of one step.
        silent: seconds since it said so; meanwhile it has gone on.
    """
    if step is None or max_step is None or max_step < 1 or not step_seconds or step_seconds < 0:
        return None
    return max((max_step - step) * step_seconds - max(silent, 0.0), 0.0)
