"""The judge of one attempt: it looks at what is logged, and at a rung at what other trials have shown there.

Invariant: a trial stands at a rung once, whichever attempt came there first; what it shows is on the disk before it
looks at the others, so that of two trials at one rung at least one sees both; a decision is on record before it takes
effect; nothing that is wrong with the disk ends a training.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperherd.escape import one_line
from hyperherd.metrics.rows.phases import is_evaluation
from hyperherd.metrics.rows.values import plain
from hyperherd.pruning.arrivals import Arrival, RungFolder
from hyperherd.pruning.decisions import (
    CONTINUED,
    NOT_JUDGED,
    PAUSED,
    PRUNED,
    Decision,
    append_decision,
    as_ranges,
    read_decisions,
)
from hyperherd.pruning.rungs import Rule, Rung, contenders
from hyperherd.pruning.seen import Seen
from hyperherd.pruning.settings import PrunerSettings
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict

log = logging.getLogger("hyperherd")

_LONGEST_REASON = 500
_STATES = {PRUNED: TrialState.PRUNED, PAUSED: TrialState.PAUSED}
"""How a trial ends by a verdict."""


class TrialJudge:
    """Judges one attempt of a trial by what it logs.

    Args:
        settings: what is judged, where and how.
        rule: compares trials at rungs.
        folder: the rungs of the sweep.
        trial_dir: where decisions are kept.
        number: of the trial.
        attempt: which execution of it this is.
        config: hash of its parameters without the seed.
        passed: how far earlier attempts are known to have come; None for a first one.
        phase: in which they logged the metric first; None if that is not known.
        readmitted: whether somebody has let the trial go on, whatever the rule says.
    """

    def __init__(
        self,
        settings: PrunerSettings,
        rule: Rule,
        folder: RungFolder,
        trial_dir: Path,
        number: int,
        attempt: int,
        config: str,
        *,
        passed: int | None = None,
        phase: str | None = None,
        readmitted: bool = False,
    ) -> None:
        self._settings = settings
        self._rule = rule
        self._folder = folder
        self._trial_dir = trial_dir
        self._number = number
        self._attempt = attempt
        self._config = config
        self._passed = passed
        self._readmitted = readmitted
        self._phase = settings.phase if settings.phase is not None else phase
        self._rungs = settings.rungs
        self._stood = 0
        self._due = self._rungs.following(0)
        self._first: float | None = None
        self._epoch: float | None = None
        self._seen = Seen(maximize=settings.maximize)
        self._earlier: dict[int, float] = {}
        self._has_warned = False
        self.verdict: StopVerdict | None = None
        """Why the trial is to end."""
        self._recall()

    def _recall(self) -> None:
        """Take up what earlier attempts have recorded."""
        last: Decision | None = None
        for decision in read_decisions(self._trial_dir):
            if decision.metric != self._settings.metric or decision.unit != self._settings.unit:
                continue
            if self._phase is None:
                self._phase = decision.phase
            if decision.phase != self._phase:
                continue
            if decision.rung is not None:
                last = decision
                self._stood = max(self._stood, decision.rung)
                if (own := self._shown(decision)) is not None:
                    self._earlier[decision.rung] = own.value
                    self._seen.resume(own, decision.rung, _improved_at(decision))
            if decision.verdict == PRUNED and not self._readmitted:
                # It was about to end when its process died.
                self.verdict = StopVerdict(TrialState.PRUNED, one_line(decision.line))
        if last is not None and self.verdict is None and self._still_waits(last):
            self.verdict = StopVerdict(TrialState.PAUSED, one_line(last.line))
        if self._settings.by == "config" and not self._readmitted and self.verdict is None:
            self._end_with_configuration()
        self._due = self._rungs.following(self._stood)

    def _still_waits(self, last: Decision) -> bool:
        """Return whether the trial was paused at its last rung and nobody has had it run on: its process died."""
        if last.verdict != PAUSED or last.rung is None or self._readmitted or not self._settings.pauses:
            return False
        return not self._folder.is_promoted(self._number, last.rung)

    def _end_with_configuration(self) -> None:
        """Find out whether the configuration was pruned before this attempt begins."""
        try:
            found = self._folder.pruned_configs().get(self._config)
        except OSError:
            return
        if found is not None:
            told = f"its configuration was pruned at rung {found[1]} (trial {found[0]}) before this attempt began"
            self.verdict = StopVerdict(TrialState.PRUNED, told)

    def _shown(self, decision: Decision) -> Arrival | None:
        """Return what the trial has shown at a rung."""
        try:
            own = {key: float(value) for key, value in (decision.own or {}).items()}  # "NaN" and "Infinity" are read
            shown = own["value"], own["best"], own["mean"], int(own["count"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return Arrival(self._number, decision.attempt, self._config, decision.step, *shown)

    def judge(self, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
        """Return why the trial is to end, if it is.

        Args:
            metrics: what has been logged together.
            step: at which step.
            phase: in which phase; empty for the one without a name.
        """
        if self.verdict is not None:
            return self.verdict
        settings = self._settings
        if settings.unit == "epoch" and "epoch" in metrics:
            epoch = _number(metrics["epoch"], "epoch")
            self._epoch = epoch if epoch is not None and math.isfinite(epoch) else None
        if settings.metric not in metrics or not self._counts(phase):
            return None
        value = _number(metrics[settings.metric], settings.metric)
        position = self._epoch if settings.unit == "epoch" else step
        if value is None or position is None:
            self._warn_of_units(position)
            return None
        if self._first is None:
            self._first = position
        self._seen.add(value, position)
        if not self._readmitted and (fault := self._fault(value, position)):
            self._decide(Decision(PRUNED, fault, self._settings.name, **{**self._about(step), "value": value}))
            return self.verdict
        if self._due <= position:
            self._climb(position, int(step))
        return self.verdict

    def _climb(self, position: float, step: int) -> None:
        """Stand at the rungs that have been reached, until one ends the trial."""
        for rung in self._rungs.reached(position, self._stood):
            if self.verdict is None:
                self._stood = rung  # first: a class of the user's that raises there is not asked again
                self._meet(rung, step)
        self._due = self._rungs.following(int(position))

    def _counts(self, phase: str) -> bool:
        """Return whether the metric is judged in this phase; the first that trains, unless one is named."""
        if self._phase is None and not is_evaluation(phase):
            self._phase = phase
        return phase == self._phase

    def _fault(self, value: float, position: float) -> str:
        """Return why this value alone ends the trial; empty if it does not."""
        settings = self._settings
        if settings.nan and not math.isfinite(value):
            return f"is {value} (nan: true)"
        if position < settings.min_steps:
            return ""
        if math.isnan(value) and (settings.upper is not None or settings.lower is not None):
            return "is NaN, which lies within no bounds (threshold)"
        if settings.upper is not None and value > settings.upper:
            return f"{value:.6g} is above {settings.upper:.6g} (upper)"
        if settings.lower is not None and value < settings.lower:
            return f"{value:.6g} is below {settings.lower:.6g} (lower)"
        if settings.rule is None and settings.patience is not None and not self._is_patient(position):
            return self._unimproved(position)
        return ""

    def _is_patient(self, position: float) -> bool:
        return position - self._seen.best_at <= (self._settings.patience or 0)

    def _unimproved(self, position: float) -> str:
        since = position - self._seen.best_at
        return f"has not improved on {self._seen.best:.6g} for {since:g} {self._settings.unit}s (patience)"

    def _about(self, step: int, rung: int | None = None, own: Arrival | None = None) -> dict[str, Any]:
        shown = None
        if own is not None:
            shown = {"value": own.value, "best": own.best, "mean": own.mean, "count": own.logged}
            shown["best_at"] = self._seen.best_at
        return {
            "metric": self._settings.metric,
            "phase": self._phase or "",
            "unit": self._settings.unit,
            "attempt": self._attempt,
            "step": int(step),
            "time": time.time(),
            "rung": rung,
            "value": None if own is None else own.value,
            "own": shown,
        }

    def _meet(self, rung: int, step: int) -> None:
        """Stand at a rung."""
        own = self._seen.arrival(self._number, self._attempt, self._config, step)
        try:
            if self._was_passed(rung):
                arrivals = self._folder.arrivals(rung)
                if all(one.number != self._number for one in arrivals):
                    return
            else:
                arrivals = self._folder.meet(rung, own)
            own = next((one for one in arrivals if one.number == self._number), own)
            decision = self._judged(rung, own, arrivals)
        except OSError as error:
            self._warn(f"the rungs of the sweep cannot be used, so nothing is judged there: {error}")
            decision = Decision(
                NOT_JUDGED, f"{NOT_JUDGED}: {error}", self._rule_name, **self._about(own.step, rung, own)
            )
        self._decide(decision)

    def _was_passed(self, rung: int) -> bool:
        """Return whether earlier attempts have passed a rung that this one does not: its value is not that of there.

        They were not judged there, or died before they had recorded how.
        """
        return self._passed is not None and rung <= self._passed and (self._first or 0) > rung

    @property
    def _rule_name(self) -> str:
        return self._settings.rule.name if self._settings.rule is not None else self._settings.name

    def _judged(self, rung: int, own: Arrival, arrivals: list[Arrival]) -> Decision:
        """Return what follows at a rung for the trial that is among those who have come there."""
        by_config = self._settings.by == "config"
        about = {**self._about(own.step, rung, own), "arrived": as_ranges([one.number for one in arrivals])}
        if self._readmitted:
            return Decision(CONTINUED, "is not judged any more: somebody has let it go on", self._rule_name, **about)
        if by_config and (found := self._folder.pruned_configs().get(self._config)):
            told = f"is not compared: trial {found[0]} of its configuration was pruned at rung {found[1]}"
            return Decision(PRUNED, told, self._rule_name, **about)
        completed = self._folder.completed() if self._rule.needs_completed else frozenset[int]()
        mine, others = contenders(arrivals, own, completed, by_config=by_config)
        earlier = {**self._earlier, rung: mine.value}
        self._earlier[rung] = own.value  # as an attempt finds it in the record
        judgement = self._rule.judge(
            Rung(rung, self._settings.maximize, mine, others, earlier, completed, self._everywhere)
        )
        is_pruned, reason = judgement.prune, judgement.reason
        if by_config and len(mine.numbers) > 1:
            reason = f"{reason}; mean over {len(mine.numbers)} seeds"
        if is_pruned and self._settings.patience is not None and self._is_patient(self._seen.position):
            is_pruned, reason = False, f"{reason}; but it has improved since {self._since} (patience)"
        verdict = self._lost(mine.value) if is_pruned else CONTINUED
        return Decision(verdict, reason, self._rule_name, **{**about, **judgement.facts})

    def _lost(self, value: float) -> str:
        """Return what becomes of a trial that has lost a rung; with NaN it could never win it."""
        return PAUSED if self._settings.pauses and not math.isnan(value) else PRUNED

    def _everywhere(self) -> dict[int, dict[int, float]]:
        return {
            rung: {one.number: one.value for one in self._folder.arrivals(rung)} for rung in self._folder.positions()
        }

    @property
    def _since(self) -> str:
        return f"{self._settings.unit} {self._seen.best_at:g}"

    def _decide(self, decision: Decision) -> None:
        """Record a decision, and take it."""
        decision = replace(decision, reason=one_line(decision.reason)[:_LONGEST_REASON])
        try:
            append_decision(self._trial_dir, decision)
        except OSError as error:
            # Without a record nobody could tell why it ended.
            self._warn(f"what the pruner decides cannot be recorded, so nothing is pruned: {error}")
            return
        if decision.verdict not in _STATES:
            return
        self.verdict = StopVerdict(_STATES[decision.verdict], one_line(decision.line))
        if self._settings.by == "config" and decision.rung is not None:
            try:
                if self._config not in self._folder.pruned_configs():  # else another seed has decided, not this one
                    self._folder.prune_config(self._config, self._number, decision.rung)
            except OSError as error:
                self._warn(f"that its configuration is pruned cannot be noted for its other seeds: {error}")

    def _warn_of_units(self, position: float | None) -> None:
        if position is None and self._settings.unit == "epoch":
            self._warn("hydra.sweeper.pruner.unit is epoch, but no metric named epoch is logged; nothing is judged")

    def _warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("trial %d: %s", self._number, message)


def _improved_at(decision: Decision) -> float:
    """Return where the best value up to a rung was logged; at the latest at the rung, where that is not known."""
    found = (decision.own or {}).get("best_at")
    return found if isinstance(found, int | float) and math.isfinite(found) else decision.rung or 0


def _number(value: Any, name: str) -> float | None:
    """Return a logged value as a number; None if it is none."""
    if type(value) is not float:
        try:
            value = plain(value, name)
        except TypeError:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
    try:
        return float(value)
    except OverflowError:
        return None
