"""Distributed training in a job: ranks start once, whoever starts them, and are one trial; jobs that come back."""

from __future__ import annotations

import json

import pytest
from conftest import App, skip_unless_installed
from ranks import LIGHTNING, TORCH, TORCHRUN, assert_ranks_started_once
from real_slurm import Slurm
from waiting import PATIENCE, until

import hyperherd
from hyperherd.metrics.reader import read_metrics
from hyperherd.records.sweep import read_planned

pytestmark = pytest.mark.slow

ARGUMENTS = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.launcher.signal_delay_s=1"]

EXPORTED = """
    import submitit
    submitit.helpers.TorchDistributedEnvironment().export(overwrite=True)
    os.environ["MASTER_ADDR"] = "127.0.0.1"
"""
MEMORY = "hydra.launcher.mem_gb=3"
TWO_TASKS = ["hydra.launcher.tasks_per_node=2"]


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        pytest.param(EXPORTED + TORCH, TWO_TASKS, id="torch, ranks started by Slurm"),
        pytest.param(
            EXPORTED + TORCH,
            ["hydra.launcher.nodes=2"],
            id="torch, ranks on two nodes",
            marks=pytest.mark.needs("two nodes"),
        ),
        pytest.param(TORCHRUN, [], id="torchrun"),
    ],
)
def test_two_trials_of_two_ranks(app: App, slurm: Slurm, body: str, arguments: list[str]) -> None:
    skip_unless_installed("torch")
    app.write(body)
    sweep = app.sweep(*ARGUMENTS, MEMORY, *arguments, "lr=0.1,0.2", MASTER_ADDR="127.0.0.1")
    assert_ranks_started_once(app, sweep)


@pytest.mark.parametrize("arguments", [TWO_TASKS, []], ids=["ranks started by Slurm", "ranks started by itself"])
def test_lightning_on_two_ranks(app: App, slurm: Slurm, arguments: list[str]) -> None:
    skip_unless_installed("pytorch_lightning")
    app.write(LIGHTNING)
    sweep = app.sweep(*ARGUMENTS, MEMORY, *arguments, "lr=0.1", MASTER_ADDR="127.0.0.1")
    assert_ranks_started_once(app, sweep, [0.1])


def test_a_rank_that_fails_is_the_cause_of_its_trials_end(app: App, slurm: Slurm) -> None:
    """Rank 0 is told to end then, which looks to it as if somebody had cancelled the trial."""
    app.write("""
        if os.environ["SLURM_PROCID"] == "0": time.sleep(600)
        while not os.path.exists(os.path.join(os.environ["HYPERHERD_TRIAL_DIR"], ".hyperherd", "trial.json")):
            time.sleep(0.1)
        if cfg.width == 0: raise ValueError("boom of a rank")
        if cfg.width == 1: os._exit(3)
        os.kill(os.getpid(), 9)
    """)
    kill = 'hydra.launcher.srun_args=["--kill-on-bad-exit=1"]'
    sweep = app.sweep(*ARGUMENTS, *TWO_TASKS, kill, "width=range(3)", code=1)
    ended = {trial.number: (str(trial.state), str(trial.cause), trial.reason) for trial in hyperherd.load(sweep.dir)}
    assert {number: end[:2] for number, end in ended.items()} == {
        0: ("failed", "exception"),
        1: ("failed", "exit"),
        2: ("failed", "signal"),
    }
    assert ended[0][2].startswith("rank 1: ValueError: boom of a rank; Slurm: FAILED")
    assert ended[1][2].startswith("Slurm: task 1: Exited with exit code 3; Slurm: FAILED")
    assert ended[2][2].startswith("Slurm: task 1: Killed; Slurm: FAILED")
    assert "3 failed" in sweep.done.stdout


