"""The metrics of a Lightning trainer, streamed into the trial.

Only values that Lightning has computed anyway are read, at moments when reading them computes nothing: no device is
waited for and no collective entered on account of this callback, so rank 0 may read alone. Neither Lightning nor torch
is imported before `HyperHerdStreamCallback` is first named.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import current_trial, resumed, total_steps
from hyperherd_callbacks._hooks import Hooks, build, harmless
from hyperherd_callbacks._lightning_facts import check_savers, note_best, note_training

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import Callback, LightningModule, Trainer

__all__ = ["HyperHerdStreamCallback"]

_DEVICE_SECONDS = 2.0
"""How long values on a device wait to be fetched together."""
_MEMORY_SECONDS = 0.1
"""How long values in main memory wait: where steps take milliseconds, a write for each is what streaming costs."""


class _LightningHooks(Hooks):
    """Streams into the trial what the module logs with `self.log`, in training, validation and test.

    Rows carry the trainer's `global_step`. Values in main memory are written together each 0.1 s, or each step if that
    takes longer; values on a device wait there for 2 s, so that one transfer fetches many. All are also written at the
    end of every test and training, however it ends; only a SIGKILL can lose what waits. Outside of a trial and a Hydra
    job, and under `fast_dev_run`, it does nothing. What goes to a logger past the trainer (`self.logger.log_metrics`,
    LearningRateMonitor) is not seen.

    Args:
        every_n_steps: write training values each time this many optimizer steps have passed, and before each
            validation and at the end of each epoch.
        include: patterns of the metrics to keep, as in a shell (``val/*``); all, unless given.
        exclude: patterns of metrics to leave out, also of those that `include` names.
        arrays: whether arrays and tensors of several elements are kept, as by :func:`hyperherd.log_array`.
        objective: the metric by which the trial is judged, unless its sweep says.
        direction: ``minimize`` or ``maximize``; an objective needs one.

    Raises:
        ValueError: `every_n_steps` is less than 1, or `direction` is missing or another word.
    """

    def __init__(self, every_n_steps: int = 1, **options: Any) -> None:
        super().__init__(every_n_steps, **options)
        self._active = False
        self._step = 0
        self._seen: dict[str, torch.Tensor] = {}
        self._waiting: list[tuple[Mapping[str, torch.Tensor], int, float]] = []
        self._flushed = 0.0
        self._on_device = False

    @harmless
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # No file is made here: the Tuner calls this hook and then none.
        self._active = trainer.is_global_zero and not trainer.fast_dev_run and current_trial() is not None
        self._seen = {}

    @harmless
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer, keep=False)  # What a LearningRateFinder left behind is none of this run.
        if self._active and trainer.global_step:  # From a checkpoint: what an older attempt did after it is done again.
            resumed(trainer.global_step + 1)
        if self._active and trainer.estimated_stepping_batches < math.inf:
            total_steps(int(trainer.estimated_stepping_batches))
        if self._active:
            self._stream.begin()
            check_savers(trainer, self._outside)
            note_training(trainer, pl_module)

    @harmless
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)  # The last epoch's means, and what the module logged in its on_train_epoch_end.
        self._flush_what_is_due()
        self._note_best(trainer)

    @harmless
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # The batch before this one, now that Lightning is done with it. While gradients accumulate the step stands
        # still and the batch is passed over, as it is for loggers.
        if self._active and (step := trainer.global_step) // self.every_n_steps != self._step // self.every_n_steps:
            self._look(trainer, step)

    @harmless
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._look(trainer, keep=trainer.global_step != self._step)

    @harmless
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._look(trainer)
            self._flush_what_is_due()

    @harmless
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)
        self._flush()

    @harmless
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if _gathered(trainer) is not None:
            self._look(trainer, keep=trainer.global_step != self._step)
        self._step = -1  # What comes now is the epoch's, and new.
        self._flush_what_is_due()

    @harmless
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)
        self._flush()

    @harmless
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        # Also Ctrl-C, SIGTERM and sys.exit; no other hook follows.
        if _gathered(trainer) is not None and not trainer.sanity_checking:
            self._look(trainer, keep=trainer.global_step != self._step)
        self._flush()
        self._note_best(trainer)

    @harmless
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._flush()
        self._seen = {}
        self._note_best(trainer)

    def _note_best(self, trainer: Trainer) -> None:
        """Record the best checkpoint; those who save come after us in every hook, so this is where they have."""
        if self._active:
            note_best(trainer, self._stream.objective["metric"] if self._stream.objective else None)

    def _look(self, trainer: Trainer, step: int | None = None, *, keep: bool = True) -> None:
        """See what has been logged since the last check, and keep it as values of the current step."""
        if not self._active:
            return
        self._step = trainer.global_step if step is None else step
        gathered = _gathered(trainer)
        logged = trainer.logged_metrics if gathered is None else gathered
        fresh = {name: value for name, value in logged.items() if not _same(value, self._seen.get(name))}
        self._seen.update(fresh)
        if keep and fresh:
            self._waiting.append((fresh, self._step, time.time()))
            self._on_device = not all(value.is_cpu for value in fresh.values())
            if self._is_due(_DEVICE_SECONDS if self._on_device else _MEMORY_SECONDS):
                self._flush()

    def _is_due(self, seconds: float) -> bool:
        """Return whether what waits has done so for as long; a clock that was set back ends the wait, too."""
        return not 0 <= time.time() - self._flushed <= seconds

    def _flush_what_is_due(self) -> None:
        """Write what waits, at the end of an epoch or a validation: they may follow each other in milliseconds."""
        if self._on_device or self._is_due(_MEMORY_SECONDS):
            self._flush()

    def _flush(self) -> None:
        """Write what waits, fetched from the device in as few transfers as there are devices and types."""
        waiting, self._waiting = self._waiting, []
        self._flushed = time.time()
        numbers = iter(_numbers([value for metrics, _, _ in waiting for value in metrics.values()]))
        # Of each row as many numbers as it has names.
        rows = [(dict(zip(metrics, numbers, strict=False)), step, at) for metrics, step, at in waiting]
        self._stream.write_rows(rows)


def _gathered(trainer: Trainer) -> Mapping[str, torch.Tensor] | None:
    """Return what Lightning has gathered for its loggers so far, or None where it no longer keeps it there.

    The public `trainer.logged_metrics` returns the same, but first computes what has been logged since: it waits for
    the device once per progress bar metric, and at the end of an epoch it enters the collectives of `sync_dist=True`,
    where one rank alone would hang. In its absence we read the public one, except where that could happen.
    """
    gathered: Mapping[str, torch.Tensor] | None = getattr(trainer._logger_connector, "_logged_metrics", None)
    return gathered


def _same(value: torch.Tensor, seen: torch.Tensor | None) -> bool:
    """Return whether `value` is what was `seen` before: Lightning hands out old values until there is a new one.

    The old tensor is still referenced, so its memory cannot have been given to a new value.
    """
    return value is seen or (seen is not None and value.data_ptr() == seen.data_ptr())


def _numbers(values: Sequence[torch.Tensor]) -> list[float]:
    """Return the numbers in one-element tensors, with one transfer for each device and type."""
    numbers = [value.item() if value.is_cpu else 0.0 for value in values]
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for index, value in enumerate(values):
        if not value.is_cpu:
            groups.setdefault((value.device, value.dtype), []).append(index)
    for indices in groups.values():
        for index, number in zip(indices, _fetch([values[index] for index in indices]), strict=True):
            numbers[index] = number
    return numbers


def _fetch(values: list[torch.Tensor]) -> list[float]:
    """Return the numbers in one-element tensors of one device and type, waiting for the device once."""
    from torch import stack

    numbers: list[float] = stack([value.reshape(()) for value in values]).tolist()
    return numbers


def _base() -> type[Any]:
    """Return `Callback` of the Lightning that is in use: `lightning` and `pytorch_lightning` each have their own."""
    packages = ("lightning.pytorch", "pytorch_lightning")
    for package in sorted(packages, key=lambda name: name not in sys.modules):
        try:
            base: type[Any] = import_module(package).Callback
        except ModuleNotFoundError:
            continue
        return base
    raise ImportError("this callback needs Lightning: pip install 'hydra-hyperherd[lightning]'")


if TYPE_CHECKING:

    class HyperHerdStreamCallback(_LightningHooks, Callback):  # type: ignore[misc]
        """See :class:`_LightningHooks`."""


def __getattr__(name: str) -> Any:
    if name != "HyperHerdStreamCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = build(name, __name__, _LightningHooks, _base())
    return globals()[name]
