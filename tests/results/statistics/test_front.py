"""The Pareto front of several objectives: against Optuna's own, and what is said of seeds and of chance."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.pages.front import chance, front_page, front_record
from hyperherd.results.pages.overview import closing, render
from hyperherd.results.statistics.best import add_seeds, compromises
from hyperherd.results.statistics.front import Front, FrontPoint
from hyperherd.results.tables.records import to_json, to_text
from hyperherd.results.text.layout import Screen

TWO = [("loss", "minimize"), ("speed", "maximize")]


def sweep_of(root: Path, rows: list[tuple[Any, ...]], judges: Any = TWO) -> Trials:
    """Write a sweep with a trial for each row: its objectives' values; None: it does not have that metric."""
    sweep = SweepBuilder(root, judges)
    for number, values in enumerate(rows):
        pairs = zip(judges, values, strict=True)
        sweep.trial({metric: value for (metric, _), value in pairs if value is not None}, params={"x": number})
    return load(root)


def numbers(points: list[FrontPoint]) -> list[int | None]:
    return [point.trial.number for point in points]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_the_front_is_that_of_optuna(tmp_path: Path, count: int, seed: int) -> None:
    """With ties, equal points, NaN and infinities: what is not finite is told as a search tells it, as failed."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = random.Random(seed)
    values: list[Any] = [0.0, -0.0, 1, 2, 3.5, 1e300, -7, math.nan, math.inf, -math.inf]
    rows = [tuple(rng.choices(values, [1, 1, 4, 4, 4, 1, 1, 1, 1, 1], k=count)) for _ in range(30)]
    judges = [("a", "minimize"), ("b", "maximize"), ("c", "minimize")][:count]
    study = optuna.create_study(directions=[direction for _, direction in judges])
    for row in rows:
        told = {"values": row} if all(map(math.isfinite, row)) else {"state": optuna.trial.TrialState.FAIL}
        study.tell(study.ask(), **told)
    found = sweep_of(tmp_path / "s", rows, judges).front()
    assert sorted(numbers(found.front)) == [trial.number for trial in study.best_trials]
    assert sum(map(len, found.apart.values())) == sum(not all(map(math.isfinite, row)) for row in rows)
    for other in found.points[found.size :]:
        assert any(one.dominates(other) for one in found.front)


def test_what_is_not_compared_is_said(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", TWO)
    sweep.trial({"loss": 1.0, "speed": 1.0}, params={"x": 0})
    sweep.trial({"loss": 2.0, "speed": 2.0}, params={"x": 1})
    sweep.trial({"loss": 0.1}, params={"x": 2})
    sweep.trial({"loss": math.nan, "speed": 99.0}, params={"x": 3})
    sweep.failed({"loss": 0.1, "speed": 99.0}, params={"x": 4})
    sweep.trial({"loss": 0.1, "speed": 99.0}, params={"x": 5}, state=TrialState.PRUNED)
    sweep.plan(x=6)
    trials = load(sweep.dir)
    front = trials.front()
    assert numbers(front.front) == [0, 1]
    apart = {why: [trial.number for trial in members] for why, members in front.apart.items()}
    without = {"without a finite speed": [2], "without a finite loss": [3]}
    assert apart == {**without, "failed": [4], "pruned": [5], "waiting": [6]}
    told = closing(trials, Screen())
    assert "Pareto front: 2 of 2 configurations" in told
    assert "not compared: 1 without a finite speed (2); 1 without a finite loss (3); 1 failed (4)" in told
    assert "one seed each: nothing is known" in told


def test_every_form_of_the_table_knows_the_front(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(3, 1), (1, 1), (2, 2), (0, None)])
    lines = render(trials, Screen()).splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("✓")] == [
        ["✓", "1", "*"],
        ["✓", "2", "*"],
        ["✓", "0", "0"],
        ["✓", "3", "–"],
    ]
    tsv = [line.split("\t")[:3] for line in to_text(trials, "tsv").splitlines()]
    standing = [["1", "true"], ["2", "true"], ["0", "false"], ["3", ""]]
    assert tsv == [["number", "state", "front"], *([number, "completed", told] for number, told in standing)]
    document = json.loads(to_json(trials))
    assert [one["metric"] for one in document["objectives"]] == ["loss", "speed"]
    assert document["objective"] is None
    told = [(trial["number"], trial["front"], trial["values"]) for trial in document["trials"]]
    assert told == [(1, True, [1, 1]), (2, True, [2, 2]), (0, False, [3, 1]), (3, None, [0, None])]
    assert trials.table().column("front").to_pylist() == [False, True, True, None]


def test_best_shows_what_dominates_what(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(3, 1), (1, 1), (2, 2), (4, 0), (1, 1)])
    found = compromises(trials)
    text = front_page(trials, found, Screen())
    assert "trial 1: loss 1.000, speed 1.000\n  dominates  2: trials 0, 3" in text
    assert "trial 0: loss 3.000, speed 1.000; by trials 1, 4, 2" in text
    record = front_record(trials, found)
    assert [(one["label"], one["dominates"]) for one in record["front"]] == [
        ("1", ["0", "3"]),
        ("4", ["0", "3"]),
        ("2", ["0", "3"]),
    ]
    assert [(one["label"], one["by"]) for one in record["dominated"]] == [
        ("0", ["1", "4", "2"]),
        ("3", ["1", "4", "2"]),
    ]
    assert (record["knows_noise"], record["front"][0]["sure"]) == (False, None)


def seeded(root: Path, rows: dict[int, list[tuple[float, float]]]) -> Trials:
    sweep = SweepBuilder(root, TWO, seed_key="seed")
    for x, seeds in rows.items():
        for seed, (loss, speed) in enumerate(seeds):
            sweep.trial({"loss": loss, "speed": speed}, params={"x": x, "seed": seed})
    return load(root)


def test_a_configuration_counts_by_the_means_of_its_seeds(tmp_path: Path) -> None:
    """No single trial decides, and what may be chance is said: only where a difference is beyond the seeds' spread."""
    rows = {
        0: [(1.0, 10.0), (1.2, 10.1)],  # the least loss by far
        1: [(5.0, 50.0), (5.2, 50.1)],  # its speed is that of 2, but for chance
        2: [(5.1, 50.0), (5.3, 50.05)],
        3: [(9.0, 9.0), (9.2, 9.0)],
        4: [(0.0, 5.0), (8.0, 5.0)],  # one lucky seed
    }
    rows[4] = [(3.0, 5.0), (3.2, 5.0)]
    front = seeded(tmp_path / "s", rows).front()
    assert [point.group.settings["x"] for point in front.front] == [0, 1]
    assert front.front[0].means == pytest.approx((1.1, 10.05))
    assert front.knows_noise
    assert [point.group.settings["x"] for point in front.unsure] == [1]
    assert [point.group.settings["x"] for point in front.near] == [2]
    assert chance(front).startswith("certain at 95 %, for all together: 1 of the 2; perhaps on the front by chance")
    near = compromises(front.groups.trials, near=True)
    assert [one.group.settings["x"] for one in near] == [0, 1, 2]
    assert near[0].overrides == ("x=0",)
    command = add_seeds(front.groups.trials, near[0], [0, 1, 2, 3])
    assert command is not None
    assert "seed=2,3" in command.argv


