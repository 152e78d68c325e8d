"""A launcher of ours under another sweeper says once what it lacks there."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from omegaconf import OmegaConf

from hyperherd.launch.plugin import HerdLauncher


class Ran:
    def launch(self, job_overrides: Any, initial_job_idx: int) -> list[Any]:
        return [(initial_job_idx, *job) for job in job_overrides]


class OfACluster(HerdLauncher):
    preset = "herd_slurm"

    def trial_launcher(self) -> Ran:
        return Ran()


@pytest.mark.parametrize(
    ("sweeper", "notes"),
    [
        ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper", 1),
        ("hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper", 0),
    ],
)
def test_under_the_basic_sweeper_there_is_one_note(sweeper: str, notes: int, caplog: pytest.LogCaptureFixture) -> None:
    choices = {"choices": {"hydra/launcher": "herd_slurm"}}
    launcher = OfACluster()
    launcher.setup(
        hydra_context=None,  # type: ignore[arg-type] - not looked at
        task_function=print,
        config=OmegaConf.create({"hydra": {"sweeper": {"_target_": sweeper}, "runtime": choices}}),
    )
    with caplog.at_level(logging.WARNING, "hyperherd"):
        assert launcher.launch([["lr=1"]], 0) == [(0, "lr=1")]
        assert launcher.launch([["lr=2"]], 1) == [(1, "lr=2")]
    said = [record.getMessage() for record in caplog.records if "hydra/sweeper=herd" in record.getMessage()]
    assert len(said) == notes
    assert all("hydra/launcher=herd_slurm runs under Hydra's basic sweeper" in text for text in said)
