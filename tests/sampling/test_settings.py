from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from hyperherd.errors import SweepError
from hyperherd.sampling.settings import read_sampler
from hyperherd.schemas import HerdSweeperConf
from hyperherd.sweep.settings import SweepSettings, read_settings

OBJECTIVE = {"metric": "loss", "direction": "minimize"}


def test_what_is_asked_for() -> None:
    assert read_sampler(None) is None
    asked = read_sampler({"trials": 60})
    assert asked is not None
    assert (asked.sampler, asked.trials, asked.startup, asked.seed) == ("TPESampler", 60, None, None)
    asked = read_sampler(
        {"name": "gp", "trials": 60, "startup": 5, "seed": 7, "options": {"deterministic_objective": True}}
    )
    assert asked is not None
    assert (asked.sampler, asked.startup, asked.seed) == ("GPSampler", 5, 7)
    assert asked.options == {"deterministic_objective": True}


def test_a_config_of_hydras_own_sweeper_for_optuna_is_understood() -> None:
    asked = read_sampler({"_target_": "optuna.samplers.TPESampler", "seed": 123, "n_startup_trials": 4, "trials": 20})
    assert asked is not None
    assert (asked.sampler, asked.seed, asked.options, asked.shown) == ("TPESampler", 123, {"n_startup_trials": 4}, 4)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, 10),
        ({"startup": 3}, 3),
        ({"options": {"n_startup_trials": 0}}, 1),
        ({"name": "qmc"}, 1),
        ({"name": "random"}, 10),
        ({"name": "cmaes", "enqueue": [{"lr": 1}, {"lr": 2}]}, 2),
        ({"trials": 5}, 5),
    ],
)
def test_a_preview_shows_the_points_that_follow_from_no_result(given: dict[str, Any], shown: int) -> None:
    asked = read_sampler({"trials": 60, **given})
    assert asked is not None
    assert asked.shown == shown
    assert asked.learns == (asked.sampler not in ("QMCSampler", "RandomSampler"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("tpe", "expected a map such as"),
        ({"name": "tpe"}, "sampler.trials is missing"),
        ({"name": "tep", "trials": 5}, "did you mean 'tpe'"),
        ({"trials": 0}, "sampler.trials is 0; expected a whole number from 1 up"),
        ({"trials": 2.5}, "sampler.trials is 2.5"),
        ({"trials": True}, "sampler.trials is True"),
        ({"trials": 5, "seed": -1}, "sampler.seed is -1; expected a whole number from 0 up"),
        ({"n_trials": 5}, "no key 'n_trials' .did you mean trials"),
        ({"trials": 5, "n_jobs": 4}, "did you mean hydra.launcher.max_parallel"),
        ({"trials": 5, "n_ei_candidates": 4}, "go into hydra.sweeper.sampler.options"),
        ({"trials": 5, "options": [1]}, "expected a map of arguments"),
        ({"name": "random", "trials": 5, "startup": 3}, "RandomSampler does not begin with points drawn evenly"),
        ({"trials": 5, "startup": 3, "options": {"n_startup_trials": 3}}, "two names of one key"),
        ({"trials": 5, "options": {"n_startup_trials": "many"}}, "n_startup_trials is 'many'; expected a whole number"),
        ({"_target_": "os.system", "trials": 5}, "expected a class of optuna.samplers"),
        ({"_target_": "optuna.samplers.TPESampler", "name": "tpe", "trials": 5}, "both name and _target_"),
        ({"trials": 5, "enqueue": {"lr": 1}}, "expected a list of points"),
        (
            {"trials": 1, "enqueue": [{"lr": 1}, {"lr": 2}]},
            "enqueue has 2 points, and .*.trials is 1",
        ),
        ({"trials": 5, "from": [1]}, "expected the folder of an earlier sweep"),
    ],
)
def test_what_is_no_sampler_is_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        read_sampler(given)


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"grid": "all"}, "hydra.sweeper.grid and hydra.sweeper.sampler cannot be combined"),
        ({"zip": [["a", "b"]]}, "hydra.sweeper.zip and"),
        ({"grids": [{}]}, "hydra.sweeper.grids and"),
        ({"sample": 5}, "hydra.sweeper.sample and hydra.sweeper.sampler cannot be combined, because hydra.sweeper.sam"),
        ({"max_trials": 5}, "hydra.sweeper.max_trials and"),
        ({"order": "random"}, "hydra.sweeper.order and"),
        ({"only": "failed"}, "hydra.sweeper.only and"),
        ({"canary": 2}, "hydra.sweeper.canary and"),
        ({"decide": {"delta": 1, "budget": 9}, "seeds": 2}, "hydra.sweeper.decide and"),
        ({"parameters": {"lr": {"values": [1]}}}, "hydra.sweeper.parameters and"),
        ({"objective": None}, "sampler needs hydra.sweeper.objective"),
        ({"objective": [OBJECTIVE, OBJECTIVE]}, "objective has the metric .* twice"),
    ],
)
def test_what_cannot_stand_beside_a_sampler_is_refused_by_name(beside: dict[str, Any], message: str) -> None:
    given = {"objective": OBJECTIVE, "sampler": {"trials": 5}, **beside}
    with pytest.raises(SweepError, match=message):
        read_settings(OmegaConf.merge(OmegaConf.structured(HerdSweeperConf), given))  # type: ignore[arg-type]


SPEED = {"metric": "speed", "direction": "maximize"}


def read(**given: Any) -> SweepSettings:
    return read_settings(OmegaConf.merge(OmegaConf.structured(HerdSweeperConf), given))  # type: ignore[arg-type]


def test_several_objectives_are_read() -> None:
    found = read(objective=[OBJECTIVE, SPEED], sampler={"trials": 5})
    assert (found.objective, found.one_objective) == ((OBJECTIVE, SPEED), None)
    one = read(objective=[OBJECTIVE])
    assert (one.objective, one.one_objective) == ((OBJECTIVE,), OBJECTIVE)
    pruned = read(objective=[OBJECTIVE, SPEED], pruner={"name": "asha", "min_steps": 1, "metric": "speed"})
    assert pruned.pruner == {"name": "asha", "min_steps": 1, **SPEED}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": []}, "objective is an empty list"),
        ({"objective": [OBJECTIVE, "speed"]}, r"objective\[1\] is 'speed'; expected a map"),
        (
            {"objective": {"metric": ["a", "b"], "direction": "minimize"}},
            "objective.metric is a list; several objectiv",
        ),
        ({"objective": [OBJECTIVE, {**SPEED, "direction": "max"}]}, r"objective\[1\].direction is 'max'"),
        (
            {"pruner": {"name": "asha", "min_steps": 1}},
            "pruner judges by one metric, and hydra.sweeper.objective has 2",
        ),
        ({"decide": {"delta": 1, "budget": 9}, "seeds": 2}, "decide looks for the one best .* to be a single one"),
        ({"notify": {"urls": ["json://localhost"], "on": ["new_best"]}}, "new_best tells of the one that leads"),
    ],
)
def test_what_several_objectives_do_not_allow_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        read(**{"objective": [OBJECTIVE, SPEED], **given})
