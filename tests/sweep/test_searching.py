"""The search as it goes on: what is asked, what is told of it, and what an earlier invocation left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from composing import write_app

from hyperherd.errors import SpaceError, SweepError
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, read_planned, write_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.resuming.reconcile import reconcile
from hyperherd.sweep.searching.search import Search
from hyperherd.sweep.settings import read_settings

pytest.importorskip("optuna")

CONFIG = {"config": "lr: 0.1\nwidth: 8\nopt: sgd\nmomentum: 0.9\nwarmup: 0\nseed: 0\n"}
SPACE = ("lr=interval(0.0,1.0)", "opt=sgd,adam", "momentum=interval(0.0,1.0)")
OBJECTIVE = "hydra.sweeper.objective={metric: loss, direction: minimize}"
DROP = "hydra.sweeper.conditions=[{when: {opt: adam}, drop: [momentum]}]"


def loss(params: Mapping[str, Any]) -> float:
    return float((params.get("lr", 0.1) - 0.3) ** 2 + params.get("momentum", 0.5) / 10 + params.get("seed", 0))


@dataclass
class Simulation:
    """A sweep whose trials run in no time, each with the state and the value that a function gives it."""

    folder: Path
    settings: tuple[str, ...] = ()
    space: tuple[str, ...] = SPACE
    value: Callable[[Mapping[str, Any]], Any] = loss
    """The loss, or all metrics by name."""
    state: Callable[[PlannedTrial], TrialState] = lambda trial: TrialState.COMPLETED
    files: Mapping[str, str] = field(default_factory=lambda: CONFIG)
    objective: str = OBJECTIVE

    @property
    def dir(self) -> Path:
        return self.folder / "sweep"

    def search(self) -> Search:
        app: HydraApp = write_app(self.folder, self.files, *self.space, self.objective, *self.settings)
        with hydra_config(app.config):
            return Search(app, list(self.space), read_settings(app.config.hydra.sweeper))

    def run(self, *, slots: int = 1, kill_at: int | None = None) -> Search:
        """Go on with the search to its end, or until a number of trials is planned; the oldest trial ends first."""
        (self.dir / ".hyperherd").mkdir(parents=True, exist_ok=True)
        search = self.search()
        plan = reconcile(self.dir, search.recorded(self.dir))
        search.begin(self.dir, plan.trials, [trial.number for trial in plan.to_run])
        trials, running = list(plan.trials), list(plan.to_run)
        while True:
            asked = [trial.placed(str(trial.number)) for trial in search.ask(slots - len(running))]
            search.placed(asked)
            trials, running = trials + asked, running + asked
            write_planned(self.dir, trials)
            if not running or (kill_at is not None and len(trials) >= kill_at):
                return search
            trial = running.pop(0)
            self.end(trial)
            search.ended(trial.number)

    def end(self, trial: PlannedTrial) -> None:
        where = self.dir / str(trial.dir)
        where.mkdir(exist_ok=True)
        (where / ".hyperherd").mkdir(exist_ok=True)
        value = self.value(trial.params)
        final = value if isinstance(value, dict) else {"loss": value}
        record = TrialRecord(
            trial.number, trial.key, trial.name, trial.overrides, trial.params, 0, self.state(trial), final=final
        )
        record.write(where)

    @property
    def points(self) -> list[dict[str, Any]]:
        return [trial.params for trial in read_planned(self.dir) if not trial.orphan]


def sampler(**given: Any) -> str:
    inner = ", ".join(f"{name}: {value}" for name, value in {"trials": 12, "startup": 4, "seed": 7, **given}.items())
    return f"hydra.sweeper.sampler={{{inner}}}"


@pytest.mark.parametrize("name", ["tpe", "cmaes", "qmc"])
def test_a_search_that_was_killed_goes_on_as_it_would_have(tmp_path: Path, name: str) -> None:
    if name == "cmaes":
        pytest.importorskip("cmaes")
    startup = {"startup": "null"} if name == "qmc" else {}
    space = ("lr=interval(0.0,1.0)", "momentum=interval(0.0,1.0)")
    for slots in (1, 3):
        whole = Simulation(tmp_path / f"whole{slots}", (sampler(name=name, trials=10, **startup),), space)
        whole.run(slots=slots)
        killed = replace(whole, folder=tmp_path / f"killed{slots}")
        for place in (1, 7):
            killed.run(slots=slots, kill_at=place)
        killed.run(slots=slots)
        assert len(whole.points) == 10
        assert len({trial.key for trial in read_planned(whole.dir)}) == 10
        if slots == 1:  # with more it depends on which trials had ended
            assert killed.points == whole.points
        assert [trial.number for trial in read_planned(killed.dir)] == list(range(10))


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_a_search_of_several_objectives_learns_all_of_them(tmp_path: Path, name: str) -> None:
    """A killed one goes on as it would have, and a point without one of the values is told as failed."""

    def both(params: Mapping[str, Any]) -> dict[str, float]:
        found = {"loss": params["lr"], "speed": params["momentum"]}
        return found if params["lr"] < 0.8 else {"loss": params["lr"]}

    space = ("lr=interval(0.0,1.0)", "momentum=interval(0.0,1.0)")
    several = "hydra.sweeper.objective=[{metric: loss, direction: minimize},{metric: speed, direction: maximize}]"
    options = {"startup": "null", "options": "{population_size: 4}"} if name == "nsga2" else {}
    whole = Simulation(tmp_path / "whole", (sampler(name=name, trials=14, **options),), space, both)
    whole.objective = several
    search = whole.run()
    killed = replace(whole, folder=tmp_path / "killed")
    for place in (1, 9):
        killed.run(kill_at=place)
    killed.run()
    assert killed.points == whole.points
    for number, point in enumerate(whole.points):
        values = (point["lr"], point["momentum"]) if point["lr"] < 0.8 else ()
        assert search.outcomes[number].values == values


def test_points_that_were_drawn_again_are_drawn_again_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    space = ("width=int(interval(1,5))", "warmup=int(interval(1,5))")  # so few that most are drawn more than once
    whole = Simulation(
        tmp_path / "whole", (sampler(name="cmaes", trials=18),), space, lambda point: point["width"] * point["warmup"]
    )
    whole.run()
    killed = replace(whole, folder=tmp_path / "killed")
    killed.run(kill_at=12)
    killed.run()
    assert killed.points == whole.points
    assert sum(trial.asked["draws"] for trial in read_planned(whole.dir)[:12]) > 12


def test_the_search_learns(tmp_path: Path) -> None:
    swept = Simulation(tmp_path, (sampler(trials=40, startup=10), DROP))
    swept.run(slots=4)
    values = [loss(point) for point in swept.points]
    assert median(values[20:]) < median(values[:10])
    assert {"momentum" in point for point in swept.points if point["opt"] == "adam"} == {False}
    assert {"momentum" in point for point in swept.points if point["opt"] == "sgd"} == {True}


def test_what_was_asked_is_on_record(tmp_path: Path) -> None:
    swept = Simulation(tmp_path, (sampler(trials=4), DROP))
    swept.run(slots=2)
    first, second, third, last = read_planned(swept.dir)
    assert [trial.asked["point"] for trial in (first, second, third, last)] == [0, 1, 2, 3]
    assert [trial.asked["after"] for trial in (first, second, third, last)] == [[], [], [0], [1]]
    for trial in (first, second, third, last):
        assert trial.asked["drawn"].keys() == {"lr", "opt", "momentum"}
        assert {**trial.asked["drawn"], **trial.params} == trial.asked["drawn"]


def test_conditions_mean_what_they_mean_in_a_grid(tmp_path: Path) -> None:
    conditions = """hydra.sweeper.conditions=[
        {when: {lr: {gt: 0.5}}, exclude: true},
        {when: {opt: adam}, force: {momentum: 7.5}, set: {warmup: {expr: "len(opt)"}}, resources: {mem_gb: 4}},
        {when: {opt: sgd}, replace: {+width: [16, 32]}}]""".replace("\n", "")
    swept = Simulation(tmp_path, (sampler(trials=20), conditions))
    search = swept.run()
    assert len(swept.points) == 20
    assert all(point["lr"] <= 0.5 for point in swept.points)
    assert {(point["momentum"], point["warmup"]) for point in swept.points if point["opt"] == "adam"} == {(7.5, 4)}
    assert {point["width"] for point in swept.points if point["opt"] == "sgd"} == {16, 32}
    assert {trial.resources.get("mem_gb") for trial in read_planned(swept.dir)} == {4, None}
    assert any(trial.asked["draws"] > 1 for trial in read_planned(swept.dir))
    assert search.unmatched == []


def test_a_sampler_that_fails_is_an_error_of_the_sweep(tmp_path: Path) -> None:
    settings = sampler(trials=6, options="{n_ei_candidates: many}")
    with pytest.raises(SweepError, match=r"hydra.sweeper.sampler: TPESampler cannot choose a point: \w+Error: "):
        Simulation(tmp_path, (settings,)).run()


def test_a_metric_that_no_trial_has_is_told_at_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    misspelt = "hydra.sweeper.objective={metric: lss, direction: minimize}"
    Simulation(tmp_path, (sampler(trials=3), misspelt)).run()
    assert caplog.text.count("has completed without a number as its lss (did you mean 'loss'?)") == 1


def test_a_condition_that_leaves_nothing_is_named(tmp_path: Path) -> None:
    conditions = "hydra.sweeper.conditions=[{name: too fast, when: {lr: {gt: -1}}, exclude: true}]"
    with pytest.raises(SweepError, match=r"none of 200 points .* condition 0 \(too fast\).* excluded 200"):
        Simulation(tmp_path, (sampler(), conditions)).run()


def test_a_name_that_no_trial_has_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    conditions = "hydra.sweeper.conditions=[{when: {optt: adam}, drop: [momentum]}]"
    with pytest.raises(SpaceError, match="did you mean 'opt'"):
        Simulation(tmp_path, (sampler(), conditions)).search()


def test_a_condition_that_matched_nothing_is_reported_at_the_end(tmp_path: Path) -> None:
    conditions = "hydra.sweeper.conditions=[{when: {opt: rmsprop}, drop: [momentum]}]"
    search = Simulation(tmp_path, (sampler(), conditions)).run()
    (warning,) = search.unmatched
    assert warning.startswith("condition 0, on the command line matched nothing: opt was '")


def test_no_point_is_tried_twice_and_a_space_can_be_exhausted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    swept = Simulation(tmp_path, (sampler(trials=30),), ("opt=sgd,adam", "width=range(1,5)"))
    swept.run(slots=2)
    assert len(swept.points) == 8
    assert len({trial.key for trial in read_planned(swept.dir)}) == 8
    assert "the search ends after 8 points: none of 200 points that were drawn is new" in caplog.text


def test_a_point_is_the_mean_of_its_seeds(tmp_path: Path) -> None:
    swept = Simulation(tmp_path, (sampler(trials=6), "hydra.sweeper.seeds=3"))
    search = swept.run(slots=3)
    assert [point["seed"] for point in swept.points] == [0, 1, 2] * 6
    assert [trial.asked["point"] for trial in read_planned(swept.dir)] == [3 * (place // 3) for place in range(18)]
    assert search.trials == 18
    for point, outcome in search.outcomes.items():
        each = [loss(params) for params in swept.points[point : point + 3]]
        assert outcome.values == (pytest.approx(sum(each) / 3),)
    # Asked for more of them later, each point gets them.
    more = replace(swept, settings=(sampler(trials=6), "hydra.sweeper.seeds=4"))
    more.run()
    assert Counter(point["seed"] for point in more.points) == {0: 6, 1: 6, 2: 6, 3: 6}
    assert {trial.asked["point"] for trial in read_planned(more.dir)} == {0, 3, 6, 9, 12, 15}


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.CANCELLED, TrialState.PRUNED])
def test_what_did_not_complete_never_ends_the_search(tmp_path: Path, state: TrialState) -> None:
    def every_third(trial: PlannedTrial) -> TrialState:
        return state if trial.number % 3 else TrialState.COMPLETED

    swept = Simulation(tmp_path, (sampler(),), state=every_third)
    search = swept.run(slots=2)
    assert len(swept.points) == 12
    # A pruned trial that has logged no curve has nothing to tell.
    assert Counter(outcome.state for outcome in search.outcomes.values()) == {"completed": 4, "failed": 8}
    # Failed and cancelled ones run again when the sweep is resumed, as in any sweep.
    completing = replace(swept, state=lambda trial: TrialState.COMPLETED)
    search = completing.run()
    again = {"completed": 12} if state is not TrialState.PRUNED else {"completed": 4, "failed": 8}
    assert Counter(outcome.state for outcome in search.outcomes.values()) == again


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "text"])
def test_a_value_that_is_no_finite_number_is_told_as_failed(tmp_path: Path, odd: Any) -> None:
    swept = Simulation(tmp_path, (sampler(trials=6),), value=lambda params: odd if params["lr"] > 0.5 else 1.0)
    search = swept.run()
    lr = [point["lr"] for point in swept.points]
    assert [search.outcomes[place].state for place in range(6)] == [
        "failed" if each > 0.5 else "completed" for each in lr
    ]


def test_more_trials_and_a_changed_space(tmp_path: Path) -> None:
    swept = Simulation(tmp_path, (sampler(trials=8),))
    swept.run()
    more = replace(swept, settings=(sampler(trials=10),))
    more.run()
    before = swept.points
    assert len(before) == 10
    narrower = replace(more, space=("lr=interval(0.0,0.5)", *SPACE[1:]))
    narrower.run()
    planned = read_planned(narrower.dir)
    outside = [trial.number for trial in planned[:10] if trial.params["lr"] > 0.5]
    assert [trial.number for trial in planned if trial.orphan] == outside != []
    assert len(narrower.points) == 10  # others took their place
    assert [trial.params for trial in planned[:10]] == before


def test_points_that_are_asked_for_come_first(tmp_path: Path) -> None:
    asked = "enqueue: [{lr: 0.25, opt: adam, momentum: 0.5}, {opt: sgd}, {lr: 0.25, opt: adam, momentum: 0.5}]"
    settings = sampler().replace("seed: 7", f"seed: 7, {asked}")
    swept = Simulation(tmp_path, (settings, DROP))
    swept.run(kill_at=1)
    swept.run()
    assert swept.points[0] == {"lr": 0.25, "opt": "adam"}
    assert swept.points[1]["opt"] == "sgd"
    assert len(swept.points) == 12
    assert [bool(trial.asked["enqueued"]) for trial in read_planned(swept.dir)] == [True, True] + [False] * 10


def test_a_part_that_was_asked_for_and_has_no_new_point_does_not_end_the_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = sampler(trials=4).replace("seed: 7", "seed: 7, enqueue: [{lr: 0.5}, {lr: 0.5}, {lr: 0.5}]")
    swept = Simulation(tmp_path, (settings,), ("lr=interval(0.0,1.0)", "opt=sgd,adam"))
    swept.run()
    assert [point["lr"] == 0.5 for point in swept.points] == [True, True, False, False]
    assert "enqueue: lr=0.5 was tried before" in caplog.text


@pytest.mark.parametrize(
    ("enqueued", "message"),
    [
        ("{lrr: 0.5}", "'lrr' is not searched .did you mean 'lr'"),
        ("{lr: 5}", "lr=5 is not in the space .lr: 0 to 1"),
        ("{opt: rmsprop}", "opt='rmsprop' is not in the space .opt: any of sgd, adam"),
        ("{opt: adam, lr: 0.5, momentum: 0.5}", "opt=adam lr=0.5 momentum=0.5 is excluded: condition 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(tmp_path: Path, enqueued: str, message: str) -> None:
    conditions = "hydra.sweeper.conditions=[{when: {opt: adam}, exclude: true}]"
    settings = sampler().replace("seed: 7", f"seed: 7, enqueue: [{enqueued}]")
    with pytest.raises(SweepError, match=message):
        Simulation(tmp_path, (settings, conditions)).run()


def test_trials_that_a_grid_left_in_the_folder_are_known(tmp_path: Path) -> None:
    swept = Simulation(tmp_path, (sampler(trials=3),))
    (swept.dir / ".hyperherd").mkdir(parents=True)
    grid = [
        PlannedTrial(place, f"k{place}", "n", (), {"lr": lr, "opt": "sgd", "momentum": 0.5}, dir=str(place))
        for place, lr in enumerate((0.1, 0.2, 5.0))
    ]
    write_planned(swept.dir, grid)
    for trial in grid:
        swept.end(trial)
    swept.run()
    assert [trial.orphan for trial in read_planned(swept.dir)] == [True] * 3 + [False] * 3


def test_an_earlier_sweep_is_told_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    older = Simulation(tmp_path / "older", (sampler(trials=12), "hydra.sweeper.seeds=2"))
    older.run(slots=4)
    told = f"from: '{older.dir}'"
    swept = Simulation(tmp_path / "new", (sampler(trials=8).replace("seed: 7", f"seed: 7, {told}"),))
    with caplog.at_level("INFO"):
        swept.run()
    assert f"12 of 12 points of {older.dir} told to the sampler" in caplog.text
    # It has as many results as it needs to choose from the first point on.
    fresh = Simulation(tmp_path / "fresh", (sampler(trials=8),))
    fresh.run()
    assert swept.points[0] != fresh.points[0]
    narrow = replace(swept, folder=tmp_path / "narrow", space=("lr=interval(7.0,8.0)", *SPACE[1:]))
    narrow.run()
    assert f"0 of 12 points of {older.dir} told" in caplog.text
    nowhere = replace(swept, settings=(sampler().replace("seed: 7", "seed: 7, from: nowhere"),))
    with pytest.raises(SweepError, match=r"hydra.sweeper.sampler.from: .*nowhere"):
        nowhere.search()


@pytest.mark.parametrize(
    ("settings", "space", "message"),
    [
        ((sampler(),), (), "has nothing to search"),
        ((sampler(name="gp"), DROP), SPACE, r"condition 0.*GPSampler cannot learn; use .*tpe or random"),
        (
            (sampler(name="gp"), "hydra.sweeper.conditions=[{when: {opt: adam}, force: {momentum: 2}}]"),
            SPACE,
            "a value outside of its range",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, settings: Sequence[str], space: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SweepError, match=message):
        Simulation(tmp_path, tuple(settings), space).search()


def test_a_forced_value_inside_the_space_suits_any_sampler(tmp_path: Path) -> None:
    conditions = "hydra.sweeper.conditions=[{when: {opt: adam}, force: {momentum: 0.5}}]"
    swept = Simulation(tmp_path, (sampler(name="nsga2", startup="null"), conditions))
    swept.run(slots=2)
    assert {point["momentum"] for point in swept.points if point["opt"] == "adam"} == {0.5}


@pytest.mark.parametrize("asked", [{"point": "x"}, {"point": 0, "drawn": {"lr": 0.5}, "draws": 1}, {"point": 0}])
def test_a_record_that_is_not_understood_is_no_point(tmp_path: Path, asked: dict[str, Any]) -> None:
    swept = Simulation(tmp_path, (sampler(trials=3),))
    swept.run()
    write_planned(swept.dir, [replace(trial, asked=asked) for trial in read_planned(swept.dir)])
    swept.run()
    assert [trial.orphan for trial in read_planned(swept.dir)] == [True] * 3 + [False] * 3
