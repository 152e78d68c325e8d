"""Trials that prune themselves in jobs of LSF."""

from __future__ import annotations

import pytest
from conftest import App
from lsf.emulator.site import Site
from pruning.same import swept

pytestmark = pytest.mark.slow


def test_the_same_trials_survive_as_without_a_cluster(app: App, lsf: Site) -> None:
    swept(app, "hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2", "hydra.launcher.workers=1")
