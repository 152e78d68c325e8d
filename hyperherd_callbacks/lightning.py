"""The metrics of a Lightning trainer, streamed into the trial.

Only values that Lightning has computed anyway are read, at moments when reading them computes nothing: no device is
waited for and no collective entered to read, so rank 0 may read alone. Whether the training is to end all ranks ask
together, in hooks of their own that nothing guards (`_lightning_stops`). Neither Lightning nor torch
is imported before `HyperHerdStreamCallback` is first named.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import begin_phase, current_trial, end_phase, resumed, total_steps
from hyperherd_callbacks._hooks import CallbackHooks, build, harmless
from hyperherd_callbacks._lightning_facts import (
    check_savers,
    note_best,
    note_training,
    saves_on_exception,
    stop_reason,
)
from hyperherd_callbacks._lightning_logger import LoggerCore
from hyperherd_callbacks._lightning_rows import Snapshots
from hyperherd_callbacks._lightning_steps import StepCounter, expected_steps_of, logged_on_step
from hyperherd_callbacks._lightning_stops import TrainerStops, refuse_after_end
from hyperherd_callbacks._lightning_values import gathered_metrics, hidden_metrics, step_metrics
from hyperherd_callbacks._training import note_stop, settle_stops

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import Callback, LightningModule, Trainer
    from pytorch_lightning.loggers import Logger

    from hyperherd.trial.phases import RunningPhase

__all__ = ["HyperHerdLogger", "HyperHerdStreamCallback"]

_DEVICE_SECONDS = 2.0
"""How long values on a device wait to be fetched together."""
_MEMORY_SECONDS = 0.25
"""How long values in main memory wait: where steps take milliseconds, a write for each is what streaming costs."""


class _LightningHooks(CallbackHooks):
    """Streams into the trial what the module logs with `self.log`, in training, validation and test.

    A row's step is the number of batches so far that were not accumulated into a later one, from 1: the step of
    Lightning's loggers and 1, and `trainer.global_step` wherever each of these batches makes one optimizer step. What
    validation and test log with `on_step=True` counts its own batches. `epoch` is in every row. Each `fit`, `validate`
    and `test` of a trainer is a phase of the trial (docs/results.md).

    Values in main memory are written together each 0.25 s, or each step if that takes longer; values on a device wait
    there for 2 s, so that one transfer fetches many. All are also written before each checkpoint and at the end of
    every test and training, however it ends; only a SIGKILL can lose what waits. Values are those of this process
    (rank 0): they are of all ranks only if `self.log` was told `sync_dist=True`. Outside of a trial and a Hydra job,
    and under `fast_dev_run`, it does nothing. What goes to a logger past the trainer (`self.logger.log_metrics`,
    LearningRateMonitor) is seen by `HyperHerdLogger`, which may run beside it.

    Args:
        every_n_steps: write training values each time this many steps have passed, and before each validation and at
            the end of each epoch; `log_every_n_steps` of the trainer, which is for its loggers, changes nothing here.
        prefix: names the phases of this trainer where a trial has several (`fold0/`); without it they are numbered.
        include: patterns of the metrics to keep, as in a shell (``val/*``); all, unless given.
        exclude: patterns of metrics to leave out, also of those that `include` names.
        arrays: whether arrays and tensors of several elements are kept, as by :func:`hyperherd.log_array`.
        objective: the metric by which the trial is judged, unless its sweep says.
        direction: ``minimize`` or ``maximize``; an objective needs one.
        log_system: whether what the trial takes of its machine is logged, too, or each how many seconds
            (:func:`hyperherd.log_system`).
        callback_metrics: whether what the module logs with ``logger=False`` is kept as well.

    Raises:
        ValueError: `every_n_steps` is less than 1, or `direction` is missing or another word.
    """

    def __init__(
        self, every_n_steps: int = 1, prefix: str = "", *, callback_metrics: bool = False, **options: Any
    ) -> None:
        super().__init__(every_n_steps, prefix, **options)
        self._keeps_hidden = callback_metrics
        self._active = False
        self._phase: RunningPhase | None = None
        self._steps = StepCounter()
        self._is_announced = False
        self._epoch = 0
        self._step = 0
        self._snapshots = Snapshots()
        self._flushed = 0.0
        self._stops = TrainerStops()

    @harmless
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        refuse_after_end()  # in every rank: all were told
        # No file is made here: the Tuner calls this hook and then none.
        self._active = trainer.is_global_zero and not trainer.fast_dev_run and current_trial() is not None
        self._snapshots.forget()
        for logger in trainer.loggers:
            if isinstance(logger, LoggerCore):
                logger.leave_to(self._has_written if self._active else None)

    def _begin(self, trainer: Trainer) -> None:
        """Begin the phase of what the trainer runs."""
        self._end()
        self._phase = begin_phase(str(trainer.state.fn.value), self.prefix) if self._active else None
        self._epoch = trainer.current_epoch
        self._snapshots.tell_epoch()

    def _end(self) -> None:
        self._flush()  # What waits belongs to the phase that ends.
        phase, self._phase = self._phase, None
        end_phase(phase)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stops.begin(trainer)
        self._begin_training(trainer, pl_module)

    @harmless
    def _begin_training(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps = StepCounter.of(trainer)
        self._look(trainer, keep=False)  # What a LearningRateFinder left behind is none of this run.
        self._begin(trainer)
        if self._active:
            self._announce(expected_steps_of(trainer))
            self._stream.begin()
            settle_stops()
            check_savers(trainer, self._outside)
            note_training(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin_epoch(trainer)
        self._stops.ask(trainer)

    @harmless
    def _begin_epoch(self, trainer: Trainer) -> None:
        self._look(trainer)  # The last epoch's means, and what the module logged in its on_train_epoch_end.
        self._epoch = trainer.current_epoch
        if self._active and not self._is_announced:
            self._announce(self._steps.expected_by_epochs(trainer))
        self._flush_what_is_due()
        self._note_best(trainer)

    @harmless
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if not self._steps.has_started and self._steps.start(trainer) and self._active:
            resumed(self._steps.count + 1)  # From a checkpoint: what an older attempt did is done again.
        # The batch before this one, now that Lightning is done with it. While gradients accumulate the step stands
        # still and the batch is passed over, as it is for loggers.
        if self._active and self._is_due():
            self._look(trainer)

    # Not guarded: nothing in it can fail, and it is called as often as a training steps.
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.accumulate_grad_batches == 1 and self._steps.has_stepped:
            self._steps.count += 1
        else:
            self._count_batch(trainer)
        if self._stops.is_on:
            self._stops.after_batch(trainer, batch_idx)

    @harmless
    def _count_batch(self, trainer: Trainer) -> None:
        is_first = self._steps.add(trainer)
        if is_first and self._active:
            self._announce(self._steps.expected(trainer))

    @harmless
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._begin(trainer)
        elif not trainer.sanity_checking:
            self._look(trainer, keep=self._steps.count != self._step)

    @harmless
    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin(trainer)

    @harmless
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._look_at_batch(trainer)
        self._steps.evaluate(dataloader_idx)

    on_test_batch_start = on_validation_batch_start

    @harmless
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look_at_batch(trainer)
        self._steps.evaluated()

    on_test_epoch_end = on_validation_epoch_end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_evaluation(trainer)
        self._stops.ask(trainer)

    on_test_end = on_validation_end

    @harmless
    def _end_evaluation(self, trainer: Trainer) -> None:
        if not trainer.sanity_checking:
            self._look(trainer)
            self._flush_what_is_due()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)
        self._stops.ask(trainer)

    @harmless
    def _end_epoch(self, trainer: Trainer) -> None:
        if gathered_metrics(trainer) is not None:
            self._look(trainer, keep=self._steps.count != self._step)
        self._step = -1  # What comes now is the epoch's, and new.
        self._flush_what_is_due()

    @harmless
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # Whoever goes on from this checkpoint logs nothing of what came before it. In the middle of an epoch Lightning
        # saves before it gathers what the batch has logged.
        if self._active and trainer.training and self._step >= 0 and self._is_due():
            self._take(step_metrics(trainer, hidden=self._keeps_hidden), self._steps.count, self._epoch)
        self._flush()

    @harmless
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)
        self._flush()
        self._stops.end()
        if self._active and (reason := stop_reason(trainer)):
            note_stop(self._steps.count, self._phase, reason)

    @harmless
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        # Also Ctrl-C, SIGTERM and sys.exit; no other hook follows.
        self._stops.end()
        if gathered_metrics(trainer) is not None and not trainer.sanity_checking:
            self._look(trainer, keep=self._steps.count != self._step)
        self._flush()
        self._note_best(trainer)
        if self._active and (saved := saves_on_exception(trainer)):
            note_stop(self._steps.count, self._phase, type(exception).__name__, saved)
        self._end()

    @harmless
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._flush()
        self._snapshots.forget()
        self._note_best(trainer)
        self._end()

    def _announce(self, steps: int | None) -> None:
        """Say how many steps there will be, if that is known."""
        self._is_announced = steps is not None
        if steps is not None:
            total_steps(steps)

    def _note_best(self, trainer: Trainer) -> None:
        """Record the best checkpoint; those who save come after us in every hook, so this is where they have."""
        if self._active:
            note_best(trainer, self._stream.objective["metric"] if self._stream.objective else None)

    def _is_due(self) -> bool:
        """Return whether the step that was taken last is one to keep, and has not been looked at yet."""
        return self._steps.count // self.every_n_steps != self._step // self.every_n_steps

    def _look(self, trainer: Trainer, *, keep: bool = True) -> None:
        """Take what has been logged since the last check as values of the current step."""
        if not self._active:
            return
        self._step = self._steps.count
        gathered = gathered_metrics(trainer)
        logged = trainer.logged_metrics if gathered is None else gathered
        if self._keeps_hidden:
            logged = {**hidden_metrics(trainer), **logged}
        self._take(logged, self._step, self._epoch, keep=keep)

    def _look_at_batch(self, trainer: Trainer) -> None:
        """Take what the last batch of an evaluation logged with `on_step=True`, on the running step of its loader."""
        step, last = self._steps.evaluation, self._snapshots.last
        if not self._active or step is None or (gathered := gathered_metrics(trainer)) is None:
            return
        for name, value in gathered.items():
            if value is not last.get(name):
                break
        else:  # as in most evaluations, at each batch
            return
        if not trainer.sanity_checking and (names := logged_on_step(trainer)):
            self._take({name: value for name, value in gathered.items() if name in names}, step, None)
        self._snapshots.last = {**gathered}

    def _take(self, logged: Mapping[str, torch.Tensor], step: int, epoch: int | None, *, keep: bool = True) -> None:
        now = time.time()
        self._snapshots.take(logged, step, epoch, now, is_kept=keep)
        # A clock that was set back ends the wait, too.
        if not 0 <= now - self._flushed <= (_DEVICE_SECONDS if self._snapshots.on_device else _MEMORY_SECONDS):
            self._flush()

    def _flush_what_is_due(self) -> None:
        """Write what waits, at the end of an epoch or a validation: they may follow each other in milliseconds."""
        if (
            self._stops.is_judged
            or self._snapshots.on_device
            or not 0 <= time.time() - self._flushed <= _MEMORY_SECONDS
        ):
            self._flush()

    def _flush(self) -> None:
        """Write what waits."""
        self._flushed = time.time()
        if rows := self._snapshots.rows():
            self._stream.write_rows(rows)

    def _has_written(self, trainer: Trainer, names: Collection[str]) -> bool:
        """Return whether these are what a module logged with `self.log`, which reaches the trial through this."""
        gathered = gathered_metrics(trainer)
        return gathered is not None and all(name in gathered or name == "epoch" for name in names)


def _lightning() -> Any:
    """Return the Lightning that is in use: `lightning` and `pytorch_lightning` each have classes of their own."""
    packages = ("lightning.pytorch", "pytorch_lightning")
    for package in sorted(packages, key=lambda name: name not in sys.modules):
        try:
            return import_module(package)
        except ModuleNotFoundError:
            continue
    raise ImportError("this callback needs Lightning: pip install 'hydra-hyperherd[lightning]'")


def _base() -> type[Any]:
    base: type[Any] = _lightning().Callback
    return base


if TYPE_CHECKING:

    class HyperHerdStreamCallback(_LightningHooks, Callback):  # type: ignore[misc]
        """See :class:`_LightningHooks`."""

    class HyperHerdLogger(LoggerCore, Logger):  # type: ignore[misc]
        """See :class:`LoggerCore`."""


def __getattr__(name: str) -> Any:
    if name == "HyperHerdStreamCallback":
        globals()[name] = build(name, __name__, _LightningHooks, _base())
    elif name == "HyperHerdLogger":
        globals()[name] = build(name, __name__, LoggerCore, import_module(f"{_lightning().__name__}.loggers").Logger)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]
