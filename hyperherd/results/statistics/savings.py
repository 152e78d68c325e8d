"""What pruning has saved: the steps that pruned trials did not take, as far as it is known how many these were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hyperherd.plural import counted
from hyperherd.records.states import TrialState
from hyperherd.results.trials.trial import Trial


@dataclass(frozen=True)
class Savings:
    """How many trials were pruned, and what share of all steps they did not take.

    Attributes:
        pruned: trials.
        trials: all of them.
        ended: those that completed, or were pruned; the share is that of their steps.
        share: from 0 to 1; None where it is not known how many steps a pruned trial would have taken.
    """

    pruned: int
    trials: int
    ended: int
    share: float | None = None

    def __str__(self) -> str:
        text = f"{self.pruned} of {counted(self.trials, 'trial')} pruned"
        if self.share is None:
            return text
        of = "" if self.ended == self.trials else f" (of the {self.ended} that were pruned or completed)"
        return f"{text}, {100 * self.share:.0f} % of the steps saved{of}"


def savings(trials: Iterable[Trial], max_steps: Mapping[object, int]) -> Savings | None:
    """Return what pruning has saved; None if nothing was pruned.

    Args:
        trials: of one sweep or several.
        max_steps: sweep directory -> how many steps its pruner was told that a trial takes.
    """
    everything = list(trials)
    pruned = [trial for trial in everything if trial.state is TrialState.PRUNED]
    if not pruned:
        return None
    completed = [trial for trial in everything if trial.state is TrialState.COMPLETED]
    lengths: dict[object, set[int | None]] = {}
    for trial in completed:
        lengths.setdefault(trial.sweep.dir, set()).add(trial.step)
    usual = {sweep: next(iter(found)) for sweep, found in lengths.items() if len(found) == 1}
    taken, whole = 0, 0
    for trial in pruned:
        full = trial.max_step or max_steps.get(trial.sweep.dir) or usual.get(trial.sweep.dir)
        if full is None or (trial.step or 0) > full:
            return Savings(len(pruned), len(everything), len(pruned) + len(completed))
        taken, whole = taken + (trial.step or 0), whole + full
    for trial in completed:
        if trial.step is None:
            return Savings(len(pruned), len(everything), len(pruned) + len(completed))
        taken, whole = taken + trial.step, whole + trial.step
    share = 1 - taken / whole if whole > 0 else None
    return Savings(len(pruned), len(everything), len(pruned) + len(completed), share)
