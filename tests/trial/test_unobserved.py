"""A trial that trained and logged nothing is noticed, and the sweep ends with one hint."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import starting
from conftest import App, skip_unless_installed

skip_unless_installed("pytorch_lightning", "transformers")

LIGHTNING = """
    import warnings
    warnings.filterwarnings("ignore")
    import torch
    import pytorch_lightning as pl
    from pytorch_lightning.demos.boring_classes import BoringModel

    def train(steps):
        options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
        trainer = pl.Trainer(max_steps=steps, limit_val_batches=0, enable_model_summary=False, **options)
        if steps:
            trainer.fit(BoringModel())
"""
TRANSFORMERS = """
    import torch
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
        def forward(self, x, labels):
            return {"loss": (self.layer(x).squeeze(-1) - labels).square().mean()}

    def train(steps):
        options = {"save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True}
        rows = [{"x": torch.tensor([1.0]), "labels": torch.tensor(2.0)}] * 8
        args = TrainingArguments("out", max_steps=max(steps, 1), **options)
        trainer = Trainer(model=Model(), args=args, train_dataset=rows)
        if steps:
            trainer.train()
"""
ASK = """
    from hyperherd.trial.unobserved import unobserved_trainer
    answers = []
    for steps in (0, 2):
        train(steps)
        answers.append(unobserved_trainer())
    import hyperherd_callbacks.lightning
    print(*answers, unobserved_trainer())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "answers"),
    [(LIGHTNING, "None lightning None"), (TRANSFORMERS, "transformers transformers None")],  # by its import
    ids=["lightning", "transformers"],
)
def test_a_trainer_that_nobody_observed_is_found(tmp_path: Path, code: str, answers: str) -> None:
    (tmp_path / "train.py").write_text(textwrap.dedent(code) + textwrap.dedent(ASK))
    done = starting.run([sys.executable, "train.py"], text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == answers


BODY = (
    textwrap.dedent(LIGHTNING)
    + "train(2)\nif cfg.flag:\n    from hyperherd import log_result\n    log_result('a', 1)\n"
)


@pytest.mark.slow
def test_a_sweep_that_trained_and_logged_nothing_ends_with_one_hint(app: App) -> None:
    sweep = app.write(BODY).sweep("lr=0.1,0.2")
    assert sweep.states == {0: "completed", 1: "completed"}
    hints = [line for line in sweep.done.stdout.splitlines() if "hint:" in line]
    assert len(hints) == 1, sweep.done.stdout
    assert "hyperherd_callbacks.lightning.HyperHerdStreamCallback()" in hints[0]
    assert "hint:" not in app.sweep("flag=true", to="multirun/t").done.stdout
