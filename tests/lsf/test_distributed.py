"""Distributed training in a job of LSF: ranks start once, whoever starts them, and are one trial; one writes."""

from __future__ import annotations

import pytest
from conftest import App
from lsf.emulator.site import Site
from ranks import LIGHTNING, TORCH, TORCHRUN, assert_ranks_started_once

TWO_TASKS = ("hydra.launcher.tasks_per_node=2",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        pytest.param(LIGHTNING, TWO_TASKS, id="Lightning, ranks started by the job"),
        pytest.param(LIGHTNING, (), id="Lightning, ranks started by itself"),
        pytest.param(TORCH, TWO_TASKS, id="torch, ranks started by the job"),
        pytest.param(TORCHRUN, (), id="torchrun"),
    ],
)
@pytest.mark.needs("two slots on a host")
def test_two_trials_of_two_ranks(app: App, lsf: Site, body: str, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("pytorch_lightning")
    app.write(body)
    launcher = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2", *arguments)
    sweep = app.sweep(*launcher, "lr=0.1,0.2", OMP_NUM_THREADS="1")
    assert_ranks_started_once(app, sweep)
    assert len({str(record.job_id) for record in sweep.records.values()}) == 2
