"""Sweeps of Hydra's own and other sweepers: what an optimizer recorded, and jobs that may not have finished."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.results.pages.overview import notes
from hyperherd.results.trials.objective import MAXIMIZE, MINIMIZE, Objective

OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
NEVERGRAD = "hydra_plugins.hydra_nevergrad_sweeper.nevergrad_sweeper.NevergradSweeper"
AX = "hydra_plugins.hydra_ax_sweeper.ax_sweeper.AxSweeper"


def jobs(root: Path, sweeper: dict[str, Any], *params: dict[str, Any], mode: str = "MULTIRUN") -> Path:
    """Write what Hydra leaves of some jobs; none of these sweepers writes a `multirun.yaml`."""
    for number, values in enumerate(params):
        records = root / str(number) / ".hydra"
        records.mkdir(parents=True)
        hydra = {"mode": mode, "sweeper": sweeper, "job": {"name": "app", "num": number}}
        (records / "overrides.yaml").write_text(yaml.safe_dump([f"+{name}={value}" for name, value in values.items()]))
        (records / "config.yaml").write_text(yaml.safe_dump(values))
        (records / "hydra.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    return root


def found_best(root: Path, **record: Any) -> None:
    (root / "optimization_results.yaml").write_text(yaml.safe_dump(record))


def log_csv(root: Path, number: int, **columns: list[float]) -> None:
    rows = [",".join(["step", *columns])]
    rows += [",".join(map(str, row)) for row in zip(itertools.count(), *columns.values(), strict=False)]
    (root / str(number) / "metrics.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("sweeper", "record", "direction"),
    [
        ({"_target_": OPTUNA}, {"best_params": {"+x": 0.25}, "best_value": 3.0}, MINIMIZE),
        ({"_target_": OPTUNA, "direction": "maximize"}, {"best_params": {"x": 0.25}, "best_value": 3}, MAXIMIZE),
        (
            {"_target_": "my.OptunaSweeper", "direction": ["maximize"]},
            {"best_params": {"x": 0.25}, "best_value": 3},
            MAXIMIZE,
        ),
        (
            {"_target_": NEVERGRAD, "optim": {"maximize": True}},
            {"best_evaluated_params": {"x": 0.25}, "best_evaluated_result": 3.0},
            MAXIMIZE,
        ),
        (
            {"_target_": NEVERGRAD, "optim": {}},
            {"best_evaluated_params": {"x": 0.25}, "best_evaluated_result": 3.0},
            MINIMIZE,
        ),
    ],
)
def test_what_an_optimizer_found(
    tmp_path: Path, sweeper: dict[str, Any], record: dict[str, Any], direction: str
) -> None:
    root = jobs(tmp_path / "s", sweeper, {"x": 0.5}, {"x": 0.25}, {"x": 0.75})
    assert load(root).objective == Objective("return_value", direction, source="saved")
    assert "no trial has logged return_value, the sweep's objective" in repr(load(root))
    found_best(root, **record)
    trials = load(tmp_path)
    assert trials.objective == Objective("return_value", direction, source="saved")
    assert (trials.best().number, trials.best().value("return_value")) == (1, 3.0)


def test_ax_writes_parameters_alone(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {"_target_": AX, "ax_config": {"experiment": {"minimize": False}}}, {"x": 1}, {"x": 2})
    found_best(root, optimizer="ax", ax={"x": 2})
    trials = load(root)
    assert trials.objective == Objective("return_value", MAXIMIZE, source="saved")
    assert "Ax found best, trial 1: x=2" in repr(trials)


def test_the_returned_metric_judges_all(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {"_target_": OPTUNA, "direction": "maximize"}, {"x": 1}, {"x": 2}, {"x": 3})
    for number, acc in enumerate((0.5, 0.7, 0.6)):
        log_csv(root, number, **{"val/acc": [acc, acc - 0.1], "val/loss": [1.0, 1.0 - acc]})
    found_best(root, best_params={"x": 2}, best_value=0.7)
    trials = load(root)
    assert trials.objective == Objective("val/acc", MAXIMIZE, "max", source="saved")
    assert [trial.number for trial in trials.ranked] == [1, 2, 0]


def test_several_objectives(tmp_path: Path) -> None:
    directions = ["minimize", "maximize"]
    root = jobs(tmp_path / "s", {"_target_": OPTUNA, "direction": directions}, {"x": 1}, {"x": 2}, {"x": 3})
    found_best(
        root,
        solutions=[
            {"params": {"+x": x}, "values": values} for x, values in ((1, [1.0, 5.0]), (3, [2.0, 9.0]), (7, [0, 0]))
        ],
    )
    for number in range(3):
        log_csv(root, number, **{"val/acc": [0.1 * number]})
    trials = load(root)
    assert trials.objective is None
    assert [trial.value("return_value.1") for trial in trials] == [5.0, None, 9.0]
    page = repr(trials)
    assert "judged by several objectives: return_value.0, lower is better; return_value.1, higher is better" in page
    assert "Pareto front: 2 of 2 configurations" in page
    assert "not compared: 1 without a finite return_value.0 and return_value.1 (1)" in page
    assert "Optuna found best, trial 0: x=1 → 1.0, 5.0\nOptuna found best, trial 2: x=3 → 2.0, 9.0\n" in page
    assert "Optuna found best: x=7 → 0, 0" in page
    assert trials.judged_by("return_value.1").best().number == 2
    with pytest.raises(ResultsError, match="several objectives"):
        trials.best()
    log = root / "0" / "app.log"
    log.write_text(
        "[a][hydra.experimental.callbacks.LogJobReturnCallback][INFO] - Succeeded with return value: (1.5, 5.5)\n"
    )
    assert load(root)[0].final == {"return_value.0": 1.5, "return_value.1": 5.5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "best_params: 3\nbest_value: x\n",
        "solutions: [1, {params: 2}]",
        "solutions: 3\n",
        "best_value: .nan",
    ],
)
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    root = jobs(tmp_path / "s", {"_target_": OPTUNA, "direction": None}, {"x": 1}, {"x": 2})
    (root / "optimization_results.yaml").write_text(text)
    trials = load(root)
    assert len(trials) == 2
    assert not trials.ranked
    assert repr(trials)


def test_a_job_that_ran_alone_has_no_optimizer(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {"_target_": OPTUNA}, {"x": 1}, mode="RUN")
    log_csv(root, 0, **{"val/acc": [0.5]})
    assert load(root).objective == Objective("val/acc", MAXIMIZE, source="guessed")


def test_two_trials_with_the_best_parameters_are_not_told_apart(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {"_target_": OPTUNA}, {"x": 1}, {"x": 1})
    found_best(root, best_params={"x": 1}, best_value=2.0)
    assert not load(root).ranked
    assert "Optuna found best: x=1 → 2.0" in repr(load(root))


def test_a_job_that_stopped_far_earlier_carries_a_caution(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {"_target_": "hydra._internal.BasicSweeper"}, *({"x": number} for number in range(5)))
    for number, count in enumerate((100, 100, 3, 80)):
        log_csv(root, number, **{"val/acc": [0.1] * count})
    trials = load(root)
    assert [bool(trial.reason) for trial in trials] == [False, False, True, False, True]
    told = "may not have finished: the last logged step is 2, and its siblings usually reach 89"
    assert trials[2].reason == told
    assert f"? 2  x=2  {told}" in repr(trials)
    assert len(trials.ranked) == 4  # a caution, not a verdict
    assert "no metric was logged" in trials[4].reason
    assert notes(trials)[-1] == "2 trials may not have finished: 2, 4"


def test_jobs_that_came_equally_far_carry_none(tmp_path: Path) -> None:
    root = jobs(tmp_path / "s", {}, {"x": 1}, {"x": 2}, {"x": 3})
    for number in range(3):
        log_csv(root, number, **{"val/acc": [0.1] * (60 + 20 * number)})
    assert not any(trial.reason for trial in load(root))
    assert not any(trial.reason for trial in load(root / "0"))
    assert json.loads(json.dumps([trial.reason for trial in load(root)])) == ["", "", ""]


def test_jobs_that_were_started_alone_are_not_siblings(tmp_path: Path) -> None:
    root = jobs(tmp_path / "2026-01-01", {}, {"x": 1}, {"x": 2}, {"x": 3}, mode="RUN")
    for number, count in enumerate((100, 100, 3)):
        log_csv(root, number, **{"val/acc": [0.1] * count})
        config = root / str(number) / ".hydra" / "hydra.yaml"
        config.write_text(config.read_text().replace(f"num: {number}", "num: null"))
        (root / str(number)).rename(root / f"10-00-0{number}")
    assert not any(trial.reason for trial in load(root))
