"""How far a Lightning trainer is: the steps of its rows, and how many there will be.

Invariant: a step is counted once per batch that is not accumulated into a later one, as Lightning's loggers count
(`_batches_that_stepped`, from 0), whatever the optimizers do: `trainer.global_step` counts the steps of all optimizers
that Lightning wraps, and none of a raw one. Where a version of Lightning lacks what is read here, it is `global_step`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

_LOADER = re.compile(r"/dataloader_idx_\d+$")


class StepCounter:
    """The steps of one fit, and the batches of its evaluations."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        """Steps so far."""
        self.evaluation: int | None = None
        """The running step of the batch that an evaluation is at; None outside of one."""
        self.has_started = False
        """Whether the first batch has been seen."""
        self.has_stepped = False
        """Whether a batch of it has stepped."""
        self._first: tuple[int, int] = (0, 0)
        self._batches: dict[int, int] = defaultdict(int)

    @classmethod
    def of(cls, trainer: Trainer) -> StepCounter:
        """Return the counter of a fit that starts, from a checkpoint perhaps."""
        return cls(max(_stepped(trainer), trainer.global_step if not _stepped(trainer) else 0))

    def start(self, trainer: Trainer) -> bool:
        """Take the first batch as the start; return whether it goes on from a checkpoint."""
        self.has_started = True
        self.count = _stepped(trainer)  # Before the first batch Lightning has not brought it up to date yet.
        self._first = (self.count, trainer.global_step)
        return self.count > 0

    def add(self, trainer: Trainer) -> bool:
        """Count the batch that has ended; return whether it was the first that stepped."""
        if trainer.accumulate_grad_batches == 1:
            self.count += 1
        elif (accumulates := getattr(trainer.fit_loop, "_should_accumulate", None)) is None:
            self.count = trainer.global_step
        elif not accumulates():
            self.count += 1
        is_first = not self.has_stepped and self.count != self._first[0]
        self.has_stepped |= is_first
        return is_first

    def expected(self, trainer: Trainer) -> int | None:
        """Return how many steps there will be, once it is known how many optimizer steps one of them makes."""
        steps = expected_steps_of(trainer)
        done = trainer.global_step - self._first[1]
        if steps is None or done < 2 or trainer.max_steps < 1:
            return steps
        return int(min(steps, self._first[0] + math.ceil((trainer.max_steps - self._first[1]) / done)))

    def expected_by_epochs(self, trainer: Trainer) -> int | None:
        """Return how many steps there will be if all epochs are as long as those so far, for data without a length."""
        done, epochs = trainer.current_epoch, trainer.max_epochs
        return self.count * epochs // done if done > 0 and epochs is not None and epochs > 0 else None

    def evaluate(self, loader: int) -> None:
        """Count a batch of an evaluation."""
        self._batches[loader] += 1
        self.evaluation = self._batches[loader]

    def evaluated(self) -> None:
        """Note the end of an evaluation."""
        self.evaluation = None


def _stepped(trainer: Trainer) -> int:
    return int(getattr(trainer.fit_loop.epoch_loop, "_batches_that_stepped", trainer.global_step))


def expected_steps_of(trainer: Trainer) -> int | None:
    """Return how many steps a fit will have taken at its end, if that is known."""
    callbacks: list[Any] = getattr(trainer, "callbacks", [])
    scheduler = next((item for item in callbacks if hasattr(item, "get_accumulate_grad_batches")), None)
    if scheduler is not None:
        # Lightning raises here: it does not add up epochs that accumulate differently.
        return _by_epoch(trainer, scheduler)
    steps = trainer.estimated_stepping_batches
    return int(steps) if 0 < steps < math.inf else None


def _by_epoch(trainer: Trainer, scheduler: Any) -> int | None:
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    if epochs is None or epochs < 1 or not math.isfinite(batches):
        return None
    steps = sum(math.ceil(batches / scheduler.get_accumulate_grad_batches(epoch)) for epoch in range(epochs))
    return int(min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps)


class OnStepNames:
    """The names under which an evaluation's values with `on_step=True` are gathered, for any loader."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def __bool__(self) -> bool:
        return bool(self._names)

    def __contains__(self, name: str) -> bool:
        return _LOADER.sub("", name) in self._names


def logged_on_step(trainer: Trainer) -> OnStepNames:
    """Return which values of the running evaluation are of single batches; none if Lightning does not say."""
    results: Any = getattr(trainer, "_results", None) or {}
    metas = [getattr(item, "meta", None) for item in results.values()]
    return OnStepNames(frozenset(meta.forked_name(True) for meta in metas if meta is not None and meta.on_step))
