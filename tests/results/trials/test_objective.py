from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results.builder import SweepBuilder, every_state, stats

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.trials.directions import direction_of
from hyperherd.results.trials.objective import MAXIMIZE, MINIMIZE, Objective
from hyperherd.results.trials.trial import Sweep, Trial

SWEEP = Sweep("s", Path("/s"))


def trial(number: int, state: TrialState = TrialState.COMPLETED, **final: object) -> Trial:
    return Trial(number, "", None, SWEEP, state, final=dict(final))


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        *[(name, MAXIMIZE) for name in ("val/acc", "val_acc", "valAcc", "Accuracy/top1", "eval/f1", "mAP", "AUROC")],
        *[
            (name, MAXIMIZE)
            for name in ("rollout/ep_reward", "score", "R2", "neg_mean_squared_error", "acc5", "val.f1")
        ],
        *[
            (name, MINIMIZE)
            for name in ("loss", "train_loss_step", "valLoss", "RMSE", "ppl", "nll", "eval/wer", "loss_2")
        ],
        *[(name, MINIMIZE) for name in ("acc_loss", "negative_log_likelihood", "val/error")],
        *[(name, None) for name in ("lr", "epoch", "gloss", "accelerate", "time", "", "Ünïcode", "lossless")],
    ],
)
def test_direction_by_name(name: str, direction: str | None) -> None:
    assert direction_of(name) == direction


@pytest.mark.parametrize(
    ("names", "guess"),
    [
        (["train/acc", "val/acc", "test/acc"], "val/acc"),
        (["val/loss", "val/acc"], "val/acc"),
        (["val/loss", "train/acc", "test/acc"], "val/loss"),
        (["test/acc", "train/acc"], "test/acc"),
        (["loss", "test/acc"], "loss"),
        (["lr", "epoch"], None),
        ([], None),
    ],
)
def test_guess(names: list[str], guess: str | None) -> None:
    trials = Trials([trial(0, **dict.fromkeys(names, 1.0))])
    objective = trials.objective
    assert (objective and objective.metric) == guess
    assert objective is None or objective.source == "guessed"


def test_what_is_no_number_is_not_guessed() -> None:
    assert Trials([trial(0, score="good", accuracy=True, loss=None)]).objective is None


def test_the_sweeps_own_objective_comes_first(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", ("train/loss", "minimize"))
    sweep.trial({"val/acc": 0.9, "train/loss": 2.0})
    sweep.trial({"val/acc": 0.1, "train/loss": 1.0})
    trials = load(sweep.dir)
    assert trials.objective == Objective("train/loss", MINIMIZE, source="saved")
    assert trials.best().number == 1
    assert trials.judged_by("val/acc").best().number == 0
    assert trials.judged_by(direction="max").best().number == 0


@pytest.mark.parametrize("raw", ['{"metric": "val/acc"}', '{"metric": 1, "direction": "maximize"}', '"val/acc"', "[]"])
def test_a_saved_objective_that_is_none(sweep: SweepBuilder, raw: str) -> None:
    sweep.trial({"loss": 1.0})
    path = sweep.dir / ".hyperherd" / "sweep.json"
    text = path.read_text()
    start, end = text.index('{\n  "metric"'), text.index("},", text.index('"direction"')) + 1
    path.write_text(text[:start] + raw + text[end:])
    assert load(sweep.dir).objective == Objective("loss", MINIMIZE, source="guessed")


def test_sweeps_that_differ_in_their_objective(tmp_path: Path) -> None:
    SweepBuilder(tmp_path / "a").trial({"val/acc": 0.5})
    SweepBuilder(tmp_path / "b", ("loss", "minimize")).trial({"loss": 0.5})
    trials = load(tmp_path)
    assert trials.objective is None
    assert repr(trials).startswith("the sweeps are judged by different objectives, one table for each")
    with pytest.raises(ResultsError, match="val/acc, higher is better; loss, lower is better"):
        trials.best()


def test_the_final_value_counts_before_the_last_one(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": stats(0.5, max=0.9, min=0.1)}, {"val/acc": 0.7, "test/acc": 0.6})
    trials = load(sweep.dir)
    found = {asked: trials.judged_by(asked) for asked in ("val/acc", "val/acc:last", "val/acc:max", "val/acc:min")}
    values = [judged.objective.value(judged[0]) for judged in found.values() if judged.objective]
    assert values == [0.7, 0.5, 0.9, 0.1]
    judged = trials.judged_by("test/acc:max")
    assert judged.objective is not None
    assert judged.objective.value(judged[0]) == 0.6


def test_an_aggregate_that_there_is_not_is_refused_in_python_too(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5})
    (trial,) = load(sweep.dir)
    for aggregate in ("best", "mean:0", "mean:x", "@", ""):
        with pytest.raises(ResultsError, match=r"is not an aggregate; use last\|max"):
            trial.value("val/acc", aggregate)


def test_asking(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5, "odd:max": 1.0, "speed": 2.0, "lr": 0.1}, params={"lr": 0.1})
    trials = load(sweep.dir)
    assert trials.judged_by("odd:max", "max").objective == Objective("odd:max", MAXIMIZE)
    assert trials.judged_by("odd:max:min", "max").objective == Objective("odd:max", MAXIMIZE, "min")
    assert trials.judged_by("speed:min").objective == Objective("speed", MINIMIZE, "min")
    assert trials.judged_by("metric.lr", "min").objective == Objective("lr", MINIMIZE)
    assert trials.judged_by("val/acc", "min").objective == Objective("val/acc", MINIMIZE)
    assert trials.judged_by().objective == Objective("val/acc", MAXIMIZE, source="saved")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("val/ac", r"no trial has a metric 'val/ac' \(did you mean 'val/acc'\?\); available: speed, val/acc"),
        ("val/ac:max", "no trial has a metric 'val/ac' "),
        ("val/acc:best", r"'best' is not an aggregate; use val/acc:last\|max\|min"),
        ("speed", "add --direction max"),
        ("", "no trial has a metric ''"),
    ],
)
def test_a_question_without_an_answer(sweep: SweepBuilder, asked: str, message: str) -> None:
    sweep.trial({"val/acc": 0.5, "speed": 2.0})
    with pytest.raises(ResultsError, match=message):
        load(sweep.dir).judged_by(asked)


