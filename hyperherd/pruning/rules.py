"""The rules that judge a trial at a rung by those who came there: successive halving and the median.

Ties are kept: what is as good as the last that goes on goes on as well. NaN is worse than every number, and is never
kept; it counts among those who came.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hyperherd.pruning.rungs import Judgement, Rung


@dataclass(frozen=True)
class SuccessiveHalving:
    """Asynchronous successive halving, as it stops (Li et al., MLSys 2020: arXiv 1810.05934).

    Of n that have come to a rung, the best ``floor(n / eta)`` go on, and always the best one: the first eta - 1 could
    else never go on, because a trial that stops does not come back.

    Args:
        eta: at each rung, one trial in `eta` goes on.
        min_trials: as long as fewer have come to a rung, all go on.
    """

    eta: float
    min_trials: int = 1
    needs_completed = False

    def least(self, scores: Sequence[float]) -> float:
        """Return the score from which on one goes on, of those that have come to a rung (`Rung.score`)."""
        if len(scores) < self.min_trials:
            return -math.inf
        return sorted(scores, reverse=True)[self._keep(len(scores)) - 1]

    def _keep(self, cohort: int) -> int:
        return max(int(cohort / self.eta), 1)

    def judge(self, rung: Rung) -> Judgement:
        """Return whether the trial is among the best of those who have come to the rung."""
        ranked = sorted(((rung.score(one.value), one.value) for one in rung.all), reverse=True)
        cohort, own = len(ranked), rung.score(rung.own.value)
        keep = self._keep(cohort)
        rank = 1 + sum(found > own for found, _ in ranked)
        bar, least = ranked[keep - 1]
        facts = {"value": rung.own.value, "rank": rank, "cohort": cohort, "keep": keep, "threshold": least}
        placed = f"{rung.own.value:.6g} is number {rank} of {cohort}"
        if math.isnan(rung.own.value):
            return Judgement(True, f"NaN, of {cohort}", facts)
        if cohort < self.min_trials:
            return Judgement(False, f"{placed}; nobody is pruned before {self.min_trials} have come", facts)
        bound = "or more" if rung.maximize else "or less"
        what = f"the best {keep} go on" if keep > 1 else "the best one goes on"
        least_told = "" if math.isnan(least) else f" ({least:.6g} {bound})"
        return Judgement(own < bar, f"{placed}; {what}{least_told}", facts)


@dataclass(frozen=True)
class Median:
    """The median stopping rule (Golovin et al., KDD 2017: Google Vizier, section 3.2.1).

    A trial is pruned at a rung if its best value up to there is strictly worse than the median, over all completed
    trials, of the mean of their values up to there.

    Args:
        min_trials: as long as fewer have completed, all go on.
    """

    min_trials: int = 5
    needs_completed = True

    def judge(self, rung: Rung) -> Judgement:
        """Return whether the trial's best value is worse than the median of the means of those that completed."""
        means = [one.mean for one in rung.others if one.has_completed]
        facts = {"value": rung.own.best, "cohort": len(means), "threshold": None}
        if math.isnan(rung.own.best):
            return Judgement(True, "all its values are NaN", facts)
        if len(means) < self.min_trials:
            told = f"of those at this rung {len(means)} completed; nobody is pruned before {self.min_trials} have"
            return Judgement(False, told, facts)
        scores = [rung.score(mean) for mean in means]
        middle = statistics.median(scores)
        median = middle if rung.maximize else -middle
        worse = rung.score(rung.own.best) < middle
        told = f"{rung.own.best:.6g} at best is {'worse' if worse else 'no worse'} than {median:.6g}"
        return Judgement(
            worse, f"{told}, the median of the means of {len(means)} that completed", {**facts, "threshold": median}
        )


@dataclass(frozen=True)
class KeepAll:
    """No rule at the rungs: what is judged is judged by single values."""

    needs_completed = False

    def judge(self, rung: Rung) -> Judgement:
        """Return that the trial goes on."""
        return Judgement(False, "no rule")
