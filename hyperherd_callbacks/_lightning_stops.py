"""The end of a Lightning training when its trial is to end: in all ranks at one step, in Lightning's own way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hyperherd.trial.log import current_trial
from hyperherd.trial.stopping.stopping import Stopping

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

_RANKS_ASK_EACH = 50
"""Batches, where the trainer has no number of its own (`log_every_n_steps`)."""

log = logging.getLogger("hyperherd")


class TrainerStops:
    """Whether the training that runs is to end.

    Rank 0 decides. All ranks ask together, so each question is put in hooks that every rank calls, and nothing that may
    fail in one rank alone stands before it. One rank alone asks at each batch, several each `log_every_n_steps` batches
    and at the end of validations and epochs: a question is a collective.
    """

    def __init__(self) -> None:
        self._stopping: Stopping | None = None
        self._ranks_ask_each = 0
        self.is_on = False
        """Whether a question may be answered with yes."""

    def begin(self, trainer: Trainer) -> None:
        """Begin to ask, with a training; to be called in every rank."""
        self.end()
        stopping = _stopping() if not trainer.fast_dev_run else None
        is_possible = stopping is not None and stopping.is_possible
        if trainer.world_size > 1:
            is_possible = trainer.strategy.reduce_boolean_decision(is_possible)
            self._ranks_ask_each = trainer.log_every_n_steps or _RANKS_ASK_EACH
        if stopping is not None and is_possible:
            self._stopping, self.is_on = stopping, True
            stopping.trainer_begins()

    def end(self) -> None:
        """Ask no more: the training has ended."""
        if self._stopping is not None:
            self._stopping.trainer_ends()
        self._stopping, self.is_on, self._ranks_ask_each = None, False, 0

    @property
    def is_judged(self) -> bool:
        """Whether a rule waits for what is logged."""
        return self._stopping is not None and self._stopping.is_judged

    def after_batch(self, trainer: Trainer, batch: int) -> None:
        """Ask after a batch, if it is time to."""
        if not self._ranks_ask_each or not (batch + 1) % self._ranks_ask_each:
            self.ask(trainer)

    def ask(self, trainer: Trainer) -> None:
        """Have the training end if it is to; to be called in every rank."""
        stopping = self._stopping
        if stopping is None or stopping.is_told:  # which all ranks are at once
            return
        is_to_end = trainer.is_global_zero and stopping.verdict is not None
        if self._ranks_ask_each:
            is_to_end = trainer.strategy.reduce_boolean_decision(is_to_end, all=False)
        if is_to_end:
            trainer.should_stop = True
            told = stopping.learn()
            if trainer.is_global_zero:
                log.info("the training ends at step %d: %s", trainer.global_step, told.reason)


def _stopping() -> Stopping | None:
    try:
        trial = current_trial()
    except Exception:  # The boundary to the user's training: the hook that calls this is not guarded otherwise.
        log.warning("this training cannot be ended from outside", exc_info=True)
        return None
    return trial.stopping if trial is not None else None


def stop_single(trainer: Trainer) -> None:
    """Have a training end whose rows reach the trial by a logger alone, which only rank 0 calls."""
    trial = current_trial()
    if trial is None or trial.stopping.verdict is None or trial.stopping.is_told:
        return
    if trainer.world_size == 1:
        trainer.should_stop = True
        log.info("the training ends at step %d: %s", trainer.global_step, trial.stopping.tell().reason)
    else:
        trial.stopping.warn_of_ranks()


def refuse_after_end() -> None:
    """Refuse to begin another fit, validation or test in a trial whose training was told to end.

    Raises:
        TrialPruned: it was.
    """
    if (trial := current_trial()) is not None:
        trial.stopping.refuse_after_end()
