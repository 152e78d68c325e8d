"""`hydra.sweeper.pruner` as people write it, wrongly above all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hyperherd.errors import SweepError
from hyperherd.pruning.rules import Median, SuccessiveHalving
from hyperherd.pruning.settings import complete, read_pruner

OBJECTIVE = {"metric": "val/acc", "direction": "maximize"}


def read(written: Any, objective: dict[str, str] | None = OBJECTIVE) -> Any:
    return read_pruner(complete(written, [objective] if objective else []))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("asha", "expected a map such as {name: asha"),
        ({}, "neither a name nor nan"),
        ({"nam": "asha", "min_steps": 1}, "neither a name nor nan: true, but 'nam' (did you mean 'name'?); name one"),
        ({"name": "asah", "min_steps": 1}, "did you mean 'asha'"),
        ({"name": "hyperband", "min_steps": 1}, "did you mean 'asha'"),
        ({"name": "HyperbandPruner", "min_steps": 1}, "which cannot be used here: it assigns a trial to a bracket"),
        ({"name": "ThresholdPruner"}, "threshold does the same"),
        ({"name": "MedianPrunr", "min_steps": 1}, "did you mean 'MedianPruner'"),
        ({"name": ["asha"], "min_steps": 1}, "name is ['asha'] (did you mean 'asha'?)"),
        ({"name": "threshold", "lower": 2, "upper": 1}, "lower (2) is above upper (1)"),
        (
            {"name": "SuccessiveHalvingPruner", "min_resource": 1, "max_steps": 9, "reduction_factor": "4"},
            "whole number",
        ),
        ({"name": "asha"}, "needs min_steps"),
        ({"name": "asha", "grace_period": 5}, "did you mean 'min_steps'"),
        ({"name": "asha", "min_steps": 5, "reduction_factor": 3}, "did you mean 'eta'"),
        ({"name": "asha", "min_steps": 5, "etta": 3}, "did you mean 'eta'"),
        ({"name": "asha", "min_steps": 5, "eta": 1}, "pruner.eta is 1; expected a number from 1.01 on"),
        ({"name": "asha", "min_steps": 0}, "pruner.min_steps is 0; expected a whole number from 1 on"),
        ({"name": "asha", "min_steps": 2.5}, "min_steps is 2.5"),
        ({"name": "asha", "min_steps": True}, "min_steps is True"),
        ({"name": "asha", "min_steps": 5, "max_steps": 5}, "no rung lies below it; the first would be at 5"),
        ({"name": "asha", "min_steps": 5, "unit": "epochs"}, "did you mean 'epoch'"),
        ({"name": "asha", "min_steps": 5, "by": "configuration"}, "expected trial or config"),
        ({"name": "asha", "min_steps": 5, "lower": 5}, "has no key 'lower'"),
        ({"name": "asha", "min_steps": 5, "metric": "loss"}, "which needs hydra.sweeper.pruner.direction"),
        ({"name": "asha", "min_steps": 5, "direction": "max"}, "did you mean 'maximize'"),
        ({"name": "asha", "min_steps": 5, "nan": "yes"}, "expected true or false"),
        ({"name": "asha", "min_steps": 5, "when": "paus"}, "did you mean 'pause'"),
        ({"name": "median", "min_steps": 5, "when": "pause"}, "has no key 'when'"),
        ({"name": "asha", "min_steps": 5, "when": "pause", "by": "config"}, "cannot be combined with by: config"),
        ({"nan": True, "eta": 3}, "has no key 'eta'"),
        ({"name": "threshold"}, "needs lower or upper"),
        ({"name": "threshold", "lower": "low"}, "pruner.lower is 'low'"),
        ({"name": "patient"}, "needs patience"),
        ({"name": "patient", "patience": 3, "rule": "asha"}, "expected the rule that patient holds back"),
        ({"name": "patient", "patience": 3, "rule": {"name": "asha"}}, "needs min_steps"),
        ({"name": "patient", "patience": 3, "rule": {"name": "asha", "min_steps": 3}}, "belongs one level higher"),
        ({"name": "patient", "patience": 3, "rule": {"name": "patient"}}, "holds back a rule that compares"),
        ({"name": "no_such_module.Rule", "min_steps": 1}, "cannot be imported: No module named"),
        ({"name": "os.system", "min_steps": 1}, "not a class with a method prune"),
        ({"name": "pathlib.Path", "min_steps": 1}, "not a class with a method prune"),
        ({"name": "optuna.pruners.NopPruner", "min_steps": 1}, "does not take one argument, the rung"),
        ({"name": "SuccessiveHalvingPruner"}, "min_resource must be a positive whole number"),
        ({"name": "SuccessiveHalvingPruner", "min_resource": "auto"}, "min_resource must be a positive whole number"),
        ({"name": "MedianPruner", "min_steps": 1, "warmup": 3}, "MedianPruner does not take these options"),
        ({"name": "PercentilePruner", "min_steps": 1, "percentile": 200.0}, "refuses its options: Percentile must be"),
        ({"name": "PatientPruner", "min_steps": 1, "patience": 1, "wrapped_pruner": {"name": "x"}}, "one of MedianPr"),
    ],
)
def test_what_is_wrong_is_said_by_its_key(written: Any, told: str) -> None:
    with pytest.raises(SweepError) as raised:
        read(written).made_rule()
    assert told in str(raised.value)
    assert "hydra.sweeper.pruner" in str(raised.value)


def test_metric_and_direction_are_the_objectives_unless_given() -> None:
    assert read({"name": "asha", "min_steps": 5}).metric == "val/acc"
    assert read({"name": "asha", "min_steps": 5, "metric": "val/acc"}).maximize
    other = read({"name": "asha", "min_steps": 5, "metric": "val/loss", "direction": "minimize"}, None)
    assert (other.metric, other.maximize) == ("val/loss", False)
    with pytest.raises(SweepError, match=r"has no metric to judge by; set hydra\.sweeper\.objective"):
        read({"name": "asha", "min_steps": 5}, None)


def test_rungs_and_rules() -> None:
    asha = read({"name": "asha", "min_steps": 5, "max_steps": 50, "only_full_rungs": True})
    assert (list(asha.rungs), asha.made_rule()) == ([5, 15, 45], SuccessiveHalving(3, 3))
    assert list(read({"name": "asha", "min_steps": 1, "eta": 1.5, "max_steps": 9}).rungs) == [1, 2, 3, 4, 6, 8]
    median = read({"name": "median", "min_steps": 10, "every": 7, "max_steps": 40, "by": "config"})
    assert (list(median.rungs), median.made_rule()) == ([10, 17, 24, 31, 38], Median(5))
    assert list(read({"name": "threshold", "upper": 1}).rungs) == []
    halving = read(
        {"name": "SuccessiveHalvingPruner", "min_resource": 2, "min_early_stopping_rate": 1, "max_steps": 99}
    )
    assert list(halving.rungs) == [8, 32]


def test_a_class_of_ones_own_is_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules.py").write_text(
        "class Margin:\n"
        "    def __init__(self, margin=0.1):\n"
        "        self.margin = margin\n"
        "    def prune(self, rung):\n"
        "        best = max(one.value for one in rung.all)\n"
        "        return rung.own.value < best - self.margin and f'{best - rung.own.value:.2f} behind'\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    from pruning.learning import METRIC, judge

    pruner = {"name": "my_rules.Margin", "min_steps": 5, "margin": 0.2}
    values = {0: 0.9, 1: 0.8, 2: 0.6}
    verdicts = {n: judge(tmp_path, pruner, n).judge({METRIC: value}, 5, "") for n, value in values.items()}
    assert verdicts[0] is None
    assert verdicts[1] is None
    assert verdicts[2] is not None
    assert verdicts[2].reason == f"rung 5: {METRIC} 0.30 behind"
    (tmp_path / "my_broken_rules.py").write_text("class Broken:\n    x = 1 / 0\n", "utf-8")
    with pytest.raises(SweepError, match="cannot be imported: it raised ZeroDivisionError"):
        read({**pruner, "name": "my_broken_rules.Broken"}).made_rule()
    with pytest.raises(SweepError, match="it takes margin"):
        read({**pruner, "margn": 1}).made_rule()
    monkeypatch.delitem(sys.modules, "my_rules")
