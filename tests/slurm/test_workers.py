"""Workers on a real Slurm: jobs that claim trials one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import starting
from conftest import App, wait_for
from real_slurm import Slurm
from waiting import PATIENCE, until
from worker_sweeps import NOTES, jobs_of, ran

from hyperherd import load
from hyperherd.records.trial import TrialRecord
from hyperherd.records.workers.ledger import Roster

pytestmark = pytest.mark.slow

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2"]


def test_workers_share_the_trials(app: App, slurm: Slurm) -> None:
    app.write(NOTES)
    sweep = app.sweep(*HERD, "width=range(9)", "hydra.launcher.workers=2", "hydra.launcher.trials_per_worker=2")
    assert ran(app) == [f"{width} 0" for width in range(9)]
    assert sweep.states == dict.fromkeys(range(9), "completed")
    assert jobs_of(sweep.dir) == 2
    assert len({record.job_id for record in sweep.records.values()}) <= 2
    assert "9 completed" in sweep.done.stdout


WAIT = NOTES + "    while cfg.width in (1, 2) and not Path('go').exists(): time.sleep(0.05)\n"
"""Trials 1 and 2 last until there is a file."""


def started(app: App, *arguments: str) -> subprocess.Popen[str]:
    return app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *HERD, *arguments)


def cancel(*arguments: str) -> str:
    done = starting.run([sys.executable, "-m", "hyperherd.cli", "cancel", *arguments], text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(sweep_dir: Path) -> dict[int | None, str]:
    return {trial.number: str(trial.state) for trial in load(sweep_dir)}


def test_one_trial_is_cancelled_and_its_worker_goes_on(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    sweep_dir = app.folder / "multirun/s"
    process = started(app, "width=range(5)", "hydra.launcher.workers=1", "hydra.launcher.trials_per_worker=2")
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 3, process)
    assert cancel(str(sweep_dir), "--only", "1,4") == "cancelled 2 trials: 1, 4\n"
    (app.folder / "go").touch()
    told, _ = process.communicate(timeout=PATIENCE)
    assert "3 completed, 2 cancelled" in told
    assert states(sweep_dir) == {0: "completed", 1: "cancelled", 2: "completed", 3: "completed", 4: "cancelled"}
    assert jobs_of(sweep_dir) == 1


def test_a_sweep_that_does_not_wait_is_cancelled_in_its_workers(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "width=range(5)", "hydra.launcher.workers=1")
    until(lambda: left.states.get(1) == "running")
    assert cancel(str(left.dir), "--only", "3") == "cancelled 1 trial: 3\n"
    assert cancel(str(left.dir), "--only", "1") == "cancelled 1 trial: 1\n"
    until(lambda: left.states.get(2) == "running")
    assert cancel(str(left.dir)) == "cancelled 2 trials: 2, 4\n"
    assert states(left.dir) == {0: "completed", 1: "cancelled", 2: "cancelled", 3: "cancelled", 4: "cancelled"}
    (app.folder / "go").touch()
    again = app.sweep(*HERD, "width=range(5)", "hydra.launcher.workers=1")
    assert again.states == dict.fromkeys(range(5), "completed")
    assert ran(app) == ["0 0", "1 0", "1 1", "2 0", "2 1", "3 0", "4 0"]


def test_each_kind_of_resources_has_workers_of_its_own(app: App, slurm: Slurm) -> None:
    app.write(
        NOTES
        + """
    with open("memory", "a") as file: file.write(f"{cfg.width} {os.environ['SLURM_MEM_PER_NODE']}\\n")
    if os.environ["HYPERHERD_ATTEMPT"] == "0": os.kill(os.getpid(), 9)
