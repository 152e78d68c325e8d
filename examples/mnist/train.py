"""A Lightning training as a Hydra app: it knows nothing of sweeps, and any of its keys can be swept.

One run, and a sweep:

    python train.py
    python train.py -m lr=0.01,0.1 hydra/sweeper=herd
"""

from __future__ import annotations

import warnings

import data
import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from model import Classifier
from omegaconf import DictConfig
from torch.utils.data import DataLoader, TensorDataset

from hyperherd import checkpoint, log_result

# Loading images that are in memory already needs no further processes.
warnings.filterwarnings("ignore", ".*does not have many workers")
# Every trial of a sweep is a training of its own, also where Slurm is installed.
warnings.filterwarnings("ignore", "The `srun` command is available on your system but is not used")
# Lightning 2.6 asks PyTorch in a way that PyTorch has given up; nothing to be done here.
warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated")
# A trial that runs again finds the checkpoints of its last attempt, which is what they are for.
warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    """Train, test, and return the accuracy on the validation images."""
    torch.set_num_threads(cfg.threads)
    pl.seed_everything(cfg.seed)
    images = data.load(**cfg.data)
    train, val, test = (
        DataLoader(TensorDataset(*part), cfg.batch_size, shuffle=part is images.train)
        for part in (images.train, images.val, images.test)
    )
    model = Classifier(instantiate(cfg.model, size=images.size), instantiate(cfg.optimizer))
    trainer = pl.Trainer(**cfg.trainer, callbacks=list(instantiate(cfg.callbacks).values()))
    trainer.fit(model, train, val, ckpt_path=checkpoint())
    # Not what fit() left: after a resumed attempt that had no epoch left to do, that is nothing.
    [validated] = trainer.validate(model, val, verbose=False)
    [tested] = trainer.test(model, test, verbose=False)
    log_result("data", images.name)
    for name, value in tested.items():
        log_result(name, value)
    return validated["val/acc"]


if __name__ == "__main__":
    main()