def test_directions_are_checked(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5})
    trials = load(sweep.dir)
    assert trials.judged_by(direction="minimize").objective == Objective("val/acc", MINIMIZE)
    for metric in (None, "val/acc"):
        with pytest.raises(ResultsError, match="'up' is not a direction; use max or min"):
            trials.judged_by(metric, "up")


def test_what_did_not_finish_is_never_ranked(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    assert [trial.number for trial in trials.ranked] == [1, 2, 0]
    assert [trial.number for trial in trials.sorted()] == [1, 2, 0, 3, *range(4, 13)]
    assert trials.best().number == 1


def test_nothing_to_rank() -> None:
    trials = Trials([trial(0, TrialState.FAILED, loss=0.0), trial(1, loss=math.nan)])
    with pytest.raises(ResultsError, match="no finished trial has a finite value of 'loss'"):
        trials.best()


@given(st.lists(st.tuples(st.floats(), st.sampled_from(TrialState))), st.sampled_from([MAXIMIZE, MINIMIZE]))
def test_the_best_is_finite_and_finished(values: list[tuple[float, TrialState]], direction: str) -> None:
    trials = Trials(
        [trial(number, state, x=value) for number, (value, state) in enumerate(values)], Objective("x", direction)
    )
    ranked = trials.ranked
    expected = [value for value, state in values if state.finished and math.isfinite(value)]
    assert [item.final["x"] for item in ranked] == sorted(expected, reverse=direction == MAXIMIZE)
    assert len(trials.sorted()) == len(values)


def declared(tmp_path: Path, name: str, metric: str, own: tuple[str, str] | None = None) -> Path:
    """Write a sweep whose trials have an objective of their callbacks."""
    sweep = SweepBuilder(tmp_path / name, own)
    told = {"metric": metric, "direction": MAXIMIZE, "best": 1.0, "best_step": 1, "at_best": {}, "curve": []}
    for value in (1.0, 2.0):
        sweep.trial({metric: value, "val/loss": value}, objective=told)
    return sweep.dir


def test_the_objective_of_callbacks_counts_where_the_sweep_has_none(tmp_path: Path) -> None:
    trials = load(declared(tmp_path, "a", "speed"))
    assert trials.objective == Objective("speed", MAXIMIZE, source="saved")
    own = load(declared(tmp_path, "b", "speed", ("val/loss", MINIMIZE)))
    assert own.objective == Objective("val/loss", MINIMIZE, source="saved")
    both = load(tmp_path / "a", declared(tmp_path, "c", "size"))
    assert both.objective is None  # they differ, so none is guessed
