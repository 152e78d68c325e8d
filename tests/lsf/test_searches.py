"""A search on the cluster: as in the pool, the next trial is chosen and submitted as soon as one has ended."""

from __future__ import annotations

import pytest
from conftest import App
from lsf.emulator.site import Site
from search_sweeps import check_that_no_slot_is_idle

pytest.importorskip("optuna")


@pytest.mark.slow
@pytest.mark.parametrize("slots", ["array_parallelism=2", "workers=2"])
def test_a_trial_that_takes_long_keeps_no_other_slot_idle(app: App, lsf: Site, slots: str) -> None:
    options = (f"hydra.launcher.{slots}", "hydra.launcher.poll_s=2")
    check_that_no_slot_is_idle(app, "hydra/launcher=herd_lsf", *options)
