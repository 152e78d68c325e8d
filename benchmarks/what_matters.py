"""The claims of `herd-results effects` and `failures` on sweeps with a known truth.

    python benchmarks/what_matters.py null power pairs rates        # 1,000 draws of each kind; --draws 100 for fewer
    python benchmarks/what_matters.py shares                        # beside Optuna's fANOVA and PED-ANOVA, if installed

The draws are those of tests/results/statistics/importance/known_truth.py, of which the suite takes fewer. SciPy is
needed for `power`, optuna and scikit-learn for `shares`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from typing import Any

from hyperherd.results.api import Trials
from hyperherd.results.statistics.failures import failures
from hyperherd.results.statistics.importance.effects import effects

sys.path[0] = str(Path(__file__).parent.parent / "tests")  # beside this file is another `results`
truth = importlib.import_module("results.statistics.importance.known_truth")


def null(draws: int) -> None:
    """How often anything is named where nothing matters."""
    total = kinds = 0
    for kind in truth.NULLS:
        began = time.perf_counter()
        named = 0
        for seed in range(draws):
            found = effects(kind.draw(seed))
            named += any(effect.matters for effect in found.parameters)
        total, kinds = total + named, kinds + 1
        each = (time.perf_counter() - began) / draws
        print(f"null   {kind.name:40} {named:4} of {draws} name any   {1e3 * each:.0f} ms each", flush=True)
    print(f"null   all kinds together: {total / kinds / draws:.2%}")


def power(draws: int) -> None:
    """How often a real effect is named, and how often the exact F test at the same level names it."""
    for kind in truth.POWERS:
        named = exact = 0
        for seed in range(draws):
            trials, columns = kind.draw(seed)
            found = {effect.parameter: effect for effect in effects(trials).parameters}
            named += found["p0"].matters
            exact += truth.exact(trials, columns, kind)
        print(f"power  {kind.name:40} {named / draws:.1%} named, {exact / draws:.1%} by the exact F test", flush=True)


def shares(draws: int) -> None:
    """How far shares are from the truth, and those of Optuna on the same trials, which add up to one."""
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    others = {"fANOVA": FanovaImportanceEvaluator(seed=0), "PED-ANOVA": PedAnovaImportanceEvaluator()}
    for kind in truth.SHARES:
        errors: dict[str, list[float]] = {name: [] for name in ("ours", *others)}
        for seed in range(draws):
            trials, true = kind.draw(seed)
            found = {effect.parameter: effect.share or 0.0 for effect in effects(trials).parameters}
            errors["ours"].append(off(found, true))
            study = studied(trials)
            for name, evaluator in others.items():
                errors[name].append(off(evaluator.evaluate(study), true))
        means = "   ".join(f"{name} {sum(found) / draws:.4f}" for name, found in errors.items())
        print(f"shares {kind.name:40} {means}", flush=True)


def off(found: dict[str, float], true: dict[str, float]) -> float:
    """Return the mean absolute error of shares that are made to add up to one."""
    whole = sum(found.get(name, 0.0) for name in true) or 1.0
    return sum(abs(found.get(name, 0.0) / whole - share) for name, share in true.items()) / len(true)


def studied(trials: Trials) -> Any:
    """Return the same trials as Optuna has them, each number with the scale and the range of its draws."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [name for name in trials[0].params if name != "seed"]
    spaces: dict[str, Any] = {}
    for name in names:
        values = [trial.params[name] for trial in trials]
        if isinstance(values[0], str):
            spaces[name] = CategoricalDistribution(sorted(set(values)))
        else:
            small = max(values) < 0.1
            spaces[name] = FloatDistribution(1e-5, 1e-1, log=True) if small else FloatDistribution(0.0, 1.0)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        optuna.trial.create_trial(
            params={name: trial.params[name] for name in names}, distributions=spaces, value=trial.final["y"]
        )
        for trial in trials
    )
    return study


def pairs(draws: int) -> None:
    """How often an interval that is shown as sure does not hold the true difference."""
    for kind in truth.PAIRS:
        wrong = sure = 0
        for seed in range(draws):
            trials, difference = kind.draw(seed)
            found = effects(trials)
            wrong += truth.wrong(found, difference)
            sure += any(item.sure for effect in found.parameters for item in effect.contrasts)
        print(f"pairs  {kind.name:40} {wrong:4} of {draws} have a wrong one, {sure} any that is sure", flush=True)


def rates(draws: int) -> None:
    """How often a setting is said to fail more often where none does, and where one does."""
    for kind in (*truth.DYING, *truth.BY_SETTING):
        named = right = 0
        for seed in range(draws):
            splits = failures(kind.draw(seed)).rates.splits
            named += bool(splits)
            right += any(split.parameter == "p0" and split.relation == ">=" for split in splits)
        print(f"rates  {kind.name:45} {named:4} of {draws} name any, {right} p0", flush=True)


ALL = {"null": null, "power": power, "pairs": pairs, "rates": rates, "shares": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=list(ALL), default=list(ALL))
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    for what in arguments.what:
        ALL[what](arguments.draws)


if __name__ == "__main__":
    main()
