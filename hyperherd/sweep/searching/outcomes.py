"""What became of the points of a search, read from the trials' own files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from hyperherd.errors import NothingFound, ResultsError, SweepError
from hyperherd.records.disk.files import number
from hyperherd.records.identity import trial_key
from hyperherd.records.sweep import PlannedTrial
from hyperherd.results.loading.load import load_trials
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.sampling.study import Outcome

FAILED = Outcome("failed")


def outcome(trials: Sequence[Trial], objective: Objective) -> Outcome:
    """Return what became of a point whose trials, one for each seed, have ended.

    Its value is the mean of those that have one. A seed that ended without a number, or with one that is not finite,
    makes it fail: it is no better where others went well. A seed that failed of something else is left out.
    """
    values: list[float] = []
    for trial in trials:
        if not trial.state.finished:
            continue
        value = objective.value(trial)
        if value is None or not math.isfinite(value):
            return FAILED
        values.append(value)
    pruned = [curve for trial in trials if trial.state.held_back and (curve := _curve(trial))]
    if pruned:
        return Outcome("pruned", curve=pruned[0])
    return Outcome("completed", fmean(values)) if values else FAILED


def _curve(trial: Trial) -> dict[int, float]:
    """Return step → value of the objective, as far as the trial's record holds it."""
    curve = (trial.objective or {}).get("curve")
    pairs = [pair for pair in curve if isinstance(pair, list) and len(pair) == 2] if isinstance(curve, list) else []
    found = {step: number(value) for step, value in pairs if type(step) is int and step >= 0}
    return {step: value for step, value in found.items() if value is not None and math.isfinite(value)}


def trials_of(sweep_dir: Path, planned: Iterable[PlannedTrial]) -> dict[int, Trial]:
    """Return what a sweep's folder has of some of its trials, by number; one without a directory has nothing yet."""
    found: dict[int, Trial] = {}
    for one in planned:
        if one.dir is None:
            continue
        with suppress(NothingFound):
            own = next((trial for trial in load_trials([sweep_dir / one.dir]) if trial.key == one.key), None)
            found |= {} if own is None else {one.number: own}
    return found


def all_trials(sweep_dir: Path) -> Mapping[int, Trial]:
    """Return all trials of a sweep's folder by number."""
    try:
        return {trial.number: trial for trial in load_trials([sweep_dir]) if trial.number is not None}
    except NothingFound:
        return {}


def of_earlier_sweep(folder: str, seed_key: str, objective: Objective) -> list[tuple[Mapping[str, Any], Outcome]]:
    """Return the points of an earlier sweep with what became of them, the seeds of one together.

    Raises:
        SweepError: there is no sweep.
    """
    try:
        trials = load_trials([folder])
    except (ResultsError, OSError) as error:
        raise SweepError(f"hydra.sweeper.sampler.from: {error}") from None
    points: dict[str, tuple[dict[str, Any], list[Trial]]] = {}
    for trial in trials:
        values = {name: value for name, value in trial.params.items() if name != seed_key}
        points.setdefault(trial_key(values), (values, []))[1].append(trial)
    return [(values, outcome(each, objective)) for values, each in points.values()]
