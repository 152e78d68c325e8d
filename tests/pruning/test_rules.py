"""The rules against plain implementations of the papers, and against Optuna's, decision by decision."""

from __future__ import annotations

import math
import random
import statistics
import warnings
from pathlib import Path
from typing import Any

import pytest
from pruning.learning import METRIC, curves, judge, run

from hyperherd.pruning.judge import TrialJudge
from hyperherd.pruning.rules import Median, SuccessiveHalving
from hyperherd.pruning.rungs import Contender, Rung

STEPS = 30


def ran(root: Path, pruner: dict[str, Any], found: list[list[float]], seed: int) -> dict[int, int]:
    """Return how many steps each trial takes if it judges itself."""
    judges: dict[int, TrialJudge] = {}

    def at_step(trial: int, step: int, value: float) -> bool:
        if trial not in judges:
            judges[trial] = judge(root, pruner, trial)
        return judges[trial].judge({METRIC: value}, step, "") is not None

    return run(found, random.Random(seed), at_step, lambda trial: judges[trial]._folder.complete(trial))


def halved(found: list[list[float]], seed: int, *, first: int, eta: int, sign: int) -> dict[int, int]:
    """Return the same of successive halving, written down from the paper: lists in memory, and nothing else."""
    rungs: dict[int, list[float]] = {}

    def at_step(trial: int, step: int, value: float) -> bool:
        rung = first
        while rung < step:
            rung *= eta
        if rung != step:
            return False
        there = rungs.setdefault(rung, [])
        there.append(sign * value)
        top = sorted(there)[-max(1, len(there) // eta) :]
        return sign * value not in top

    return run(found, random.Random(seed), at_step)


@pytest.mark.parametrize("seed", range(6))
def test_successive_halving_is_that_of_the_paper(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    found = curves(rng, 40, STEPS, ties=seed % 3 == 2)
    eta, first, maximize = rng.choice((2, 3, 4)), rng.choice((1, 2, 3)), bool(seed % 2)
    direction = "maximize" if maximize else "minimize"
    pruner = {"name": "asha", "min_steps": first, "eta": eta, "direction": direction}
    expected = halved(found, seed, first=first, eta=eta, sign=1 if maximize else -1)
    assert ran(tmp_path, pruner, found, seed) == expected
    assert len(set(expected.values())) > 1


def medians(found: list[list[float]], seed: int, *, least: int, every: int, sign: int) -> dict[int, int]:
    """Return the steps that each trial takes under the median stopping rule, written down from the paper."""
    completed: list[int] = []

    def at_step(trial: int, step: int, value: float) -> bool:
        if step % every or len(completed) < least:
            return False
        best = max(sign * value for value in found[trial][:step])
        return best < statistics.median(statistics.fmean(sign * v for v in found[one][:step]) for one in completed)

    return run(found, random.Random(seed), at_step, completed.append)


@pytest.mark.parametrize("seed", range(3))
def test_the_median_rule_is_that_of_the_paper(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    found = curves(rng, 30, STEPS)
    least, every, maximize = rng.choice((1, 3, 5)), rng.choice((3, 5)), bool(seed % 2)
    pruner = {"name": "median", "min_steps": every, "min_trials": least}
    pruner["direction"] = "maximize" if maximize else "minimize"
    expected = medians(found, seed, least=least, every=every, sign=1 if maximize else -1)
    assert ran(tmp_path, pruner, found, seed) == expected
    assert set(expected.values()) != {STEPS}


def under_optuna(found: list[list[float]], seed: int, pruner: Any, direction: str, rungs: set[int]) -> dict[int, int]:
    """Return the steps that each trial takes in a study of Optuna's that is asked at these rungs."""
    import optuna

    study = optuna.create_study(direction=direction, pruner=pruner)
    trials: dict[int, Any] = {}

    def at_step(trial: int, step: int, value: float) -> bool:
        if trial not in trials:
            trials[trial] = study.ask()
        if step not in rungs:
            return False
        trials[trial].report(value, step)
        if trials[trial].should_prune():
            study.tell(trials[trial], state=optuna.trial.TrialState.PRUNED)
            return True
        return False

    def completed(trial: int) -> None:
        study.tell(trials[trial], found[trial][max(rungs) - 1])

    return run(found, random.Random(seed), at_step, completed)


CASES: list[tuple[dict[str, Any], str, dict[str, Any], set[int]]] = [
    (
        {"name": "asha", "min_steps": 2, "eta": 3},
        "SuccessiveHalvingPruner",
        {"min_resource": 2, "reduction_factor": 3},
        {2, 6, 18},
    ),
    (
        {"name": "SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 3, "min_early_stopping_rate": 1},
        "SuccessiveHalvingPruner",
        {"min_resource": 1, "reduction_factor": 3, "min_early_stopping_rate": 1},
        {3, 9, 27},
    ),
    (
        {"name": "MedianPruner", "min_steps": 5, "n_startup_trials": 3},
        "MedianPruner",
        {"n_startup_trials": 3},
        set(range(5, 31, 5)),
    ),
    (
        {"name": "PercentilePruner", "min_steps": 3, "every": 6, "percentile": 30.0, "n_startup_trials": 2},
        "PercentilePruner",
        {"percentile": 30.0, "n_startup_trials": 2},
        {3, 9, 15, 21, 27},
    ),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("pruner", "name", "options", "rungs"), CASES, ids=[case[0]["name"] for case in CASES])
def test_decides_as_optuna_does(
    tmp_path: Path, pruner: dict[str, Any], name: str, options: dict[str, Any], rungs: set[int], seed: int
) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = ("maximize", "minimize")[seed % 2]
    found = curves(random.Random(seed), 24, STEPS, ties=seed == 2)
    expected = under_optuna(found, seed, getattr(optuna.pruners, name)(**options), direction, rungs)
    assert ran(tmp_path, {**pruner, "direction": direction}, found, seed) == expected
    assert set(expected.values()) != {STEPS}


@pytest.mark.parametrize("inner", ["MedianPruner", "WilcoxonPruner"])
def test_optunas_patience_holds_its_other_pruners_back(tmp_path: Path, inner: str) -> None:
    optuna = pytest.importorskip("optuna")
    pytest.importorskip("scipy")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rungs = set(range(2, 31, 2))
    found = curves(random.Random(5), 20, STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        holding = optuna.pruners.PatientPruner(getattr(optuna.pruners, inner)(), patience=1)
        expected = under_optuna(found, 5, holding, "maximize", rungs)
    pruner = {"name": "PatientPruner", "min_steps": 2, "patience": 1, "wrapped_pruner": {"name": inner}}
    taken = ran(tmp_path, pruner, found, 5)
    assert taken == expected
    assert set(taken.values()) != {STEPS}


def rung(own: float, *others: float, maximize: bool = True) -> Rung:
    return Rung(1, maximize, Contender(own, own, own, (0,)), tuple(Contender(x, x, x, (1,), True) for x in others))


@pytest.mark.parametrize(
    ("own", "others", "prune", "rank", "keep"),
    [
        (0.5, (), False, 1, 1),
        (0.5, (0.6,), True, 2, 1),
        (0.5, (0.5, 0.5, 0.5), False, 1, 1),
        (0.5, (0.6, 0.7, 0.1, 0.2, 0.3), True, 3, 2),
        (0.6, (0.6, 0.7, 0.1, 0.2, 0.3), False, 2, 2),
        (math.nan, (), True, 1, 1),
        (0.5, (math.nan, math.nan), False, 1, 1),
        (math.inf, (1.0, 2.0), False, 1, 1),
        (-math.inf, (1.0, 2.0), True, 3, 1),
    ],
)
def test_ties_go_on_and_nan_does_not(own: float, others: tuple[float, ...], prune: bool, rank: int, keep: int) -> None:
    found = SuccessiveHalving(3).judge(rung(own, *others))
    assert (found.prune, found.facts["rank"], found.facts["keep"]) == (prune, rank, keep)
    mirrored = SuccessiveHalving(3).judge(rung(-own, *(-one for one in others), maximize=False))
    assert (mirrored.prune, mirrored.facts["rank"]) == (prune, rank)


def test_nobody_is_pruned_before_enough_have_come() -> None:
    assert SuccessiveHalving(3).judge(rung(0.1, 0.2)).prune
    assert not SuccessiveHalving(3, min_trials=3).judge(rung(0.1, 0.2)).prune
    assert SuccessiveHalving(3, min_trials=3).judge(rung(0.1, 0.2, 0.3)).prune
    assert not Median(min_trials=3).judge(rung(0.1, 0.2, 0.3)).prune
    assert Median(min_trials=2).judge(rung(0.1, 0.2, 0.3)).prune


def test_a_median_of_values_that_diverged_is_told_as_it_is() -> None:
    diverged = [Contender(math.inf, math.inf, math.inf, (number,), has_completed=True) for number in (1, 2)]
    found = Median(2).judge(Rung(1, False, Contender(0.5, 0.5, 0.5, (0,)), tuple(diverged)))
    assert not found.prune
    assert found.reason.startswith("0.5 at best is no worse than inf, the median")


def test_no_bound_is_told_where_fewer_numbers_have_come_than_go_on() -> None:
    found = SuccessiveHalving(3).judge(rung(0.5, *[math.nan] * 5))
    assert found.reason == "0.5 is number 1 of 6; the best 2 go on"
