"""Trials of two ranks each: what they run, and what must be true of them under every launcher."""

from __future__ import annotations

from collections.abc import Sequence

from conftest import App, Sweep

from hyperherd.metrics.reader import read_metrics
from hyperherd.paths import TrialPaths

_LEAVE_A_FILE = """
    name = f"rank-{rank}-of-{world}-lr-{cfg.lr}"
    open(f"{name}-{os.environ['HYPERHERD_ATTEMPT']}", "x").close()
"""
LIGHTNING = (
    """
    import torch, pytorch_lightning as pl
    from hyperherd_callbacks.lightning import HyperHerdStreamCallback
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__(); self.layer = torch.nn.Linear(1, 1)
        def training_step(self, batch, index):
            total = self.layer(batch[0]).sum()
            self.log("total", total)
            return total
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), cfg.lr)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), 1)
    trainer = pl.Trainer(max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
                         accelerator="cpu", devices=2, strategy="ddp", callbacks=[HyperHerdStreamCallback()],
                         default_root_dir=HydraConfig.get().runtime.output_dir)
    trainer.fit(Module(), data)
    rank, world = trainer.global_rank, trainer.world_size
"""
    + _LEAVE_A_FILE
)
TORCH = (
    """
    import torch, torch.distributed as dist
    from hyperherd import log_result
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    for step in range(4):
        total = torch.tensor([float(rank + step)])
        dist.all_reduce(total)
        if rank == 0: log_result("total", float(total), step=step + 1)
    dist.destroy_process_group()
"""
    + _LEAVE_A_FILE
)
TORCHRUN = """
    import subprocess, textwrap
    program = '''
import os, sys, torch, torch.distributed as dist
from hyperherd import log_result
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
for step in range(4):
    total = torch.tensor([float(rank + step)])
    dist.all_reduce(total)
    if rank == 0: log_result("total", float(total), step=step + 1)
open(f"rank-{rank}-of-{world}-lr-{sys.argv[1]}-{os.environ['HYPERHERD_ATTEMPT']}", "x").close()
dist.destroy_process_group()
'''
    open(f"program-{cfg.lr}.py", "w").write(textwrap.dedent(program))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, f"program-{cfg.lr}.py", str(cfg.lr)], check=True)
"""
"""Each body logs `total` at steps 1 to 4 from rank 0, and leaves a file for each rank, trial and attempt."""


def assert_ranks_started_once(app: App, sweep: Sweep, rates: Sequence[float] = (0.1, 0.2)) -> None:
    """Each rank of `app` swept over `rates` of lr ran once, in its trial, and one of them wrote."""
    numbers = range(len(rates))
    assert sweep.states == dict.fromkeys(numbers, "completed")
    ranks = sorted(path.name for path in app.folder.glob("rank-*"))
    assert ranks == [f"rank-{rank}-of-2-lr-{lr}-0" for rank in (0, 1) for lr in rates]
    assert sorted(path.name for path in (app.folder / "multirun").iterdir()) == ["s"]
    assert {path.name for path in sweep.dir.iterdir()} <= {*map(str, numbers), ".hyperherd", "multirun.yaml"}
    for trial_dir in (sweep.dir / str(number) for number in numbers):
        rows = read_metrics(trial_dir, ["total"], raw=True).to_pylist()
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
        assert [path.name for path in TrialPaths(trial_dir).attempts.iterdir()] == ["0"]
