"""A distributed fit inside a trial: its ranks are started once, join the trial, and leave nothing for the next one."""

from __future__ import annotations

import pytest
from conftest import App

from hyperherd.metrics.reader import read_metrics

DDP = """
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
    open(f"rank-{trainer.global_rank}-of-{trainer.world_size}-lr-{cfg.lr}", "x").close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_two_trials_of_two_ranks_in_one_sweep(app: App, launcher: str) -> None:
    app.write(DDP)
    sweep = app.sweep("lr=0.1,0.2", f"hydra/launcher={launcher}", OMP_NUM_THREADS="1")
    assert sweep.states == {0: "completed", 1: "completed"}
    ranks = sorted(path.name for path in app.folder.glob("rank-*"))
    assert ranks == [f"rank-{rank}-of-2-lr-{lr}" for rank in (0, 1) for lr in (0.1, 0.2)]
    assert sorted(path.name for path in (app.folder / "multirun").iterdir()) == ["s"]
    for number in (0, 1):
        rows = read_metrics(sweep.dir / str(number), ["loss"], raw=True).to_pylist()
        assert [row["step"] for row in rows] == [1, 2, 3, 4]


TORCHRUN = """
    import subprocess
    from pathlib import Path
    worker = Path(HydraConfig.get().runtime.cwd, "worker.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, str(worker), str(cfg.lr)], check=True)
"""
WORKER = """
import sys
import torch
import torch.distributed as dist
from hyperherd import log_result

dist.init_process_group("gloo")
total = torch.tensor(float(dist.get_rank() + 1))
dist.all_reduce(total)
if dist.get_rank() == 0:
    log_result("total", total * float(sys.argv[1]), step=1)
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_torchrun_inside_a_trial(app: App, launcher: str) -> None:
    app.write(TORCHRUN)
    (app.folder / "worker.py").write_text(WORKER)
    sweep = app.sweep("lr=1,2", f"hydra/launcher={launcher}", OMP_NUM_THREADS="1")
    totals = [read_metrics(sweep.dir / str(number), ["total"])["value"].to_pylist() for number in (0, 1)]
    assert totals == [[3.0], [6.0]]
