"""The metrics of a Hugging Face Trainer, streamed into the trial.

Everything the Trainer logs passes `on_log`, evaluations included; only predictions do not. Neither transformers nor
torch is imported before `HyperHerdStreamCallback` is first named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import (
    begin_phase,
    continue_phase,
    current_trial,
    end_phase,
    log_metrics,
    resumed,
    total_steps,
)
from hyperherd_callbacks._hooks import Hooks, build, harmless

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    from hyperherd.trial.phases import RunningPhase

__all__ = ["HyperHerdStreamCallback"]


class _TransformersHooks(Hooks):
    """Streams into the trial what the Trainer logs, with its `global_step`.

    How often is set in the Trainer (`logging_steps`, 500 unless set). Each `train`, and each `evaluate` and `predict`
    outside of it, is a phase of the trial (docs/results.md). Outside of a trial and a Hydra job it does nothing.

    Args:
        prefix: names the phases of this trainer where a trial has several (`fold0/`); without it they are numbered.
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self.prefix = prefix
        self._training: RunningPhase | None = None
        self._is_evaluating = False
        self._evaluation: RunningPhase | None = None
        self._evaluated: set[str] = set()

    @harmless
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        end_phase(self._training)  # Of a training that raised: no hook tells of that.
        self._evaluation = None
        self._training = begin_phase("train", self.prefix) if state.is_world_process_zero else None
        # From a checkpoint: what an older attempt did after it is done again.
        if state.global_step and state.is_world_process_zero and current_trial() is not None:
            resumed(state.global_step + 1)
        if state.max_steps > 0 and state.is_world_process_zero:
            total_steps(state.max_steps)

    @harmless
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        training, self._training = self._training, None
        end_phase(training)
        self._is_evaluating = False

    @harmless
    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_evaluating = True

    @harmless
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # Evaluation arrives here too; on_evaluate would only repeat it.
        if self._training is None and self._is_evaluating:
            self._stream_evaluation(logs or {}, state)
        else:
            _stream(logs, state)
        self._is_evaluating = False

    @harmless
    def on_predict(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._is_evaluating = False
        predicting = begin_phase("predict", self.prefix) if state.is_world_process_zero else None
        _stream(metrics, state)
        end_phase(predicting)

    def _stream_evaluation(self, logs: Mapping[str, Any], state: TrainerState) -> None:
        """Log what an evaluation outside of a training logs; several sets of one evaluation arrive one by one."""
        if not state.is_world_process_zero:
            return
        names = logs.keys() - {"epoch"}
        if self._evaluation is None or names & self._evaluated:
            self._evaluation, self._evaluated = begin_phase("evaluate", self.prefix), set()
        else:
            continue_phase(self._evaluation)
        self._evaluated |= names
        _stream(logs, state)
        end_phase(self._evaluation)


def _stream(metrics: Mapping[str, Any] | None, state: TrainerState) -> None:
    """Log `metrics` at the current step, from one process of all."""
    if metrics and state.is_world_process_zero and current_trial() is not None:
        log_metrics(metrics, state.global_step)


def _base() -> type[Any]:
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError("this callback needs transformers: pip install 'hydra-hyperherd[transformers]'") from error
    base: type[Any] = TrainerCallback
    return base


if TYPE_CHECKING:

    class HyperHerdStreamCallback(_TransformersHooks, TrainerCallback):  # type: ignore[misc]
        """See :class:`_TransformersHooks`."""


def __getattr__(name: str) -> Any:
    if name != "HyperHerdStreamCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = build(name, __name__, _TransformersHooks, _base())
    return globals()[name]
