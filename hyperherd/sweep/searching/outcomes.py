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


def outcome(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Outcome:
    """Return what became of a point whose trials, one for each seed, have ended.

    Its values are the means over those that have them. A seed that ended without a number, or with one that is not
    finite, makes it fail: it is no better where others went well. A seed that failed of something else is left out.
    """
    finished = [trial for trial in trials if trial.state.finished]
    columns = [[objective.value(trial) for trial in finished] for objective in objectives]
    known = [[value for value in column if value is not None and math.isfinite(value)] for column in columns]
    if any(len(column) < len(finished) for column in known):
        return FAILED
    pruned = [trial for trial in trials if trial.state.held_back]
    if pruned and len(objectives) > 1:
        return FAILED  # a pruner judges by one metric, which says nothing of the others
    if curve := next(filter(None, map(_curve, pruned)), None):
        return Outcome("pruned", curve=curve)
    return Outcome("completed", tuple(map(fmean, known))) if finished else FAILED


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


def of_earlier_sweep(
    folder: str, seed_key: str, objectives: Sequence[Objective]
) -> list[tuple[Mapping[str, Any], Outcome]]:
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
    return [(values, outcome(each, objectives)) for values, each in points.values()]
