"""Hydra's own contract suites for plugin authors, run on our sweeper with the launchers a user may choose."""

from __future__ import annotations

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

# Hydra's fixtures put its registries back to what they were before each test: the plugins have to be in them.
Plugins.instance()

pytestmark = [
    pytest.mark.usefixtures("unversioned_hydra"),
    pytest.mark.filterwarnings(
        "ignore::UserWarning:hydra", "ignore:Future Hydra versions:UserWarning", "ignore::pytest.PytestWarning"
    ),
]

HERD = ["hydra/sweeper=herd"]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", HERD)])
class TestLauncherSuiteUnderHerd(LauncherTestSuite):
    """What Hydra expects of a launcher holds when our sweeper drives Hydra's."""

    # Since 1.4: it expects the exception of a failed job; our sweep reports it and exits with 1.
    test_failure_preserves_task_traceback = None


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", [*HERD, "hydra.sweeper.max_batch_size=2"])])
class TestBatches(BatchedSweeperTestSuite):
    """`max_batch_size` means what it means in Hydra."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", *HERD])])
class TestIntegration(IntegrationTestSuite):
    """Whole apps, started as commands."""

    # It runs one command twice in one directory and expects two runs; here the second has nothing left to do.
    test_to_absolute_path_multirun = None
