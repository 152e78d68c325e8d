"""A distributed fit inside a trial: its ranks are started once, join the trial, and leave nothing for the next one."""

from __future__ import annotations

import pytest
from conftest import App, skip_unless_installed
from ranks import LIGHTNING, TORCHRUN, assert_ranks_started_once


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "launcher"),
    [
        pytest.param(LIGHTNING, "basic", id="Lightning, one process for all trials"),
        pytest.param(LIGHTNING, "herd_local", id="Lightning, a process for each trial"),
        pytest.param(TORCHRUN, "herd_local", id="torchrun"),
    ],
)
def test_two_trials_of_two_ranks(app: App, body: str, launcher: str) -> None:
    skip_unless_installed("pytorch_lightning")
    app.write(body)
    assert_ranks_started_once(app, app.sweep("lr=0.1,0.2", f"hydra/launcher={launcher}", OMP_NUM_THREADS="1"))
