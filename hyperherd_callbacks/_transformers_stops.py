"""The end of a Hugging Face Trainer's training when its trial is to end: in all ranks at one step."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hyperherd.records.states import TrialState
from hyperherd.trial.log import current_trial
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.stopping.stopping import Stopping
from hyperherd.trial.stopping.together import any_rank, has_group

if TYPE_CHECKING:
    from transformers import TrainerControl

log = logging.getLogger("hyperherd")


class ControlStops:
    """Whether the training that runs is to end; rank 0 decides, and all ranks ask together."""

    def __init__(self) -> None:
        self._stopping: Stopping | None = None
        self._has_ranks = False
        self._saves = False

    def begin(self, *, saves: bool) -> None:
        """Begin to ask, with a training; to be called in every rank.

        Args:
            saves: whether it saves checkpoints at all.

        Raises:
            TrialPruned: an earlier training of the trial was told to end.
        """
        self.refuse_after_end()
        self.end()
        trial = current_trial()
        stopping = trial.stopping if trial is not None else None
        self._has_ranks, self._saves = has_group(), saves
        is_possible = stopping is not None and stopping.is_possible
        if self._has_ranks:  # of all or of none
            is_possible = not any_rank(not is_possible)
        if stopping is not None and is_possible:
            self._stopping = stopping
            stopping.trainer_begins()

    def end(self) -> str | None:
        """Ask no more: the training has ended; return why, if it was told to."""
        stopping, self._stopping = self._stopping, None
        if stopping is None:
            return None
        stopping.trainer_ends()
        return stopping.verdict.reason if stopping.is_told and stopping.verdict is not None else None

    def after_step(self, control: TrainerControl) -> None:
        """Ask where there is but one rank, which costs nothing."""
        if not self._has_ranks:
            self.ask(control)

    def ask(self, control: TrainerControl) -> None:
        """Have the training end if it is to; to be called in every rank."""
        stopping = self._stopping
        if stopping is None or stopping.is_told:  # which all ranks are at once
            return
        is_to_end = stopping.verdict is not None and current_rank() == 0
        if self._has_ranks:
            is_to_end = any_rank(is_to_end)
        if is_to_end:
            control.should_training_stop = True
            may_go_on = self._may_go_on(stopping)  # asked in any case: all ranks have to
            control.should_save = control.should_save or (self._saves and may_go_on)
            told = stopping.learn()
            if current_rank() == 0:
                log.info("the training ends: %s", told.reason)

    def _may_go_on(self, stopping: Stopping) -> bool:
        """Return, in all ranks the same, whether the training ends for now and is to be gone on with from here."""
        verdict = stopping.verdict if current_rank() == 0 else None
        may_go_on = verdict is not None and verdict.state is not TrialState.PRUNED
        return any_rank(may_go_on) if self._has_ranks else may_go_on

    def refuse_after_end(self) -> None:
        """Refuse an evaluation, or another training, after one that was told to end.

        Raises:
            TrialPruned: it was.
        """
        trial = current_trial() if self._stopping is None else None
        if trial is not None:
            trial.stopping.refuse_after_end()
