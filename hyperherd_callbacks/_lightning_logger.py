"""A logger for Lightning's `Trainer(logger=...)`: everything that is given to loggers, in the trial.

Beside the callback it writes only what the callback does not see, so that each row is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import begin_phase, current_trial, end_phase, resumed
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.stopping.asking import heed
from hyperherd_callbacks._hooks import Hooks, harmless
from hyperherd_callbacks._lightning_facts import check_savers, note_best, note_training
from hyperherd_callbacks._lightning_stops import stop_single

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule, Trainer

    from hyperherd.trial.phases import RunningPhase

IsWritten = Callable[["Trainer", Collection[str]], bool]
"""Says whether metrics of these names reach the trial by another way."""


class LoggerCore(Hooks):
    """Logs to the trial what Lightning gives to loggers: `self.log`, `self.logger.log_metrics`, LearningRateMonitor.

    Rows have the steps of `HyperHerdStreamCallback`, which are 1 more than those that loggers are given. How often
    training values come is set in the trainer (`log_every_n_steps`, 50 unless set); the callback, which writes every
    step, may run beside it, and each row is written once. Outside of a trial and a Hydra job it does nothing. With
    Fabric (``Fabric(loggers=...)``) rows have the steps that ``fabric.log`` is given.

    Args:
        prefix: names the phases of this trainer where a trial has several, as the callback's does.
        options: `include`, `exclude`, `arrays`, `objective`, `direction` and `log_system`, as the callback has them.
    """

    def __init__(self, prefix: str = "", **options: Any) -> None:
        super().__init__(prefix, **options)
        self._trainer: Trainer | None = None
        self._phase: RunningPhase | None = None
        self._written: IsWritten | None = None
        self._step = 0

    @property
    def name(self) -> str:
        """The name of a folder for checkpoints; empty, so that they lie in the trainer's own."""
        return ""

    @property
    def version(self) -> str:
        """As :attr:`name`."""
        return ""

    @property
    def save_dir(self) -> str | None:
        """The trainer's `default_root_dir`, so that checkpoints are where they are without this logger."""
        return None if self._trainer is None else str(self._trainer.default_root_dir)

    def leave_to(self, written: IsWritten | None) -> None:
        """Leave to a callback what it writes; None: to nobody."""
        self._written = written

    @harmless
    def log_graph(self, model: LightningModule, input_array: Any = None) -> None:
        # Lightning calls this at the start of every fit, validate and test, and nothing else names the trainer.
        self._trainer = trainer = model.trainer
        if self._written is None and trainer.state.fn == "fit" and self._writes(trainer):
            check_savers(trainer, self._outside)
            note_training(trainer, model)

    @harmless
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the trial has kept its config."""

    @harmless
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        trainer = self._trainer
        if not self._writes(trainer):
            return
        self._stream.begin()
        if trainer is None:  # Fabric: the steps are the program's own, and a call without one gets the next.
            self._step = self._step + 1 if step is None else step
            self._stream.write(metrics, self._step)
            heed()
            return
        if self._written is not None:
            if self._written(trainer, metrics):
                return
        elif self._phase is None:
            self._phase = begin_phase(str(trainer.state.fn.value), self.prefix)
            if trainer.state.fn == "fit" and trainer.ckpt_path is not None and step is not None:
                resumed(step + 1)
        self._stream.write(metrics, (step or 0) + 1)
        if self._written is None:
            stop_single(trainer)

    def _writes(self, trainer: Trainer | None) -> bool:
        """Return whether this process writes: the main one, in a trial, and not for a try."""
        if current_trial() is None:
            return False
        return current_rank() == 0 if trainer is None else trainer.is_global_zero and not trainer.fast_dev_run

    @harmless
    def finalize(self, status: str) -> None:
        if self._trainer is not None and self._written is None and self._writes(self._trainer):
            note_best(self._trainer, self._stream.objective["metric"] if self._stream.objective else None)
        phase, self._phase = self._phase, None
        end_phase(phase)

    @harmless
    def save(self) -> None:
        """Do nothing: what was logged is on its way to the disk already."""
