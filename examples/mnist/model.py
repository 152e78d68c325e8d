"""The networks, and the classifier that trains one; every value it logs has a name with its phase in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10
Batch = tuple[torch.Tensor, torch.Tensor]


def cnn(size: int, width: int) -> nn.Module:
    """Two convolutions and a linear layer, for images of `size` x `size`."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (size // 2) ** 2, CLASSES),
    )


def mlp(size: int, hidden: int) -> nn.Module:
    """One hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(size**2, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))


class Classifier(pl.LightningModule):
    """Logs train/loss each step; val/loss, val/acc, test/loss and test/acc as means over their images."""

    def __init__(self, net: nn.Module, optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]) -> None:
        super().__init__()
        self.net = net
        self.optimizer = optimizer

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        images, labels = batch
        loss = F.cross_entropy(self.net(images), labels)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluate("test", batch)

    def evaluate(self, phase: str, batch: Batch) -> None:
        images, labels = batch
        logits = self.net(images)
        self.log(f"{phase}/loss", F.cross_entropy(logits, labels))
        self.log(f"{phase}/acc", (logits.argmax(1) == labels).float().mean())
