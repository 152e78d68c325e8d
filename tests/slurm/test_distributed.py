"""Distributed training in a job: ranks start once, whoever starts them, and are one trial; jobs that come back."""

from __future__ import annotations

import json

import pytest
from conftest import App
from real_slurm import Slurm, until

from hyperherd.metrics.reader import read_metrics
from hyperherd.records.sweep import read_planned

ARGUMENTS = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.launcher.signal_delay_s=1"]

LIGHTNING = """
    import torch, pytorch_lightning as pl
    from hyperherd_callbacks.lightning import HyperHerdStreamCallback
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__(); self.layer = torch.nn.Linear(1, 1)
        def training_step(self, batch, index):
            loss = self.layer(batch[0]).sum()
            self.log("loss", loss)
            return loss
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), cfg.lr)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), 1)
    trainer = pl.Trainer(max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
                         accelerator="cpu", devices=2, strategy="ddp", callbacks=[HyperHerdStreamCallback()],
                         default_root_dir=HydraConfig.get().runtime.output_dir)
    trainer.fit(Module(), data)
    name = f"rank-{trainer.global_rank}-of-{trainer.world_size}-lr-{cfg.lr}"
    open(f"{name}-{os.environ['HYPERHERD_ATTEMPT']}", "x").close()
"""
TORCH = """
    import submitit, torch, torch.distributed as dist
    submitit.helpers.TorchDistributedEnvironment().export(overwrite=True)
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    dist.init_process_group("gloo")
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    from hyperherd import log_result
    if dist.get_rank() == 0: log_result("total", float(total), step=0)
    name = f"rank-{dist.get_rank()}-of-{dist.get_world_size()}-lr-{cfg.lr}"
    open(f"{name}-{os.environ['HYPERHERD_ATTEMPT']}", "x").close()
"""
TORCHRUN = """
    import subprocess, textwrap
    program = '''
import os, torch, torch.distributed as dist
from hyperherd import log_result
dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
if dist.get_rank() == 0: log_result("total", float(total), step=0)
name = f"rank-{dist.get_rank()}-of-{dist.get_world_size()}-lr-{os.environ['LR']}"
open(f"{name}-{os.environ['HYPERHERD_ATTEMPT']}", "x").close()
dist.destroy_process_group()
'''
    open(f"program-{cfg.lr}.py", "w").write(textwrap.dedent(program))
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
                    f"program-{cfg.lr}.py"], check=True, env={**os.environ, "LR": str(cfg.lr)})
"""
MEMORY = "hydra.launcher.mem_gb=3"
TWO_TASKS = ["hydra.launcher.tasks_per_node=2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "arguments", "metric"),
    [
        pytest.param(LIGHTNING, TWO_TASKS, "loss", id="Lightning, ranks started by Slurm"),
        pytest.param(LIGHTNING, [], "loss", id="Lightning, ranks started by itself"),
        pytest.param(TORCH, TWO_TASKS, "total", id="torch, ranks started by Slurm"),
        pytest.param(TORCH, ["hydra.launcher.nodes=2"], "total", id="torch, ranks on two nodes"),
        pytest.param(TORCHRUN, [], "total", id="torchrun"),
    ],
)
def test_two_trials_of_two_ranks(app: App, slurm: Slurm, body: str, arguments: list[str], metric: str) -> None:
    pytest.importorskip("torch")
    app.write(body)
    sweep = app.sweep(*ARGUMENTS, MEMORY, *arguments, "lr=0.1,0.2", MASTER_ADDR="127.0.0.1")
    assert sweep.states == {0: "completed", 1: "completed"}
    ranks = sorted(path.name for path in app.folder.glob("rank-*"))
    assert ranks == [f"rank-{rank}-of-2-lr-{lr}-0" for rank in (0, 1) for lr in (0.1, 0.2)]
    assert sorted(path.name for path in (app.folder / "multirun").iterdir()) == ["s"]
    for number in (0, 1):
        rows = read_metrics(sweep.dir / str(number), [metric], raw=True).to_pylist()
        assert len(rows) == (4 if metric == "loss" else 1)
        assert [path.name for path in (sweep.dir / str(number) / ".hyperherd" / "attempts").iterdir()] == ["0"]
    if metric == "total":
        assert rows[0]["value"] == 3.0


COMES_BACK = """
    from pathlib import Path
    from hyperherd import log_result
    done = Path(HydraConfig.get().runtime.output_dir) / "done"
    first = int(done.read_text()) if done.exists() else 0
    for step in range(first, 100):
        log_result("step", step, step=step)
        done.write_text(str(step + 1))
        if step == 20: Path(f"ready-{cfg.width}").touch()
        if step < 40: time.sleep(0.05)
        elif os.environ["HYPERHERD_ATTEMPT"] == "0": time.sleep(100)
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
        until(lambda: all((app.folder / f"ready-{width}").exists() for width in (0, 1)) or process.poll() is not None)
        jobs = [
            json.loads((app.folder / f"s/{number}/.hyperherd/trial.json").read_text())["job_id"] for number in (0, 1)
        ]
        for job in jobs:
            slurm.ask("scancel", "--signal=USR2", job)
        until(lambda: all(slurm.state(job) == "PENDING" for job in jobs))
        first = [json.loads((app.folder / f"s/{number}/.hyperherd/trial.json").read_text()) for number in (0, 1)]
        told, _ = process.communicate(timeout=240)  # Slurm lets a requeued job wait, by default for two minutes
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert [(trial["state"], trial["cause"]) for trial in first] == [("failed", "timeout"), ("failed", "preempted")]
    assert "it goes back into the queue" in first[0]["error"]["message"]
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
        until(lambda: (app.folder / "ready-0").exists() or process.poll() is not None)
        job = json.loads(trial_json.read_text())["job_id"]
        own.ask("sbatch", "-w", "n1", "--exclusive", "--output=/dev/null", "--wrap", "sleep 1")
        until(lambda: own.state(job) == "PENDING")
        first = json.loads(trial_json.read_text())
        told, _ = process.communicate(timeout=240)
    finally:
        process.kill()
        if not warns:
            own.configure("no_backup_scheduling", "preempt_send_user_signal")
    assert process.returncode == 0, told
    assert (first["state"], first["cause"]) == (("failed", "preempted") if warns else ("cancelled", None))
    ended = json.loads(trial_json.read_text())
    assert (ended["state"], ended["attempt"], ended["job_id"]) == ("completed", 1, job)
    assert int((app.folder / "first-0").read_text()) > 20
