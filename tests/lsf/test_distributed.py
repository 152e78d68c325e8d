"""Distributed training in a job of LSF: ranks start once, whoever starts them, and are one trial; one writes."""

from __future__ import annotations

import pytest
from conftest import App, skip_unless_installed
from lsf.emulator.site import Site
from ranks import LIGHTNING, TORCH, TORCHRUN, assert_ranks_started_once

import hyperherd

TWO_TASKS = ("hydra.launcher.tasks_per_node=2",)


LAUNCHER = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        pytest.param(TORCH, TWO_TASKS, id="torch, ranks started by the job"),
        pytest.param(TORCHRUN, (), id="torchrun"),
    ],
)
@pytest.mark.needs("two slots on a host")
def test_two_trials_of_two_ranks(app: App, lsf: Site, body: str, arguments: tuple[str, ...]) -> None:
    skip_unless_installed("torch")
    app.write(body)
    sweep = app.sweep(*LAUNCHER, *arguments, "lr=0.1,0.2", OMP_NUM_THREADS="1")
    assert_ranks_started_once(app, sweep)
    assert len({str(record.job_id) for record in sweep.records.values()}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [TWO_TASKS, ()], ids=["ranks started by the job", "ranks started by itself"])
@pytest.mark.needs("two slots on a host")
def test_lightning_on_two_ranks(app: App, lsf: Site, arguments: tuple[str, ...]) -> None:
    skip_unless_installed("pytorch_lightning")
    app.write(LIGHTNING)
    assert_ranks_started_once(app, app.sweep(*LAUNCHER, *arguments, "lr=0.1", OMP_NUM_THREADS="1"), [0.1])


@pytest.mark.slow
@pytest.mark.needs("two slots on a host")
def test_a_rank_that_fails_is_the_cause_of_its_trials_end(app: App, lsf: Site) -> None:
    app.write("""
        if os.environ["RANK"] == "0": time.sleep(600)
        raise ValueError("boom of a rank")
    """)
    launcher = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=1", "+hydra.launcher.env.HYPERHERD_LSF_GRACE_S=0.1")
    sweep = app.sweep(*launcher, *TWO_TASKS, "width=1", code=1)
    (trial,) = hyperherd.load(sweep.dir)
    assert (str(trial.state), str(trial.cause)) == ("failed", "exception")
    assert trial.reason.startswith("rank 1: ValueError: boom of a rank; LSF: ")
    (log,) = (sweep.dir / ".hyperherd" / "submitit").glob("*_0_log.err")
    assert "rank 1 of the job exited with code 1" in log.read_text()
