"""All ranks of a trial that is to end do so at one step: rank 0 decides, and they ask together."""

from __future__ import annotations

import pytest
from conftest import App, skip_unless_installed

DECIDES = """
    from hyperherd.records.states import TrialState
    from hyperherd.records.verdicts import StopVerdict
    from hyperherd.trial.log import found_trial
    def decide():
        found_trial().stopping.decide(StopVerdict(TrialState.PRUNED, "the test"))
"""
LIGHTNING = (
    DECIDES
    + """
    import torch, pytorch_lightning as pl
    from hyperherd_callbacks.lightning import HyperHerdStreamCallback
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__(); self.layer = torch.nn.Linear(1, 1)
        def training_step(self, batch, index):
            if index == 4 and self.global_rank == 0: decide()
            return self.layer(batch[0]).sum()
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), cfg.lr)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(100, 1)), 1)
    trainer = pl.Trainer(max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
                         accelerator="cpu", devices=2, strategy="ddp", callbacks=[HyperHerdStreamCallback()],
                         default_root_dir=HydraConfig.get().runtime.output_dir, log_every_n_steps=3)
    trainer.fit(Module(), data)
    open(f"rank-{trainer.global_rank}-step-{trainer.global_step}", "x").close()
    Module.test_step = lambda self, batch, index: None
    trainer.test(Module(), data)
    open("tested", "x").close()
"""
)
STARTED = """
    import subprocess, textwrap
    open("program.py", "w").write(textwrap.dedent(program))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, "program.py"], check=True)
"""
TORCHRUN = """
    program = '''
import torch, torch.distributed as dist, hyperherd
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.log import found_trial
dist.init_process_group("gloo")
rank = dist.get_rank()
for step in range(1, 50):
    if step == 6 and rank == 0:
        found_trial().stopping.decide(StopVerdict(TrialState.PRUNED, "the test"))
    if rank == 0: hyperherd.log_result("total", 1.0, step=step)
    dist.barrier()
    if hyperherd.should_stop(): break
open(f"rank-{rank}-step-{step}", "x").close()
dist.destroy_process_group()
'''
"""
TRANSFORMERS = """
    program = '''
import os, torch
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.log import found_trial
from hyperherd_callbacks.transformers import HyperHerdStreamCallback
from transformers import Trainer, TrainerCallback, TrainingArguments
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.layer = torch.nn.Linear(1, 1)
    def forward(self, x, labels):
        return {"loss": (self.layer(x) - labels).square().mean()}
class Decides(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5 and os.environ["RANK"] == "0":
            found_trial().stopping.decide(StopVerdict(TrialState.PRUNED, "the test"))
data = [{"x": torch.ones(1), "labels": torch.zeros(1)}] * 64
arguments = TrainingArguments("out", max_steps=20, logging_steps=3, save_strategy="no", report_to="none", use_cpu=True,
                              disable_tqdm=True, ddp_backend="gloo", per_device_train_batch_size=1)
trainer = Trainer(Model(), arguments, train_dataset=data, callbacks=[HyperHerdStreamCallback(), Decides()])
trainer.train()
open(f"rank-{os.environ['RANK']}-step-{trainer.state.global_step}", "x").close()
'''
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "launcher"),
    [
        pytest.param(LIGHTNING, "herd_local", id="Lightning, asked each third batch"),
        pytest.param(TORCHRUN + STARTED, "basic", id="should_stop under torchrun"),
        pytest.param(TRANSFORMERS + STARTED, "basic", id="Transformers, asked at each third step"),
    ],
)
def test_two_ranks_end_at_one_step(app: App, body: str, launcher: str) -> None:
    skip_unless_installed("pytorch_lightning", "transformers")
    app.write(body)
    sweep = app.sweep("lr=0.1", f"hydra/launcher={launcher}", OMP_NUM_THREADS="1")
    assert sweep.states == {0: "pruned"}
    assert sweep.records[0].stop_reason == "the test"
    assert sorted(path.name for path in app.folder.glob("rank-*")) == ["rank-0-step-6", "rank-1-step-6"]
    assert not (app.folder / "tested").exists()
