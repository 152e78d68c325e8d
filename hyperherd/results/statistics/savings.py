"""What pruning has saved: the steps that the trials which it ended did not take, as far as it is known how many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hyperherd.plural import counted
from hyperherd.records.states import TrialState
from hyperherd.results.trials.trial import Trial


@dataclass(frozen=True)
class Savings:
    """How many trials a pruner has ended, and what share of all steps they did not take.

    Attributes:
        pruned: trials, for good.
        trials: all of them.
        ended: those that completed, or that the pruner has ended; the share is that of their steps.
        share: from 0 to 1; None where it is not known how many steps one that it has ended would have taken.
        paused: trials that it has ended for now.
    """

    pruned: int
    trials: int
    ended: int
    share: float | None = None
    paused: int = 0

    def __str__(self) -> str:
        also = f" and {self.paused} paused" if self.paused else ""
        text = f"{self.pruned} of {counted(self.trials, 'trial')} pruned{also}"
        if self.paused and not self.pruned:
            text = f"{self.paused} of {counted(self.trials, 'trial')} paused"
        if self.share is None:
            return text
        or_paused = ", paused" if self.paused else ""
        of = "" if self.ended == self.trials else f" (of the {self.ended} that were pruned{or_paused} or completed)"
        return f"{text}, {100 * self.share:.0f} % of the steps saved{of}"


def savings(trials: Iterable[Trial], max_steps: Mapping[object, int]) -> Savings | None:
    """Return what pruning has saved so far; None if nothing was pruned or paused.

    Args:
        trials: of one sweep or several.
        max_steps: sweep directory -> how many steps its pruner was told that a trial takes.
    """
    everything = list(trials)
    stopped = [trial for trial in everything if trial.state.held_back]
    if not stopped:
        return None
    completed = [trial for trial in everything if trial.state is TrialState.COMPLETED]
    lengths: dict[object, set[int | None]] = {}
    for trial in completed:
        lengths.setdefault(trial.sweep.dir, set()).add(trial.step)
    usual = {sweep: next(iter(found)) for sweep, found in lengths.items() if len(found) == 1}
    paused = sum(trial.state is TrialState.PAUSED for trial in stopped)
    found = Savings(len(stopped) - paused, len(everything), len(stopped) + len(completed), paused=paused)
    taken, whole = 0, 0
    for trial in stopped:
        full = trial.max_step or max_steps.get(trial.sweep.dir) or usual.get(trial.sweep.dir)
        if full is None or (trial.step or 0) > full:
            return found
        taken, whole = taken + (trial.step or 0), whole + full
    for trial in completed:
        if trial.step is None:
            return found
        taken, whole = taken + trial.step, whole + trial.step
    return replace(found, share=1 - taken / whole) if whole > 0 else found
