"""Deciding: seeds go to the configurations that may still be the best, until one is, or the budget is spent.

What is known is read from the trials' own files at each look, so a sweep that was interrupted goes on where it was. The
test may be looked at after every seed (:mod:`hyperherd.results.statistics.contest`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import NothingFound, SweepError
from hyperherd.plural import counted
from hyperherd.records.identity import trial_key
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.results.loading.load import load_trials
from hyperherd.results.statistics.contest import Verdict, judge
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.decide_settings import Decide
from hyperherd.sweep.planning.plan import Plan, UnnumberedTrial, make_plan
from hyperherd.sweep.settings import SweepSettings

log = logging.getLogger("hyperherd")


def begun_contest(app: HydraApp, arguments: Sequence[str], settings: SweepSettings, first: Plan) -> Contest | None:
    """Return the contest that a sweep is to run; None if it is not to decide.

    Raises:
        SweepError: the seed is given, or the budget does not suffice for the seeds to begin with.
    """
    if settings.decide is None or settings.one_objective is None:
        return None
    typed = list(arguments) or [str(item) for item in first.written.get("overrides", ())]
    plans: dict[int, Plan] = {}

    def plan_with(seeds: int) -> Plan:
        if seeds not in plans:
            plans[seeds] = make_plan(app, typed, replace(settings, seeds=seeds))
        return plans[seeds]

    assert settings.seeds is not None  # which is checked with the settings
    begun = replace(first, drafts=plan_with(settings.seeds).drafts)
    if {draft.params.get(settings.seed_key) for draft in begun.drafts} != set(range(settings.seeds)):
        raise SweepError(
            f"hydra.sweeper.decide chooses the seeds, but {settings.seed_key} is fixed or searched; remove it there"
        )
    return Contest.begun(settings.decide, settings.one_objective, settings.seed_key, begun, plan_with)


_GROWTH = 4
"""A round adds one seed for every four that a configuration has: few rounds, and few seeds more than needed."""


@dataclass(frozen=True)
class Contest:
    """The seeds that are planned so far, of a sweep that decides.

    Attributes:
        decide: what is asked for.
        objective: what judges.
        seed_key: the parameter that is the seed.
        plan_with: returns the plan in which every configuration has this many seeds, 0, 1, ...
        plan: the one that holds the seeds so far.
    """

    decide: Decide
    objective: Objective
    seed_key: str
    plan_with: Callable[[int], Plan]
    plan: Plan

    @classmethod
    def begun(
        cls, decide: Decide, objective: Mapping[str, str], seed_key: str, first: Plan, plan_with: Callable[[int], Plan]
    ) -> Contest:
        """Return the contest whose configurations have the seeds of a first plan.

        Raises:
            SweepError: the budget does not suffice for these.
        """
        if len(first.drafts) > decide.budget:
            raise SweepError(
                f"hydra.sweeper.decide.budget is {decide.budget}, but the sweep begins with "
                f"{counted(len(first.drafts), 'trial')}; raise it, or lower hydra.sweeper.seeds"
            )
        judged = Objective(objective["metric"], objective["direction"], source="saved")
        return cls(decide, judged, seed_key, plan_with, first)

    def resumed(self, sweep_dir: Path) -> Contest:
        """Return it with the seeds that an earlier invocation added."""
        recorded = read_planned(sweep_dir)
        seeds = [trial.params.get(self.seed_key) for trial in recorded]
        # No seed of this sweep's own is as great as its budget; others may have been added by hand.
        most = max((seed for seed in seeds if type(seed) is int and seed < self.decide.budget), default=-1) + 1
        return self._with({trial.key for trial in recorded}, most) if most else self

    def verdict(self, sweep_dir: Path) -> Verdict | None:
        """Return how it stands by what the trials have written."""
        places = self._places()
        values: list[dict[int, float]] = [{} for _ in places]
        try:
            trials = load_trials([sweep_dir])
        except NothingFound:
            return None
        planned = {draft.key: draft for draft in self.plan.drafts}
        sign = 1.0 if self.objective.direction == MAXIMIZE else -1.0
        for trial in trials:
            draft = planned.get(trial.key)
            value = self.objective.value(trial) if draft and trial.state.finished else None
            if draft and value is not None and math.isfinite(value):
                values[places[self._configuration(draft)]][draft.params[self.seed_key]] = sign * value
        return judge(values, self.decide.alpha)

    def after(self, verdict: Verdict | None) -> Contest | None:
        """Return it with the next seeds of those in contention; None if one has won, or the budget is spent."""
        if verdict is not None and (verdict.within <= self.decide.delta or len(verdict.contenders) == 1):
            return None
        places = self._places()
        contending = set(places.values()) if verdict is None else set(verdict.contenders)
        left = (self.decide.budget - len(self.plan.drafts)) // len(contending)
        seeds = max(draft.params[self.seed_key] for draft in self.plan.drafts) + 1
        more = min(left, max(1, seeds // _GROWTH))
        if more < 1:
            return None
        whole = self.plan_with(seeds + more)
        new = {
            draft.key
            for draft in whole.drafts
            if draft.params[self.seed_key] >= seeds and places.get(self._configuration(draft)) in contending
        }
        log.info("decide: %s; %s of each in contention", self._state(verdict), counted(more, "more seed"))
        return self._with(new, seeds + more)

    def record(self, verdict: Verdict | None, sweep_dir: Path) -> str:
        """Note the outcome in the sweep's record, and return it in words."""
        if verdict is None:
            return "decide: no configuration has a value"
        numbers = {trial.key: trial.number for trial in read_planned(sweep_dir)}
        leader = next(draft for draft in self.plan.drafts if self._place(draft) == verdict.leader)
        decided = {
            **asdict(self.decide),
            "trial": numbers[leader.key],
            "within": verdict.within if math.isfinite(verdict.within) else None,
            "contenders": len(verdict.contenders),
            "trials": len(self.plan.drafts),
        }
        replace(SweepRecord.read(sweep_dir), decided=decided).write(sweep_dir)
        return f"decide: {self._state(verdict)}"

    def _state(self, verdict: Verdict | None) -> str:
        spent = f"{len(self.plan.drafts)} of {self.decide.budget} trials"
        if verdict is None:
            return f"{spent}, no value yet"
        within = f"within {verdict.within:.4g} of" if math.isfinite(verdict.within) else "not compared with"
        return f"{spent}, {len(verdict.contenders)} in contention, the first one is {within} the best"

    def _with(self, keys: set[str], seeds: int) -> Contest:
        keys = keys | {draft.key for draft in self.plan.drafts}
        drafts = tuple(draft for draft in self.plan_with(seeds).drafts if draft.key in keys)
        # What stands on record is the space as it was written, with the seeds to begin with.
        return replace(self, plan=replace(self.plan, drafts=drafts))

    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(dict.fromkeys(map(self._configuration, self.plan.drafts)))}

    def _place(self, draft: UnnumberedTrial) -> int:
        return self._places()[self._configuration(draft)]

    def _configuration(self, draft: UnnumberedTrial) -> str:
        params: dict[str, Any] = {name: value for name, value in draft.params.items() if name != self.seed_key}
        return trial_key(params)
