"""A Hugging Face Trainer as a Hydra app, swept like any other; its small model starts from nothing, so needs no hub.

One run, and a sweep:

    python finetune.py
    python finetune.py -m lr=0.0003,0.003 hydra/sweeper=herd
"""

from __future__ import annotations

from typing import Any

import data
import hydra
import torch
from omegaconf import DictConfig
from transformers import EvalPrediction, Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

from hyperherd import checkpoint, log_result
from hyperherd_callbacks.transformers import HyperHerdStreamCallback


@hydra.main(version_base=None, config_path="conf", config_name="finetune")
def main(cfg: DictConfig) -> float:
    """Train, test, and return the accuracy on the validation images."""
    torch.set_num_threads(cfg.threads)
    set_seed(cfg.seed)
    images = data.load(**cfg.data)
    trainer = Trainer(
        model=ViTForImageClassification(ViTConfig(image_size=images.size, patch_size=images.size // 4, **cfg.model)),
        args=TrainingArguments(**cfg.training),
        train_dataset=examples(images.train),
        eval_dataset=examples(images.val),
        compute_metrics=accuracy,
        callbacks=[HyperHerdStreamCallback()],
    )
    trainer.train(resume_from_checkpoint=checkpoint())
    final = trainer.predict(examples(images.test)).metrics
    log_result("data", images.name)
    log_result("test_acc", final["test_acc"])
    return float(trainer.evaluate()["eval_acc"])


def examples(part: data.Split) -> list[dict[str, Any]]:
    """Return images and labels as the Trainer takes them."""
    return [{"pixel_values": image, "labels": label} for image, label in zip(*part, strict=True)]


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Return the share of images whose most likely class is the right one."""
    return {"acc": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


if __name__ == "__main__":
    main()
