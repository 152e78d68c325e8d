"""Selecting by hand: which of the trials that would run are to run (`hydra.sweeper.only`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hyperherd.errors import ResultsError, SweepError, nearest
from hyperherd.plural import counted
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.results.trials import filters
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.sweep.resuming.reconcile import RunPlan

_NUMBERS = re.compile(r"\d+(-\d+)?")
_WORDS = tuple(word.value for word in (*TrialState, *FailureCause))


def select(run_plan: RunPlan, only: Sequence[str], sweep_dir: Path) -> RunPlan:
    """Return `run_plan` with only those trials to run that every item of `only` means.

    Raises:
        SweepError: an item means nothing, or no trial that would run is meant.
    """
    if not only:
        return run_plan
    candidates = _as_results(run_plan, sweep_dir)
    # A trial has to be meant by all of them; the words within one add up.
    chosen = set.intersection(*(_meant(item, candidates) for item in only))
    to_run = tuple(trial for trial in run_plan.to_run if trial.number in chosen)
    held = tuple(trial for trial in run_plan.held if trial.number in chosen)
    if not to_run and not held:
        raise SweepError(
            f"hydra.sweeper.only={','.join(only)} matches none of the {counted(len(run_plan.to_run), 'trial')} "
            f"that would run" + _why_not(run_plan, chosen)
        )
    return replace(run_plan, to_run=to_run, held=held)


def _as_results(run_plan: RunPlan, sweep_dir: Path) -> TrialCollection:
    sweep = Sweep(sweep_dir.name, sweep_dir)
    return TrialCollection(_as_result(trial, run_plan, sweep) for trial in run_plan.trials)


def _as_result(trial: PlannedTrial, run_plan: RunPlan, sweep: Sweep) -> Trial:
    status = run_plan.statuses.get(trial.number)
    return Trial(
        number=trial.number,
        name=trial.name,
        dir=None if trial.dir is None else sweep.dir / trial.dir,
        sweep=sweep,
        state=status.state if status else TrialState.WAITING,
        cause=status.cause if status else None,
        params=trial.params,
        overrides=trial.overrides,
        key=trial.key,
    )


def _meant(item: str, candidates: TrialCollection) -> set[int | None]:
    """Return the numbers of the trials that one item means: a filter, or numbers, states and causes."""
    if re.search("[=<>~]", item):
        try:
            return {trial.number for trial in filters.select(candidates, [item], {})}
        except ResultsError as error:
            raise SweepError(f"hydra.sweeper.only: {error}") from None
    found: set[int | None] = set()
    for word in filter(None, re.split(r"[\s,]+", item)):
        found |= _named(word, candidates)
    return found


def _named(word: str, candidates: TrialCollection) -> set[int | None]:
    if _NUMBERS.fullmatch(word):
        first, _, last = word.partition("-")
        return set(range(int(first), int(last or first) + 1))
    if word not in _WORDS:
        raise SweepError(
            f"hydra.sweeper.only: {word!r} is not a state, failure cause, number, range (3-5) or filter "
            f"(lr=0.1){nearest(word, _WORDS)}"
        )
    return {trial.number for trial in candidates if word in (trial.state.value, trial.cause and trial.cause.value)}


def _why_not(run_plan: RunPlan, chosen: set[int | None]) -> str:
    done = [number for number, status in run_plan.statuses.items() if number in chosen and status.state.done]
    at_it = [queued.trial.number for queued in run_plan.queued if queued.trial.number in chosen]
    return "".join(
        f"; {what}: {', '.join(map(str, sorted(numbers)[:10]))}"
        for what, numbers in (("already done", done), ("queued or running", at_it))
        if numbers
    )
