"""The defaults of options stand where people read them (conf/), where OmegaConf types them, and where we use them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from hyperherd import schemas
from hyperherd.launch.lsf.options import LsfParameters
from hyperherd.paths import conf_dir
from hyperherd.pruning.settings import _COMMON, _OF_RULES
from hyperherd.sweep.settings import SweepSettings, read_settings

SCHEMAS = {
    "sweeper/herd": schemas.HerdSweeperConf,
    "launcher/herd_local": schemas.HerdLocalLauncherConf,
    "launcher/herd_slurm": schemas.HerdSlurmLauncherConf,
    "launcher/herd_lsf": schemas.HerdLsfLauncherConf,
}


def defaults(schema: type) -> dict[str, Any]:
    options = dataclasses.asdict(schema())
    return {name: value for name, value in options.items() if not name.startswith("_")}


@pytest.mark.parametrize("preset", SCHEMAS)
def test_the_presets_show_every_option_with_its_default(preset: str) -> None:
    shown = yaml.safe_load((conf_dir() / f"hydra/{preset}.yaml").read_text())
    del shown["defaults"]
    assert shown == defaults(SCHEMAS[preset])


PRUNING = ("sweeper/herd_asha", "sweeper/herd_median")
"""Presets that add a pruner to another one."""


@pytest.mark.parametrize("preset", PRUNING)
def test_the_presets_of_pruners_are_valid(preset: str) -> None:
    shown = yaml.safe_load((conf_dir() / f"hydra/{preset}.yaml").read_text())
    assert shown.keys() == {"defaults", "pruner"}
    sweeper = OmegaConf.structured(schemas.HerdSweeperConf)
    objective = {"metric": "acc", "direction": "maximize"}
    settings = read_settings(OmegaConf.merge(sweeper, {"pruner": shown["pruner"], "objective": objective}))
    assert settings.pruner is not None
    rule = settings.pruner["name"]
    # Every key that one may set there is shown.
    assert shown["pruner"].keys() == {*_COMMON, *_OF_RULES[rule]}


def test_every_preset_has_a_schema() -> None:
    presets = {
        f"{path.parent.name}/{path.stem}"
        for path in conf_dir().glob("hydra/*/*.yaml")
        if path.parent.name in ("sweeper", "launcher")
    }
    assert presets == {*SCHEMAS, *PRUNING}


def test_an_untouched_sweeper_is_read_as_the_defaults_of_its_settings() -> None:
    assert read_settings(OmegaConf.structured(schemas.HerdSweeperConf)) == SweepSettings()
    ours = {item.name for item in dataclasses.fields(SweepSettings)} - {"policy"}
    policy = {"retry", "canary", "stop_after_failures", "stop_after_same_error"}
    of_the_first_version = {"parameters", "constraints", "hydra"}
    assert defaults(schemas.HerdSweeperConf).keys() == ours | policy | of_the_first_version


def test_lsf_has_the_same_defaults_through_submitit_as_through_hydra() -> None:
    submitit = {item.name: getattr(LsfParameters(), item.name) for item in dataclasses.fields(LsfParameters)}
    hydra = defaults(schemas.HerdLsfLauncherConf)
    different = {
        name: (value, hydra[name]) for name, value in submitit.items() if name in hydra and hydra[name] != value
    }
    assert different == {
        "cpus_per_task": (1, None),  # with submitit one slot; null leaves it to the queue
        "max_array_size": (1000, None),  # our launcher asks LSF
        "env": (None, {}),
    }
    assert submitit.keys() - hydra.keys() == {"job_name", "time"}  # `name` and `timeout_min` there
    shared = {item.name for item in dataclasses.fields(schemas.ClusterLauncherConf)}
    assert hydra.keys() - submitit.keys() - shared == {"timeout_min"}