COMES_BACK = """
    from pathlib import Path
    from hyperherd import log_result
    done = Path(HydraConfig.get().runtime.output_dir) / "done"
    first = int(done.read_text()) if done.exists() else 0
    for step in range(first, 100):
        log_result("step", step, step=step)
        done.with_name("next").write_text(str(step + 1))
        done.with_name("next").replace(done)  # a signal may come at any moment
        if step == 20: Path(f"ready-{cfg.width}").touch()
        if step < 40: time.sleep(0.05)
        elif os.environ["HYPERHERD_ATTEMPT"] == "0": time.sleep(600)
    Path(f"first-{cfg.width}").write_text(str(first))
"""


def test_a_job_that_is_warned_comes_back_in_the_same_directory(app: App, slurm: Slurm) -> None:
    """Width 0 is warned that its time is up, and again when it is back; 1 that it is preempted."""
    app.write(COMES_BACK)
    process = app.start(
        "-m",
        "hydra/sweeper=herd",
        *ARGUMENTS,
        "hydra.sweep.dir=s",
        "width=0,1",
        "hydra.launcher.max_num_timeout=1",
        "hydra.sweeper.conditions=[{when: {width: 1}, resources: {timeout_min: 30}}]",
        "hydra.launcher.timeout_min=5",
    )
    try:
        until(lambda: all((app.folder / f"ready-{width}").exists() for width in (0, 1)), process)
        jobs = [
            json.loads((app.folder / f"s/{number}/.hyperherd/trial.json").read_text())["job_id"] for number in (0, 1)
        ]
        for job in jobs:
            slurm.ask("scancel", "--signal=USR2", job)
        until(lambda: all(slurm.state(job) == "PENDING" for job in jobs), process)
        first = [json.loads((app.folder / f"s/{number}/.hyperherd/trial.json").read_text()) for number in (0, 1)]
        told, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert [(trial["state"], trial["cause"]) for trial in first] == [("failed", "timeout"), ("failed", "preempted")]
    assert "the job is requeued" in first[0]["error"]["message"]
    for trial in read_planned(app.folder / "s"):
        directory = app.folder / "s" / str(trial.dir)
        ended = json.loads((directory / ".hyperherd" / "trial.json").read_text())
        assert (ended["state"], ended["attempt"], ended["job_id"]) == ("completed", 1, jobs[trial.number])
        assert int((app.folder / f"first-{trial.number}").read_text()) > 20
        steps = [row["step"] for row in read_metrics(directory, ["step"]).to_pylist()]
        assert steps == list(range(100))


@pytest.mark.parametrize("warns", [True, False])
def test_a_preempted_job_comes_back(app: App, own: Slurm, warns: bool) -> None:
    """Slurm tells it by the signal that jobs are warned with, or where it is not set up for that, by SIGTERM."""
    app.write(COMES_BACK)
    if not warns:
        own.configure("preempt_send_user_signal", "no_backup_scheduling")
    process = app.start(
        *("-m", "hydra/sweeper=herd", *ARGUMENTS, "hydra.sweep.dir=s", "width=0"),
        *("hydra.launcher.partition=low", "hydra.launcher.nodelist=n1", "hydra.launcher.timeout_min=30"),
    )
    trial_json = app.folder / "s/0/.hyperherd/trial.json"
    try:
        until(lambda: (app.folder / "ready-0").exists(), process)
        job = json.loads(trial_json.read_text())["job_id"]
        own.ask("sbatch", "-w", "n1", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1")
        until(lambda: own.state(job) == "PENDING")
        first = json.loads(trial_json.read_text())
        told, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        if not warns:
            own.configure("no_backup_scheduling", "preempt_send_user_signal")
    assert process.returncode == 0, told
    assert (first["state"], first["cause"]) == (("failed", "preempted") if warns else ("cancelled", None))
    ended = json.loads(trial_json.read_text())
    assert (ended["state"], ended["attempt"], ended["job_id"]) == ("completed", 1, job)
    assert int((app.folder / "first-0").read_text()) > 20
