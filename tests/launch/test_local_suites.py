"""Hydra's own contract suite for launchers, run on ours with Hydra's sweeper and with our own."""

from __future__ import annotations

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

# Hydra's fixtures put its registries back to what they were before each test: the plugins have to be in them.
Plugins.instance()

pytestmark = [
    pytest.mark.usefixtures("unversioned_hydra"),
    pytest.mark.filterwarnings(
        "ignore::UserWarning:hydra", "ignore:Future Hydra versions:UserWarning", "ignore::pytest.PytestWarning"
    ),
]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("herd_local", [])])
class TestUnderHydrasSweeper(LauncherTestSuite):
    """What Hydra expects of any launcher."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("herd_local", ["hydra/sweeper=herd"])])
class TestUnderOurSweeper(LauncherTestSuite):
    """The same when our sweeper drives it trial by trial."""

    # Since 1.4: it expects the exception of a failed job; our sweep reports it and exits with 1.
    test_failure_preserves_task_traceback = None


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=herd_local"])])
class TestIntegration(IntegrationTestSuite):
    """Whole apps, started as commands."""
