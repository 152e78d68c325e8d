"""Hydra's own contract suite for launchers, run on ours on a real Slurm."""

from __future__ import annotations

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

# Hydra's fixtures put its registries back to what they were before each test: the plugins have to be in them.
Plugins.instance()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("slurm", "unversioned_hydra"),
    pytest.mark.filterwarnings(
        "ignore::UserWarning:hydra", "ignore:Future Hydra versions:UserWarning", "ignore::pytest.PytestWarning"
    ),
]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("herd_slurm", ["hydra.launcher.poll_s=2"])])
class TestUnderHydrasSweeper(LauncherTestSuite):
    """What Hydra expects of any launcher."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=herd_slurm"])])
class TestIntegration(IntegrationTestSuite):
    """Whole apps, started as commands."""
