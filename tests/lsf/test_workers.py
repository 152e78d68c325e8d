"""Workers on LSF: jobs that claim trials one after another."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import pytest
from conftest import App
from lsf.emulator.site import Site
from real_slurm import own_slurm, reason_to_skip
from waiting import PATIENCE, until
from worker_sweeps import NOTES, jobs_of, ran

from hyperherd.records.workers.ledger import Roster
from hyperherd.sweep.cancel import cancel

pytestmark = pytest.mark.slow

LSF = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2", "hydra.launcher.workers=2")


def test_workers_share_the_trials(app: App, lsf: Site) -> None:
    app.write(NOTES)
    sweep = app.sweep(*LSF, "width=range(9)", "hydra.launcher.trials_per_worker=2")
    assert ran(app) == [f"{width} 0" for width in range(9)]
    assert sweep.states == dict.fromkeys(range(9), "completed")
    assert jobs_of(sweep.dir) == 2
    base = {str(record.job_id).partition("_")[0] for record in sweep.records.values()}
    assert len(base) == 1


def test_a_worker_that_is_killed_is_replaced_and_its_trial_runs_again(app: App, lsf: Site) -> None:
    app.write(NOTES + "    while cfg.width == 1 and not Path('go').exists(): time.sleep(0.05)\n")
    given = (*LSF[:2], "hydra.launcher.workers=1", "hydra.sweeper.retry=1")
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *given, "width=range(4)")
    sweep_dir = app.folder / "s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    roster = Roster(sweep_dir)
    roster.news()
    [worker] = roster.workers.values()
    (app.folder / "go").touch()
    os.kill(int(worker.pid or 0), signal.SIGKILL)
    told, _ = process.communicate(timeout=PATIENCE)
    assert "4 completed" in told
    assert jobs_of(sweep_dir) == 2


def test_a_trial_is_cancelled_and_its_worker_goes_on(app: App, lsf: Site) -> None:
    app.write(NOTES + "    while cfg.width == 1 and not Path('go').exists(): time.sleep(0.05)\n")
    left = app.sweep(*LSF[:2], "hydra.launcher.workers=1", "hydra.launcher.wait=false", "width=range(4)")
    until(lambda: left.states.get(1) == "running")
    assert cancel(left.dir, {1, 3}).numbers == (1, 3)
    until(lambda: left.states.get(2) == "completed")
    assert left.states == {0: "completed", 1: "cancelled", 2: "completed"}
    assert jobs_of(left.dir) == 1


def test_jobs_of_two_schedulers_and_a_worker_by_hand_share_a_sweep(app: App, site: Site) -> None:
    """One of them is in an emulated cluster, one in a real Slurm, and one is started here."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    work = f"{shlex.quote(sys.executable)} -m hyperherd.cli work {shlex.quote(str(app.folder / 's'))}"
    app.write(
        NOTES
        + """
    with open("by", "a") as file:
        file.write(f"{'SLURM_JOB_ID' in os.environ} {'LSB_JOBID' in os.environ}\\n")
    while len(set(Path("by").read_text().splitlines())) < 3: time.sleep(0.05)
"""
    )
    with own_slurm() as slurm:
        given = ("hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.launcher.workers=1")
        command = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *given, "width=range(12)")
        process = app.start(*command, **slurm.environment)
        until((app.folder / "by").exists, process)
        site.submit(f"#!/bin/bash\n{work}\n", "-cwd", str(app.folder))
        by_hand = subprocess.Popen(shlex.split(work), cwd=app.folder)
        told, _ = process.communicate(timeout=PATIENCE)
        assert by_hand.wait(timeout=PATIENCE) == 0
    assert "12 completed" in told
    assert ran(app) == sorted(f"{width} 0" for width in range(12))
    assert set((app.folder / "by").read_text().splitlines()) == {"True False", "False True", "False False"}