def test_a_seed_that_ended_badly_takes_its_configuration_off(tmp_path: Path) -> None:
    """What is left of it would look better than it is."""
    sweep = SweepBuilder(tmp_path / "s", TWO, seed_key="seed")
    for x in range(3):
        sweep.trial({"loss": 1.0 + x, "speed": 1.0 + x}, params={"x": x, "seed": 0})
    sweep.trial({"loss": math.nan, "speed": 1.0}, params={"x": 0, "seed": 1})
    sweep.trial({"loss": 1.0}, params={"x": 1, "seed": 1}, state=TrialState.PRUNED)
    sweep.failed(params={"x": 2, "seed": 1}, error="connection reset")
    front = load(sweep.dir).front()
    assert [point.group.settings["x"] for point in front.points] == [2]
    assert list(front.apart) == [
        "without a finite loss of each seed",
        "with a seed that was pruned, paused or diverged",
    ]


def test_without_noise_a_difference_is_certain(tmp_path: Path) -> None:
    front = seeded(tmp_path / "s", {0: [(1.0, 1.0)] * 2, 1: [(2.0, 2.0)] * 2, 2: [(2.0, 1.0)] * 2}).front()
    assert (front.size, front.unsure, front.near) == (2, [], [])
    assert "loss and speed never differed between seeds: taken as exact" in chance(front)


def test_one_objective_of_several_is_never_taken_silently(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(3, 1), (1, 1), (2, 2)])
    assert trials.objective is None
    for ask in (trials.best, trials.effects):
        with pytest.raises(ResultsError, match=r"several objectives .*loss, lower is better; speed, higher is better"):
            ask()
    assert trials.judged_by("loss").best().number == 1
    with pytest.raises(ResultsError, match="needs several objectives, and these trials are judged by 'loss' alone"):
        trials.judged_by("loss").front()


