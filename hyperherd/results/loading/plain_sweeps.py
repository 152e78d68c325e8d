"""What is known of the jobs of Hydra's own sweepers only when all of them have been read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import number
from hyperherd.records.states import TrialState
from hyperherd.results.files.hydra_job import hydra_folder
from hyperherd.results.files.optimizers import Optimizer, is_of, read_optimizer
from hyperherd.results.files.trainer_files import RETURN_VALUE
from hyperherd.results.trials.objective import MAXIMIZE, Objective
from hyperherd.results.trials.trial import Trial

_EARLY = 0.5
"""A job that has come less far than this share of the usual one may have been killed."""


def completed_by_siblings(trials: Sequence[Trial], sweep_dir: Path) -> list[Trial]:
    """Return the trials of a sweep with what its optimizer recorded, and with cautions about those that stopped early.

    Those of a sweep of ours are as they were: all of this is in its records.
    """
    if not trials or SweepPaths(sweep_dir).sweep.exists():
        return list(trials)
    return _with_cautions(_with_optimum(trials, sweep_dir))


def _with_cautions(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials, those of unknown end with a caution that stopped far earlier than their siblings."""
    reached = [trial.step for trial in trials if trial.step is not None]
    if len(reached) < 2:
        return list(trials)
    usual = median(reached) if len(reached) > 2 else max(reached)
    return [replace(trial, reason=_caution(trial, usual)) if _is_early(trial, usual) else trial for trial in trials]


def _is_early(trial: Trial, usual: float) -> bool:
    # A job without a number was started alone, and has no siblings.
    is_unknown = trial.state is TrialState.UNKNOWN and not trial.reason and trial.number is not None
    return is_unknown and not trial.hint and (trial.step is None or trial.step < _EARLY * usual)


def _caution(trial: Trial, usual: float) -> str:
    stopped = "no metric was logged" if trial.step is None else f"the last logged step is {trial.step}"
    return f"may not have finished: {stopped}, and its siblings usually reach {math.floor(usual)}"


def _with_optimum(trials: Sequence[Trial], sweep_dir: Path) -> list[Trial]:
    optimizer = _optimizer(trials, sweep_dir)
    if optimizer is None:
        return list(trials)
    known = [_with_value(trial, trials, optimizer) for trial in trials]
    sweep = replace(trials[0].sweep, objectives=_objectives(known, optimizer), optimizer=optimizer)
    if len(sweep.objectives) == 1:
        sweep = replace(sweep, objective=sweep.objectives[0])
    return [replace(trial, sweep=sweep) for trial in known]


def _optimizer(trials: Sequence[Trial], sweep_dir: Path) -> Optimizer | None:
    multirun = SweepPaths(sweep_dir).multirun
    if multirun.exists():
        return read_optimizer(multirun, sweep_dir)
    # None of the three writes one; each job's own config has the sweeper, too.
    first = next((trial.dir for trial in trials if trial.dir is not None), None)
    return read_optimizer(hydra_folder(first) / "hydra.yaml", sweep_dir) if first else None


def _with_value(trial: Trial, trials: Sequence[Trial], optimizer: Optimizer) -> Trial:
    """Return a trial with what it returned, if the optimizer's record has that."""
    for solution in optimizer.solutions:
        if is_of(solution, trial.params) and sum(is_of(solution, other.params) for other in trials) == 1:
            single = len(optimizer.directions) == 1
            names = [RETURN_VALUE] if single else [f"{RETURN_VALUE}.{place}" for place in range(len(solution.values))]
            return replace(trial, final={**dict(zip(names, solution.values, strict=False)), **trial.final})
    return trial


def _objectives(trials: Sequence[Trial], optimizer: Optimizer) -> tuple[Objective, ...]:
    """Return what the optimizer judged its jobs by: what they returned, or the metric that this was."""
    if len(optimizer.directions) > 1:
        pairs = enumerate(optimizer.directions)
        return tuple(Objective(f"{RETURN_VALUE}.{place}", better, source="saved") for place, better in pairs)
    (better,) = optimizer.directions or ("minimize",)
    known = [trial for trial in trials if RETURN_VALUE in trial.final]
    if len(known) == 1 and len(trials) > 1 and (metric := _returned_metric(known[0], better)):
        return (metric,)
    return (Objective(RETURN_VALUE, better, source="saved"),)


def _returned_metric(trial: Trial, better: str) -> Objective | None:
    """Return the metric whose value is what a trial returned; None if there is not one, but none or several."""
    value = number(trial.final[RETURN_VALUE])
    best = "max" if better == MAXIMIZE else "min"
    for aggregate in ("last", best):
        names = [name for name, summary in trial.metrics.items() if number(summary.get(aggregate)) == value]
        if len(names) == 1:
            return Objective(names[0], better, None if aggregate == "last" else aggregate, source="saved")
    return None
