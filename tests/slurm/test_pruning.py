"""Trials that prune themselves in jobs of Slurm."""

from __future__ import annotations

import pytest
from conftest import App
from pruning.same import paused, swept
from real_slurm import Slurm

pytestmark = pytest.mark.slow


def test_the_same_trials_survive_as_without_a_cluster(app: App, slurm: Slurm) -> None:
    swept(app, "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.launcher.workers=1")


def test_a_paused_trial_runs_on_in_a_job_of_its_own(app: App, slurm: Slurm) -> None:
    paused(app, "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.launcher.array_parallelism=1")