def test_any_metrics_have_a_front(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(3, 1), (1, 1), (2, 2)])
    turned = trials.judged_by(["loss", "speed"], ["max", "max"])
    assert numbers(turned.front().front) == [0, 2]
    assert turned.filter("x>=1").objectives == turned.objectives
    with pytest.raises(ResultsError, match="one direction for each metric"):
        trials.judged_by(["loss", "speed"], ["max"])


def test_sweeps_with_other_objectives_have_tables_of_their_own(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", [(3, 1), (1, 1)])
    sweep_of(tmp_path / "b", [(3, 1, 0), (1, 1, 0)], [*TWO, ("size", "minimize")])
    sweep_of(tmp_path / "c", [(3,), (1,)], [("loss", "minimize")])
    trials = load(tmp_path)
    assert [len(part.objectives) for part in trials.by_objective()] == [2, 3, 0]
    text = render(trials, Screen())
    assert text.count("Pareto front: 1 of 2") == 2
    assert "ranked by loss" in text
    with pytest.raises(ResultsError, match="different objectives"):
        trials.best()


def test_many_equal_points_are_all_on_the_front(tmp_path: Path) -> None:
    front: Front = sweep_of(tmp_path / "s", [(1, 1)] * 5).front()
    assert front.size == 5


def test_groups_of_several_settings_are_called_what_they_are(tmp_path: Path) -> None:
    """Their spread is one of settings, so it says nothing of chance; and none of several is the best of a group."""
    sweep = SweepBuilder(tmp_path / "s", TWO, seed_key="seed")
    for x, y, seed in [(x, y, seed) for x in (0, 1) for y in (0, 1) for seed in (0, 1)]:
        sweep.trial({"loss": x + y + seed / 9, "speed": x + y}, params={"x": x, "y": y, "seed": seed})
    trials = load(sweep.dir)
    text = str(trials.group("x"))
    assert "Pareto front: 2 of 2 groups compared" in text
    assert "trial 0 and 3 more trials: loss" in text
    assert "what of it is chance is not judged: the trials of a group differ in more than their seed" in text
    assert "mean ± std (n−1) over y, seed: n=4 per group, finished trials only; this spread is not one" in text
    assert "certain" not in text
    assert "certain at 95 %" in str(trials.group("x", "y"))
    with pytest.raises(ResultsError, match="asked of one"):
        trials.group("x", rest="best")


def test_a_metric_is_one_objective_however_often_it_is_named(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(3, 1), (1, 1)])
    for directions in (None, ["min", "max"]):
        with pytest.raises(ResultsError, match="the metric 'loss' is given twice; keep one of them"):
            trials.judged_by(["loss", "loss"], directions)
    with pytest.raises(ResultsError, match="1 metric, 2 directions"):
        trials.judged_by("loss", ["max", "min"])
    assert len(trials.judged_by(["loss", "loss:max"]).objectives) == 2


def test_what_is_empty_says_why(tmp_path: Path) -> None:
    trials = sweep_of(tmp_path / "s", [(1, None), (2, None)])
    text = closing(trials, Screen())
    assert "(the sweep's; -m METRIC for one); no trial has logged speed" in text
    assert "Pareto front: empty, because no configuration can be compared" in text


def test_the_order_of_objectives_is_no_difference(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", [(3, 1), (1, 1)])
    sweep_of(tmp_path / "b", [(1, 3), (1, 1)], TWO[::-1])
    assert len(load(tmp_path).objectives) == 2


def test_the_others_follow_front_by_front(tmp_path: Path) -> None:
    """Of more fronts than are told apart, the rest comes along the first objective."""
    rows = [(x + step, 10 * step - x) for step in (0, 20) for x in (3, 1, 2)]  # each second three are dominated by all
    chain = [(100 + x, -100 - x) for x in (9, 11, 4, 2, 7, 5, 3, 8, 1, 6, 10)]
    turned = [(loss, -speed) for loss, speed in rows]
    front = sweep_of(tmp_path / "s", [*turned, *chain]).front()
    assert numbers(front.front) == [1, 2, 0]
    assert numbers(front.points[3:6]) == [4, 5, 3]
    assert [point.losses[0] for point in front.points[6:]] == [100 + x for x in range(1, 12)]
