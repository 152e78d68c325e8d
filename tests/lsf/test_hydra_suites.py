"""Hydra's own contract suite for launchers, run on herd_lsf with Hydra's sweeper and with our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import LauncherTestSuite

# Hydra's fixtures put its registries back to what they were before each test: the plugins have to be in them.
Plugins.instance()

pytestmark = [
    pytest.mark.usefixtures("lsf", "unversioned_hydra"),
    pytest.mark.filterwarnings(
        "ignore::UserWarning:hydra", "ignore:Future Hydra versions:UserWarning", "ignore::pytest.PytestWarning"
    ),
]


@pytest.fixture
def tmpdir(tmp_path: Path) -> Path:
    """A folder that the suite may remove, without the cluster beside it."""
    folder = tmp_path / "hydra"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("launcher_name", "overrides"), [("herd_lsf", [])])
class TestUnderHydrasSweeper(LauncherTestSuite):
    """What Hydra expects of any launcher."""


@pytest.mark.parametrize(("launcher_name", "overrides"), [("herd_lsf", ["hydra/sweeper=herd"])])
class TestUnderOurSweeper(LauncherTestSuite):
    """The same when our sweeper drives it trial by trial."""

    # Since 1.4: it expects the exception of a failed job; our sweep reports it and exits with 1.
    test_failure_preserves_task_traceback = None
