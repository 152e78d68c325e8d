"""What trials are judged by: their sweep's own objective, a guess, or nothing, and then it is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.results.pages.overview import Screen, closing, notes
from hyperherd.results.statistics.best import winners
from hyperherd.results.tables.records import to_json, to_text
from hyperherd.results.trials.objective import MAXIMIZE, MINIMIZE, Objective

NO_OWN = None


def sweep_of(root: Path, objective: tuple[str, str] | None, *logged: dict[str, float]) -> SweepBuilder:
    """Write a sweep whose trials logged these metrics."""
    sweep = SweepBuilder(root, objective)
    for place, metrics in enumerate(logged):
        sweep.trial(metrics, params={"lr": place})
    return sweep


def guessed(root: Path, *logged: dict[str, float]) -> Objective | None:
    return load(sweep_of(root, NO_OWN, *logged).dir).objective


@pytest.mark.parametrize(
    ("metrics", "chosen"),
    [
        ({"eval/return_mean": 1, "eval/return_std": 2, "train/loss": 3}, ("eval/return_mean", MAXIMIZE)),
        ({"val/loss_mean": 1, "val/loss_std": 2}, ("val/loss_mean", MINIMIZE)),
        ({"val/loss": 1, "val/acc_std": 2, "val/acc_sem": 2}, ("val/loss", MINIMIZE)),
        ({"val/acc_gap": 1, "test/acc": 2, "train/acc": 3}, ("test/acc", MAXIMIZE)),
        ({"rollout/ep_rew_mean": 1, "rollout/ep_len_mean": 2, "train/loss": 3}, ("rollout/ep_rew_mean", MAXIMIZE)),
        ({"acc_std": 1, "loss_gap": 2}, None),
    ],
)
def test_a_guess_is_not_a_spread(tmp_path: Path, metrics: dict[str, float], chosen: tuple[str, str] | None) -> None:
    found = guessed(tmp_path / "s", metrics, metrics)
    assert found == (Objective(*chosen, source="guessed") if chosen else None)


def test_a_guess_is_a_metric_that_many_trials_have(tmp_path: Path) -> None:
    usual = {"val/loss": 1.0}
    found = guessed(tmp_path / "s", {**usual, "val/acc": 1.0}, usual, usual)
    assert found == Objective("val/loss", MINIMIZE, source="guessed")
    late = sweep_of(tmp_path / "late", NO_OWN, {"val/acc": 1.0, "train/loss": 1.0})
    for _ in range(3):  # a metric of the end is not lost among trials that have not come that far
        late.running({"train/loss": 1.0})
    assert load(late.dir).objective == Objective("val/acc", MAXIMIZE, source="guessed")


@pytest.mark.parametrize(
    ("metrics", "returned", "chosen"),
    [
        ({"train/loss": 1.0}, (3.0, 2.0), ("return_value", MINIMIZE)),
        ({"val/loss": 1.0}, (3.0, 2.0), ("val/loss", MINIMIZE)),
        ({"test/acc": 1.0}, (3.0, 2.0), ("test/acc", MAXIMIZE)),
        ({"train/loss": 1.0}, (0, 0), ("train/loss", MINIMIZE)),  # an exit code
        ({"train/loss": 1.0}, ("a", None), ("train/loss", MINIMIZE)),
        ({"train/loss": 1.0}, (True, False), ("train/loss", MINIMIZE)),
        ({"train/acc": 0.5}, (0.5, 0.5), ("train/acc", MAXIMIZE)),
    ],
)
def test_what_main_returned_comes_before_training(
    tmp_path: Path, metrics: dict[str, float], returned: tuple[object, ...], chosen: tuple[str, str]
) -> None:
    sweep = SweepBuilder(tmp_path / "s", NO_OWN)
    for value in returned:
        sweep.trial(metrics, {"return_value": value})
    assert load(sweep.dir).objective == Objective(*chosen, source="guessed")


@pytest.mark.parametrize(
    ("logged", "chosen"),
    [
        ({"val/acc": 20, "val/loss": 20}, ("val/acc", MAXIMIZE)),
        ({"val/acc": 19, "val/loss": 20}, ("val/acc", MAXIMIZE)),
        ({"val/acc": 12, "val/loss": 20}, ("val/loss", MINIMIZE)),
        ({"val/acc": 12, "train/loss": 20}, ("train/loss", MINIMIZE)),
        ({"val/acc": 12}, ("val/acc", MAXIMIZE)),
    ],
)
def test_how_many_trials_have_it_comes_before_what_a_name_promises(
    tmp_path: Path, logged: dict[str, int], chosen: tuple[str, str]
) -> None:
    rows = [{name: 0.5 for name, count in logged.items() if place < count} for place in range(20)]
    assert guessed(tmp_path / "s", *rows) == Objective(*chosen, source="guessed")


def test_what_is_equally_likely_ranks_nothing_and_is_named_with_what_to_type(tmp_path: Path) -> None:
    logged = {"val/f1 macro": 0.5, "val/acc": 0.4, "val/acc_best": 0.9, "val/loss": 2.0}
    trials = load(sweep_of(tmp_path / "s", NO_OWN, logged, logged).dir)
    told = "2 metrics are equally likely to be the objective; choose one: -m val/acc, -m 'val/f1 macro'"
    assert trials.objective is None
    assert f"not ranked: {told}" in repr(trials)
    assert f"not ranked: {told}" in closing(trials, Screen())
    assert notes(trials) == [f"not ranked: {told}"]
    with pytest.raises(ResultsError, match=re.escape(told)):
        winners(trials)
    with pytest.raises(ResultsError, match=r"\(val/acc, val/f1 macro are equally likely\); choose one with .judged_by"):
        trials.best()
    assert trials.judged_by("val/f1 macro").best().number == 0


def test_an_end_that_rests_on_a_guess_says_so(tmp_path: Path) -> None:
    trials = load(sweep_of(tmp_path / "s", NO_OWN, {"val/loss": 0.5}, {"val/loss": 0.6}).dir)
    first, best, *_ = closing(trials, Screen()).splitlines()
    assert first == "ranked by val/loss, lower is better (guessed from its name; -m METRIC to change)"
    assert best.startswith("best: trial 0")
    seeds = SweepBuilder(tmp_path / "seeds", NO_OWN)
    for seed in range(2):
        seeds.trial({"val/loss": 0.5}, params={"lr": 1, "seed": seed})
    assert "| rank (guessed) |" in to_text(load(seeds.dir), "md", groups=load(seeds.dir).seeds())


def test_a_returned_metric_has_that_metrics_direction(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", NO_OWN)
    for acc in (0.5, 0.7):
        sweep.trial({"train/acc": acc}, {"return_value": acc})
    trials = load(sweep.dir)
    assert trials.objective == Objective("return_value", MAXIMIZE, source="guessed")
    assert trials.best().number == 1
    assert "ranked by return_value, higher is better (what main returned; a guess; -m METRIC" in repr(trials)


def test_a_sweep_whose_objective_nobody_logged_says_so_and_has_no_say(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", NO_OWN, {"val/loss": 0.1}, {"val/loss": 0.2})
    lost = sweep_of(tmp_path / "b", ("val/acc", MAXIMIZE), {"val/loss": 0.4})
    alone, both = load(lost.dir), load(tmp_path)
    told = "no trial has logged val/acc, the sweep's objective"
    assert f"not ranked: {told}; logged: val/loss (-m METRIC to choose)" in closing(alone, Screen())
    assert not alone.ranked
    with pytest.raises(ResultsError, match="no trial has logged 'val/acc', the sweep's objective; available: val/loss"):
        alone.best()
    assert both.objective == Objective("val/loss", MINIMIZE, source="guessed")
    assert len(both.ranked) == 3
    assert f"note: sweep b: {told}" in repr(both)
    assert f"sweep b: {told}" in notes(both)


def test_an_objective_that_was_given_once_holds_for_those_that_logged_it(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", ("val/acc", MAXIMIZE), {"val/acc": 0.1, "val/f1": 0.9})
    sweep_of(tmp_path / "b", NO_OWN, {"val/acc": 0.3, "val/loss": 1.0})
    assert load(tmp_path).objective == Objective("val/acc", MAXIMIZE, source="saved")
    sweep_of(tmp_path / "c", NO_OWN, {"val/loss": 1.0})
    assert load(tmp_path).objective is None


def test_each_sweep_is_judged_by_its_own(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", ("val/acc", MAXIMIZE), {"val/acc": 0.1}, {"val/acc": 0.2})
    sweep_of(tmp_path / "b", ("val/loss", MINIMIZE), {"val/loss": 0.1}, {"val/loss": 0.2})
    sweep_of(tmp_path / "c", ("val/acc", MAXIMIZE), {"val/acc": 0.3})
    trials = load(tmp_path)
    parts = trials.by_objective()
    assert [[(item.sweep.name, item.number) for item in part.ranked] for part in parts] == [
        [("c", 0), ("a", 1), ("a", 0)],
        [("b", 0), ("b", 1)],
    ]
    shown = repr(trials)
    assert shown.index("ranked by val/acc, higher is better") < shown.index("ranked by val/loss, lower is better")
    record = json.loads(to_json(trials))
    assert record["objective"] is None
    assert [sweep["objective"]["metric"] for sweep in record["sweeps"]] == ["val/acc", "val/loss", "val/acc"]
    found = [(one["sweep"], one["rank"], one["value"]) for one in record["trials"]]
    assert found == [("c", 1, 0.3), ("a", 2, 0.2), ("a", 3, 0.1), ("b", 1, 0.1), ("b", 2, 0.2)]
    assert notes(trials)[0].startswith("not ranked: these trials have different objectives")
    assert trials.judged_by("val/loss").by_objective()[0].best().sweep.name == "b"


def test_the_same_metric_in_two_directions_is_two_objectives(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", ("score", MAXIMIZE), {"score": 0.1})
    sweep_of(tmp_path / "b", ("score", MINIMIZE), {"score": 0.1})
    with pytest.raises(ResultsError, match="score, higher is better; score, lower is better"):
        load(tmp_path).best()


def test_sweeps_without_an_objective_are_guessed_together_if_they_can_be(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", NO_OWN, {"val/acc": 0.1, "val/loss": 1.0})
    sweep_of(tmp_path / "b", NO_OWN, {"val/loss": 0.5})
    sweep_of(tmp_path / "c", NO_OWN, {"step": 0.5})  # nothing there to judge by
    assert load(tmp_path).objective == Objective("val/loss", MINIMIZE, source="guessed")
