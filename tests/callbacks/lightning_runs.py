"""A small Lightning module and trainer for tests of the callback: known values, six batches an epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from hyperherd_callbacks.lightning import HyperHerdStreamCallback  # noqa: E402

Kept = dict[str, list[tuple[int, float]]]
BATCHES = 6
QUIET = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:.*have no `val_dataloader`"),
]
"""What Lightning says of such small trainings."""
SINCE_2_6 = pytest.mark.skipif(
    tuple(map(int, pl.__version__.split(".")[:2])) < (2, 6), reason="Lightning has this since 2.6"
)


class Module(pl.LightningModule):
    """Logs one value of each kind; `at(batch)` runs in every training step, batches counted over all epochs."""

    def __init__(self, at: Callable[[int], object] = lambda batch: None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.at = at
        self.batches = 0
        self.lr = 0.1

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = self.layer(batch).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.log("batch", float(self.batches), prog_bar=True)
        self.at(self.batches)
        self.batches += 1
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/own", float(self.current_epoch))

    def validation_step(self, batch: torch.Tensor, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val/loss", self.layer(batch).square().mean())

    def on_validation_epoch_end(self) -> None:
        self.log("val/own", 7.0)

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("test/loss", self.layer(batch).square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def batches() -> DataLoader[torch.Tensor]:
    return DataLoader(torch.linspace(-1, 1, 4 * BATCHES).reshape(-1, 2), batch_size=2)


def make_trainer(folder: Path, *callbacks: pl.Callback, epochs: int = 1, **options: Any) -> pl.Trainer:
    settings = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "default_root_dir": folder,
        "max_epochs": epochs,
    }
    return pl.Trainer(callbacks=list(callbacks), **{**settings, **options})


def fit(folder: Path, module: Module | None = None, every: int = 1, **options: Any) -> pl.Trainer:
    """Train on six batches an epoch, without validation."""
    trainer = make_trainer(folder, HyperHerdStreamCallback(every), **options)
    trainer.fit(module or Module(), batches())
    return trainer


def steps(rows: list[tuple[int, float]]) -> list[int]:
    return [step for step, _ in rows]
