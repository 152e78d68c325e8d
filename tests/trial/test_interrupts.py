"""Ctrl-C and SIGTERM inside trainers that hide them, under the real sweep."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from conftest import App, Sweep, skip_unless_installed, wait_for
from waiting import PATIENCE

LIGHTNING = """
    import torch, pytorch_lightning as pl
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__(); self.layer = torch.nn.Linear(1, 1)
        def training_step(self, batch, index):
            if index == 3: print("STARTED", flush=True)
            time.sleep(0.05)
            return self.layer(batch[0]).sum()
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(2000, 1)), 1)
    trainer = pl.Trainer(max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
                         accelerator="cpu", default_root_dir=HydraConfig.get().runtime.output_dir)
    trainer.fit(Module(), data)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_lightning_cannot_make_an_interrupted_trial_look_finished(app: App, number: signal.Signals, code: int) -> None:
    skip_unless_installed("pytorch_lightning")
    app.write(LIGHTNING)
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", "lr=1,2", OMP_NUM_THREADS="1")
    wait_for(process, "STARTED")
    process.send_signal(number)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    assert "2 cancelled" in told
    assert Sweep(None, Path(app.folder, "s")).states == {0: "cancelled"}  # type: ignore[arg-type]


def test_a_trial_that_swallows_the_signal_is_cancelled_all_the_same(app: App) -> None:
    app.write("""
        try:
            print("STARTED", flush=True); time.sleep(600)
        except KeyboardInterrupt:
            pass
    """)
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", "lr=1,2")
    wait_for(process, "STARTED")
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, told
    assert "2 cancelled" in told


def test_the_heartbeat_is_written_by_another_thread(app: App) -> None:
    app.write("""
        from hyperherd.trial import logbook
        from hyperherd import log_result
        log_result("loss", 1.0, step=5)
        path = os.path.join(os.environ["HYPERHERD_TRIAL_DIR"], ".hyperherd", "trial.json")
        while (record := json.load(open(path)))["beats"] < 3: time.sleep(0.02)
        print("BEATS", record["state"], record["metrics"]["loss"]["last"])
    """)
    script = app.script.read_text()
    app.script.write_text("import hyperherd.trial.logbook as book\nbook.HEARTBEAT_SECONDS = 0.2\n" + script)
    told = app.sweep("lr=1,2").done.stdout
    assert told.split("BEATS ")[1].split()[:2] == ["running", "1.0"]
