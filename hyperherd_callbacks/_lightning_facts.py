"""What the records of a trial say about a Lightning trainer: its arguments, its model, its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hyperherd.trial.log import current_trial
from hyperherd.trial.notes import TRAINING, note
from hyperherd_callbacks._training import Outside, facts, model_facts, note_checkpoint

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule, Trainer

_ARGUMENTS = (
    "max_epochs",
    "max_steps",
    "max_time",
    "precision",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "check_val_every_n_epoch",
    "val_check_interval",
    "limit_train_batches",
    "limit_val_batches",
    "num_devices",
    "num_nodes",
)
_DIRPATH = (
    "`dirpath: ${hydra:runtime.output_dir}/checkpoints` in its config, or "
    "`ModelCheckpoint(dirpath=HydraConfig.get().runtime.output_dir, ...)` in the script"
)
_ROOT_DIR = (
    "`default_root_dir: ${hydra:runtime.output_dir}` in the trainer's config, or "
    "`Trainer(default_root_dir=HydraConfig.get().runtime.output_dir, ...)` in the script"
)


def note_training(trainer: Trainer, module: LightningModule) -> None:
    """Record with which arguments which model is trained."""
    arguments = {name: getattr(trainer, name) for name in _ARGUMENTS if hasattr(trainer, name)}
    optimizers = [{"class": type(item).__name__, **facts(item.defaults)} for item in trainer.optimizers]
    note(
        TRAINING,
        {
            "trainer": "lightning",
            "model": {**model_facts(module), "hparams": facts(getattr(module, "hparams", None) or {})},
            "arguments": facts({**arguments, "strategy": type(trainer.strategy).__name__}),
            "optimizers": optimizers,
        },
    )


def check_savers(trainer: Trainer, outside: Outside) -> None:
    """Warn of checkpoint callbacks that save outside of the trial's directory; where they do is known in a fit."""
    for saver in trainer.checkpoint_callbacks:
        folder = getattr(saver, "dirpath", None)
        if folder is None:
            continue
        is_default = Path(trainer.default_root_dir).absolute() in Path(folder).absolute().parents
        outside.check(type(saver).__name__, folder, _ROOT_DIR if is_default else _DIRPATH)


def note_best(trainer: Trainer, metric: str | None) -> None:
    """Record the best checkpoint so far.

    Args:
        trainer: may have several callbacks that save.
        metric: of the trial's objective; a callback that monitors it is asked before others that monitor something.
    """
    savers = [saver for saver in trainer.checkpoint_callbacks if getattr(saver, "monitor", None)]
    savers.sort(key=lambda saver: _monitored(saver) != metric)  # stable: else Lightning's order
    for saver in savers:
        path: Any = getattr(saver, "best_model_path", "")
        score: Any = getattr(saver, "best_model_score", None)
        if path and score is not None:
            direction = "maximize" if getattr(saver, "mode", "min") == "max" else "minimize"
            note_checkpoint(path, float(score), _monitored(saver), direction)
            return


def stop_reason(trainer: Trainer) -> str | None:
    """Return why a training was told to stop before it was done; None if it was not."""
    if not trainer.should_stop:
        return None
    trial = current_trial()
    if trial is not None and trial.stopping.is_told and trial.stopping.verdict is not None:
        return trial.stopping.verdict.reason
    for callback in cast("list[Any]", trainer.callbacks):
        name = type(callback).__name__
        if getattr(callback, "stopped_epoch", 0) or getattr(callback, "stopping_reason_message", None):
            message = getattr(callback, "stopping_reason_message", None) or ""  # Lightning 2.6
            message = message.removesuffix(" Signaling Trainer to stop.")
            return f"{name}: {message or 'the training does not improve'}"
        remaining = getattr(callback, "time_remaining", None)
        if callable(remaining) and (left := remaining()) is not None and left <= 0:
            return f"{name}: the time for training is over"
    return "trainer.should_stop was set"


def saves_on_exception(trainer: Trainer) -> Callable[[], str | None] | None:
    """Return what finds the checkpoint that is saved because of an exception; None if no callback saves one.

    Those who save come after us, and nothing is called after them.
    """
    savers: list[Any] = [
        saver
        for saver in trainer.checkpoint_callbacks
        if getattr(saver, "save_on_exception", False) or hasattr(saver, "ckpt_path")
    ]
    before = [getattr(saver, "_last_checkpoint_saved", "") for saver in savers]

    def saved() -> str | None:
        for saver, known in zip(savers, before, strict=True):
            path = getattr(saver, "_last_checkpoint_saved", "") or getattr(saver, "ckpt_path", "")
            if path != known and os.path.exists(path):  # noqa: PTH110 - it raises nothing, whatever the path is
                return str(path)
        return None

    return saved if savers else None


def _monitored(saver: Any) -> str:
    return str(saver.monitor)
