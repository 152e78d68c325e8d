"""The questions whether the current trial is to end: of loops of one's own, and of the callbacks of trainers.

A decision is taken in rank 0. Where torch's process group has several ranks, a question is put to all of them together,
so that all get one answer at one step, and none waits for another that has ended.
"""

from __future__ import annotations

from hyperherd.trial.log import current_trial
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.stopping.together import any_rank, has_group


def should_stop() -> bool:
    """Return whether the running trial is to end now, because of a pruning rule or because somebody wants that.

    For loops that end by themselves instead of by :class:`hyperherd.TrialPruned`, and for all that run in several
    ranks: there each rank has to ask, at the same steps, and all get the same answer. A trial whose loop got ``True``
    counts as pruned (or stopped), whatever it does then. Without torch's process group the answer of rank 0 is the one
    that counts, for the program to send to the others. Outside of a trial it is False.
    """
    trial = current_trial()
    wanted = trial is not None and trial.stopping.verdict is not None
    if has_group():
        wanted = any_rank(wanted and current_rank() == 0)
    if not wanted:
        return False
    if trial is not None:
        trial.stopping.learn()
    return True


def heed() -> None:
    """End what a callback is called from, as a log call does (`Stopping.heed`).

    Raises:
        TrialPruned: the trial is to end.
    """
    if (trial := current_trial()) is not None:
        trial.stopping.heed()
