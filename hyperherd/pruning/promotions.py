"""Which paused trials are to run on, as the sweep sees it: those that are among the best of their rung by now.

This is the promotion of asynchronous successive halving (Li et al., MLSys 2020: arXiv 1810.05934, `get_job`).
Invariant: that a trial runs on is in `rungs/promoted/` before it is launched, so that it knows, and so does whoever
goes on with the sweep.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hyperherd.pruning.arrivals import RungFolder, score
from hyperherd.pruning.decisions import PAUSED, read_decisions
from hyperherd.pruning.of_sweep import folder_of
from hyperherd.pruning.rules import SuccessiveHalving
from hyperherd.pruning.settings import PrunerSettings

log = logging.getLogger("hyperherd")


class _Winner(NamedTuple):
    """A paused trial that is to run on; the greatest is the next one."""

    rung: int
    score: float
    minus_number: int
    reason: str


class Promotions:
    """Finds the paused trials of a sweep that are to run on.

    Args:
        sweep_dir: of the sweep.
        settings: of its pruner, which pauses.
    """

    def __init__(self, sweep_dir: Path, settings: PrunerSettings) -> None:
        rule = settings.made_rule()
        assert isinstance(rule, SuccessiveHalving)
        self._rule = rule
        self._maximize = settings.maximize
        self._folder: RungFolder = folder_of(sweep_dir, settings)
        self._metric = settings.metric
        self._rungs: dict[int, int] = {}
        self._has_warned = False

    def found(self, paused: Mapping[int, Path]) -> dict[int, str]:
        """Return the trials that are to run on, each with why: from the highest rung, the best first.

        Args:
            paused: number of each trial that is paused -> its directory.
        """
        # Read once for each pause that is on record.
        known = {number: self._rungs.get(number) or paused_at(trial_dir) for number, trial_dir in paused.items()}
        self._rungs = {number: rung for number, rung in known.items() if rung is not None}
        at_rung: dict[int, list[int]] = {}
        for number, rung in self._rungs.items():
            at_rung.setdefault(rung, []).append(number)
        winners: list[_Winner] = []
        for rung, numbers in at_rung.items():
            try:
                winners += self._winners(rung, numbers)
            except OSError as error:
                self._warn(error)
        found = {-one.minus_number: one.reason for one in sorted(winners, reverse=True)}
        for number in found:
            del self._rungs[number]
        return found

    def _winners(self, rung: int, numbers: list[int]) -> list[_Winner]:
        """Return which of the trials that are paused at a rung are to run on from there, and note it.

        Raises:
            OSError: the rung cannot be read, or it cannot be noted.
        """
        arrivals = {one.number: one for one in self._folder.arrivals(rung)}
        least = self._rule.least([score(one.value, maximize=self._maximize) for one in arrivals.values()])
        found = []
        for own in (arrivals[number] for number in numbers if number in arrivals):
            reached = score(own.value, maximize=self._maximize)
            is_among_the_best = reached >= least and not math.isnan(own.value)
            if not self._folder.is_promoted(own.number, rung):
                if not is_among_the_best:
                    continue
                self._folder.promote(own.number, rung)
            place = f"is among the best of the {len(arrivals)} that have come by now"
            if not is_among_the_best:
                place = "was among the best, and better ones have come since"
            reason = f"rung {rung}: {self._metric} {own.value:.6g} {place}"
            found.append(_Winner(rung, reached, -own.number, reason))
        return found

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("paused trials do not run on, because the rungs of the sweep cannot be used: %s", error)


def paused_at(trial_dir: Path) -> int | None:
    """Return the rung at which a trial was paused; None if the last decision at a rung was another one."""
    last = next((one for one in reversed(read_decisions(trial_dir)) if one.rung is not None), None)
    return last.rung if last is not None and last.verdict == PAUSED else None
