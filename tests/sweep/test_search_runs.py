"""Searches as a user starts them: slots are never idle, nothing is run twice, and what cannot be done is refused."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import App, wait_for
from search_sweeps import (
    BODY,
    CONFIG,
    SPACE,
    check_search_kills,
    check_that_no_slot_is_idle,
    sampler,
)

from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialLauncher
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.records.workers.growth import is_growing, note_growth
from hyperherd.sweep.app import composed_app, hydra_config
from hyperherd.sweep.preview import plan
from hyperherd.sweep.resuming.reconcile import RunPlan
from hyperherd.sweep.running.growing import Growing
from hyperherd.sweep.searching.asked import by_point
from hyperherd.sweep.searching.search import Search
from hyperherd.sweep.settings import read_settings
from hyperherd.sweep.validation.validate import Validator

pytest.importorskip("optuna")

POOL = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=2")


@pytest.fixture
def searched(app: App) -> App:
    return app.write(BODY, CONFIG)


def test_a_trial_that_takes_long_keeps_no_other_slot_idle(app: App) -> None:
    check_that_no_slot_is_idle(app, *POOL)


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_same_trials(searched: App, tmp_path: Path) -> None:
    whole = searched.sweep(*SPACE, sampler(6), to="whole")
    log = tmp_path / "log"
    for text in ("trial 1 (", "trial 3 ("):
        process = searched.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=killed", *SPACE, sampler(6), LOG=str(log))
        wait_for(process, text)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    killed = searched.sweep(*SPACE, sampler(6), to="killed", LOG=str(log))
    assert [trial.params for trial in killed.planned] == [trial.params for trial in whole.planned]
    assert set(killed.states.values()) == {"completed"}
    # One that was killed runs again, as the same trial; none that was done does.
    ran = [line.split()[0] for line in log.read_text().splitlines()]
    assert set(ran) == {str(number) for number in range(6)}
    assert ran.count("0") == ran.count("1") == 2  # its first and its last line


@pytest.mark.slow
def test_a_search_that_is_killed_at_random_instants_is_whole(tmp_path: Path) -> None:
    """tests/chaos/searches.py does this longer."""
    check_search_kills(tmp_path / "killed", 2, 5, *POOL)


def test_failures_are_told_and_the_search_goes_on(searched: App) -> None:
    sweep = searched.sweep(*SPACE, *POOL, sampler(6), code=1, FAIL="1")
    failed = [number for number, trial in enumerate(sweep.planned) if trial.params["lr"] > 0.8]
    assert failed
    assert sweep.states == {number: "failed" if number in failed else "completed" for number in range(6)}
    assert "search: 6 points by TPESampler, 2 trials at once" in sweep.done.stdout
    record = SweepRecord.read(sweep.dir)
    assert record.space["sampler"]["trials"] == 6
    note_growth(sweep.dir)  # as one with workers that was killed leaves it
    again = searched.sweep(*SPACE, *POOL, sampler(7))
    assert not is_growing(again.dir)
    assert set(again.states.values()) == {"completed"}
    assert len(again.planned) == 7


def test_resuming_takes_the_space_from_the_record_and_wants_the_sampler(searched: App) -> None:
    first = searched.sweep(*SPACE, sampler(2))
    refused = searched.run("-m", "hydra/sweeper=herd", "hydra.sweeper.resume=multirun/s")
    assert refused.returncode == 1
    assert "is a search that a sampler guides; repeat the sampler" in refused.stderr + refused.stdout
    assert "'hydra.sweeper.sampler={name:tpe,trials:2,startup:3,seed:1}'" in refused.stderr + refused.stdout
    searched.sweep(SPACE[1], sampler(3), "hydra.sweeper.resume=multirun/s", to="elsewhere")
    assert len(read_planned(first.dir)) == 3


@pytest.mark.slow
def test_a_search_of_several_objectives_ends_with_their_front(app: App) -> None:
    pytest.importorskip("cmaes")
    app.write("from hyperherd import log_result\nlog_result('loss', cfg.lr)\nlog_result('speed', cfg.lr)", CONFIG)
    objectives = "hydra.sweeper.objective=[{metric: loss, direction: minimize},{metric: speed, direction: maximize}]"
    refused = app.run("-m", "hydra/sweeper=herd", SPACE[0], objectives, sampler(3).replace("tpe", "cmaes"))
    assert "CmaEsSampler cannot be used with 2 objectives" in refused.stdout + refused.stderr
    swept = app.sweep(SPACE[0], objectives, sampler(3))
    assert [one["metric"] for one in SweepRecord.read(swept.dir).objectives] == ["loss", "speed"]
    assert "Pareto front: 3 of 3 configurations compared" in swept.done.stdout


def test_what_it_would_begin_with_is_shown(searched: App) -> None:
    herd = ["hydra/sweeper=herd", *SPACE]
    shown = plan([*herd, sampler(60, startup=4).replace("startup: 3, ", "")], config_dir=searched.folder / "conf")
    assert len(shown.trials) == 4
    told = str(shown)
    assert "4 trials would run first in" in told
    assert "lr: 0 to 1" in told
    assert "TPESampler chooses 60 points, each by the results that there are" in told
    assert not (searched.folder / "multirun").exists()


def test_a_trial_that_does_not_compose_ends_the_search_before_it_begins(searched: App) -> None:
    with pytest.raises(SweepError, match="does not compose"):
        plan(["hydra/sweeper=herd", *SPACE, "lrr=1,2", sampler(5)], config_dir=searched.folder / "conf")


def test_a_later_trial_that_does_not_compose_costs_no_other_its_result(searched: App) -> None:
    (searched.folder / "conf" / "model").mkdir()
    (searched.folder / "conf" / "model" / "a.yaml").write_text("width: 1\n")
    (searched.folder / "conf" / "model" / "b.yaml").write_text("defaults: [nowhere]\n")
    enqueued = sampler(5, enqueue="[{model: a, lr: 0.1}, {model: a, lr: 0.2}, {model: b}]")
    sweep = searched.sweep("+model=a,b", *SPACE, *POOL, enqueued, code=1)
    assert "does not compose" in sweep.done.stderr
    assert sweep.states == {0: "completed", 1: "completed"}
    assert len(sweep.planned) == 2


def test_every_trial_of_a_search_runs_from_the_snapshot(searched: App) -> None:
    sweep = searched.sweep(*SPACE, *POOL, sampler(3), "hydra.sweeper.snapshot=true")
    ran = [json.loads(TrialPaths(sweep.dir / str(number)).provenance.read_text()) for number in range(3)]
    [kept] = SweepPaths(sweep.dir).snapshots.iterdir()
    assert [one["snapshot"] for one in ran] == [kept.name] * 3


class Launcher(TrialLauncher):
    """Answers what a search asks of a launcher."""

    def __init__(self, **given: Any) -> None:
        self.given = given

    waits = property(lambda self: self.given.get("waits", True))  # type: ignore[assignment]
    slots = property(lambda self: self.given.get("slots"))  # type: ignore[assignment]
    takes_batches = property(lambda self: self.given.get("takes_batches", False))  # type: ignore[assignment]
    awaits_workers = property(lambda self: self.given.get("awaits_workers", False))  # type: ignore[assignment]
    submit = events = cancel = cast(Any, None)


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        (Launcher(waits=False, slots=3), "hydra.launcher.wait must be true"),
        (Launcher(takes_batches=True), "give the number of trials in one as hydra.sweeper.max_batch_size"),
        (Launcher(), "chooses trials while others run, and Launcher takes none"),
    ],
)
def test_a_launcher_that_cannot_go_on_while_trials_run_is_refused(launcher: TrialLauncher, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        Growing(cast(Any, None), launcher, cast(Any, None), Path(), [])


@pytest.mark.parametrize(("slots", "points"), [(1, 1), (3, 1), (4, 2), (6, 2)])
def test_the_seeds_of_a_point_fill_slots(searched: App, slots: int, points: int) -> None:
    app = composed_app(searched.folder / "conf", "config", ["hydra/sweeper=herd", *SPACE, sampler(9)])
    with hydra_config(app.config):
        settings = replace(read_settings(app.config.hydra.sweeper), seeds=3)
        search = Search(app, SPACE[:1], settings)
        growing = Growing(search, Launcher(slots=slots), cast(Any, None), searched.folder, [])
        assert len(growing.begun(RunPlan((), ()), ()).to_run) == 3 * points


def test_workers_that_join_get_trials_and_are_told_how_long_to_wait(searched: App) -> None:
    app = composed_app(searched.folder / "conf", "config", ["hydra/sweeper=herd", *SPACE, sampler(4)])
    with hydra_config(app.config):
        search, launcher = Search(app, SPACE[:1], read_settings(app.config.hydra.sweeper)), Launcher(slots=1)
        launcher.given["awaits_workers"] = True
        growing = Growing(search, launcher, Validator(app, searched.folder), searched.folder, [])
        growing.planned(growing.begun(RunPlan((), ()), ()))
        with growing.announced():
            assert is_growing(searched.folder)
            assert not growing.has_more_slots
            launcher.given["slots"] = 3
            assert growing.has_more_slots
            assert growing.more(1) == [1, 2]
            assert not growing.has_more_slots
            assert is_growing(searched.folder)
            assert growing.more(2) == [3]
            assert not is_growing(searched.folder)
        with growing.announced():  # of one that goes on with nothing left to choose
            assert not is_growing(searched.folder)


def test_points_that_cannot_be_recorded_are_not_launched(searched: App) -> None:
    app = composed_app(searched.folder / "conf", "config", ["hydra/sweeper=herd", *SPACE, sampler(9)])
    with hydra_config(app.config):
        search = Search(app, SPACE[:1], read_settings(app.config.hydra.sweeper))
        validator = Validator(app, searched.folder)
        taken: list[Any] = []
        growing = Growing(search, Launcher(slots=2), validator, searched.folder, [taken.append])
        growing.begun(RunPlan((), ()), ())
        SweepPaths(searched.folder).trials.mkdir(parents=True)  # so that it cannot be replaced
        with pytest.raises(SweepError, match="trials that were chosen cannot be recorded in"):
            growing.more(0)
        assert not taken


def test_hydras_own_launcher_gets_one_trial_after_the_other_and_others_batches() -> None:
    basic, joblib = type("BasicLauncher", (), {})(), type("JoblibLauncher", (), {})()
    one = HydraLauncher(basic, lambda job: False, max_block=4)
    several = HydraLauncher(joblib, lambda job: False, max_block=4)
    assert (one.slots, one.takes_batches) == (1, False)
    assert (several.slots, several.takes_batches) == (4, True)


@pytest.mark.slow
def test_another_launcher_gets_batches_and_is_told_so(searched: App) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    refused = searched.run("-m", "hydra/sweeper=herd", "hydra/launcher=joblib", *SPACE, sampler(5))
    assert "give the number of trials in one as hydra.sweeper.max_batch_size" in refused.stderr + refused.stdout
    sweep = searched.sweep(*SPACE, "hydra/launcher=joblib", "hydra.sweeper.max_batch_size=2", sampler(5))
    assert set(sweep.states.values()) == {"completed"}
    assert "runs trials in batches of 2" in sweep.done.stdout
    assert [trial.asked["after"] for trial in sweep.planned] == [[], [], [0, 1], [], [2, 3]]


@pytest.mark.slow
def test_no_more_points_are_chosen_than_their_seeds_need_to_fill_the_slots(searched: App) -> None:
    sweep = searched.sweep(*SPACE, *POOL, "hydra.sweeper.seeds=2", sampler(2))
    assert "2 trials, 2 to run" in sweep.done.stdout
    assert "search: 2 points (4 trials) by TPESampler, 2 trials at once" in sweep.done.stdout
    assert "all points are chosen before" not in sweep.done.stdout
    assert set(sweep.states.values()) == {"completed"}
    assert [asked.point for asked, _ in by_point(read_planned(sweep.dir)).values()] == [0, 2]


@pytest.mark.slow
def test_pruned_points_are_told_so_and_so_are_their_seeds(app: App) -> None:
    app.write("""
        from hyperherd import log_metrics
        for step in range(1, 10):
            log_metrics({"loss": abs(cfg.lr - 0.3) + 1 / step}, step=step)
    """, CONFIG)  # fmt: skip
    pruner = "hydra.sweeper.pruner={name: asha, min_steps: 3, max_steps: 9, by: config}"
    sweep = app.sweep(*SPACE, *POOL[:1], "hydra.launcher.max_parallel=1", "hydra.sweeper.seeds=2", sampler(6), pruner)
    pruned = {trial.number for trial in sweep.planned if sweep.states.get(trial.number, "pruned") == "pruned"}
    assert pruned
    assert pruned >= set(range(12)) - set(sweep.states)  # the seeds that never began
    told = [point for asked, _ in by_point(sweep.planned).values() for point in asked.after]
    assert told == [0, 2, 4, 6, 8]


def test_cancelling_all_that_runs_ends_the_search(searched: App, tmp_path: Path) -> None:
    process = searched.start(
        "-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *SPACE, *POOL, sampler(9, enqueue="[{lr: 0.7}, {lr: 0.9}]"),
        WAIT_FOR=str(tmp_path / "never"),
    )  # fmt: skip
    wait_for(process, "trial 1 started")
    requests = searched.folder / "s" / ".hyperherd" / "requests"
    requests.mkdir(exist_ok=True)
    (requests / "new").write_text(json.dumps({"cancel": [0, 1]}))
    (requests / "new").rename(requests / "cancel-0.json")
    out, _ = process.communicate()
    assert process.returncode == 1
    assert "the search asks for no more trials" in out
    assert len(read_planned(searched.folder / "s")) == 2