"""
    )
    more = "hydra.sweeper.conditions=[{when: {width: [1, 2]}, resources: {mem_gb: 2}}]"
    given = ["hydra.launcher.workers=1", "hydra.launcher.mem_gb=1", "hydra.sweeper.retry={signal: 1}"]
    sweep = app.sweep(*HERD, "width=range(4)", more, *given)
    assert ran(app) == [f"{width} {attempt}" for width in range(4) for attempt in (0, 1)]
    memory = set((app.folder / "memory").read_text().splitlines())
    assert memory == {"0 1024", "1 2048", "2 2048", "3 1024"}
    assert jobs_of(sweep.dir) == 2


def test_a_job_that_is_killed_costs_its_trial_and_no_other(app: App, slurm: Slurm) -> None:
    app.write(NOTES + "    if cfg.width == 1 and os.environ['HYPERHERD_ATTEMPT'] == '0': time.sleep(600)\n")
    process = started(app, "width=range(4)", "hydra.launcher.workers=1", "hydra.sweeper.retry=1")
    sweep_dir = app.folder / "multirun/s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    roster = Roster(sweep_dir)
    roster.news()
    [worker] = roster.workers.values()
    os.kill(int(worker.pid or 0), signal.SIGKILL)
    told, _ = process.communicate(timeout=PATIENCE)
    assert "4 completed" in told
    assert ran(app) == ["0 0", "1 0", "1 1", "2 0", "3 0"]
    assert jobs_of(sweep_dir) == 2


def test_whoever_cancels_the_jobs_of_all_workers_ends_the_sweep(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    process = started(app, "width=range(5)", "hydra.launcher.workers=1", "hydra.sweeper.retry=1")
    sweep_dir = app.folder / "multirun/s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    slurm.ask("scancel", str(TrialRecord.read(sweep_dir / "1").job_id))
    told, _ = process.communicate(timeout=PATIENCE)
    assert "1 completed, 4 cancelled" in told
    assert ran(app) == ["0 0", "1 0"]


def test_a_sweep_that_was_killed_is_resumed_with_the_workers_it_had(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    arguments = ["width=range(6)", "hydra.launcher.workers=1"]
    process = started(app, *arguments)
    sweep_dir = app.folder / "multirun/s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    process.kill()
    process.communicate()
    refused = app.sweep(*HERD, "width=range(6)", code=1)
    assert "workers run trials 1 of" in refused.done.stderr
    again = started(app, *arguments)
    wait_for(again, "already submitted")
    (app.folder / "go").touch()
    told, _ = again.communicate(timeout=PATIENCE)
    assert "6 completed" in told
    assert ran(app) == [f"{width} 0" for width in range(6)]
    assert jobs_of(sweep_dir) == 1


def test_stop_policies_and_a_canary(app: App, slurm: Slurm) -> None:
    app.write(NOTES + "    if cfg.width in (0, 3): raise ValueError('boom')\n")
    stop = ["hydra.launcher.workers=1", "hydra.sweeper.canary=1"]
    sweep = app.sweep(*HERD, "width=range(3)", *stop, code=1)
    assert "a canary trial failed" in sweep.done.stderr + sweep.done.stdout
    assert ran(app) == ["0 0"]
    (app.folder / "ran").unlink()
    stop = ["hydra.launcher.workers=1", "hydra.sweeper.canary=1", "hydra.sweeper.stop_after_failures=1"]
    sweep = app.sweep(*HERD, "width=1,2,3,4,5,6,7", *stop, to="multirun/t", code=1)
    assert "cancelled" in sweep.done.stdout
    assert ran(app)[:3] == ["1 0", "2 0", "3 0"]
    assert jobs_of(sweep.dir) == 1


def test_a_worker_ends_before_its_time_is_up_and_another_goes_on(app: App, slurm: Slurm) -> None:
    app.write(NOTES + "    time.sleep(8)\n")  # it claims trials for 80 s of its two minutes
    few = ["hydra.launcher.workers=1", "hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=5"]
    sweep = app.sweep(*HERD, "width=range(2)", *few, "hydra.launcher.trial_time_min=1.2")
    assert ran(app) == ["0 0", "1 0"]
    assert jobs_of(sweep.dir) == 2


def test_a_requeued_worker_and_one_by_hand_share_what_is_left(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    process = started(app, "width=range(6)", "hydra.launcher.workers=1")
    sweep_dir = app.folder / "multirun/s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    record = TrialRecord.read(sweep_dir / "1")
    slurm.ask("scontrol", "requeue", str(record.job_id))
    until(lambda: not Path(f"/proc/{record.pid}").exists(), process)  # else it could still complete
    by_hand = subprocess.Popen([sys.executable, "-m", "hyperherd.cli", "work", str(sweep_dir)], cwd=app.folder)
    (app.folder / "go").touch()
    told, _ = process.communicate(timeout=PATIENCE)
    assert "6 completed" in told
    assert by_hand.wait(timeout=PATIENCE) == 0
    assert ran(app) == ["0 0", "1 0", "1 1", "2 0", "3 0", "4 0", "5 0"]


@pytest.mark.needs("partition low, preempted by main")
def test_a_worker_that_is_preempted_comes_back(app: App, slurm: Slurm) -> None:
    app.write(WAIT)
    low = ("hydra.launcher.partition=low", "hydra.launcher.nodelist=n1", "hydra.launcher.timeout_min=30")
    process = started(app, "width=range(4)", "hydra.launcher.workers=1", *low)
    sweep_dir = app.folder / "multirun/s"
    until(lambda: (app.folder / "ran").exists() and len(ran(app)) == 2, process)
    job = str(TrialRecord.read(sweep_dir / "1").job_id)
    slurm.ask("sbatch", "--partition=main", "--nodelist=n1", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
    until(lambda: slurm.state(job) != "RUNNING", process)
    (app.folder / "go").touch()
    told, _ = process.communicate(timeout=PATIENCE)
    assert "4 completed" in told
    assert ran(app) == ["0 0", "1 0", "1 1", "2 0", "3 0"]
    assert jobs_of(sweep_dir) == 1


def test_what_workers_cannot_do_is_refused_by_name(app: App, slurm: Slurm) -> None:
    for arguments, text in (
        (["hydra.launcher.tasks_per_node=2"], "tasks_per_node has to be 1"),
        (["hydra.launcher.trial_time_min=90"], "hydra.launcher.trial_time_min: a worker claims trials for"),
        (["hydra.launcher.workers=null", "hydra.launcher.trials_per_worker=2"], "set hydra.launcher.workers, too"),
    ):
        refused = app.sweep(*HERD, "width=range(2)", "hydra.launcher.workers=1", *arguments, code=1)
        assert text in refused.done.stderr
    basic = app.run("-m", *HERD, "width=1,2", "hydra.launcher.workers=1")
    assert "hydra.launcher.workers needs hydra/sweeper=herd" in basic.stderr
