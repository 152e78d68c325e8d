"""The metrics of a Hugging Face Trainer, streamed into the trial.

Everything the Trainer logs passes `on_log`, evaluations included; only predictions do not. Neither transformers nor
torch is imported before `HyperHerdStreamCallback` is first named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import current_trial, log_metrics, resumed, total_steps
from hyperherd_callbacks._hooks import Hooks, build, harmless

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["HyperHerdStreamCallback"]


class _TransformersHooks(Hooks):
    """Streams into the trial what the Trainer logs, with its `global_step`.

    How often is set in the Trainer (`logging_steps`, 500 unless set). Outside of a trial and a Hydra job it does
    nothing.
    """

    @harmless
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # From a checkpoint: what an older attempt did after it is done again.
        if state.global_step and state.is_world_process_zero and current_trial() is not None:
            resumed(state.global_step + 1)
        if state.max_steps > 0 and state.is_world_process_zero:
            total_steps(state.max_steps)

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
        _stream(logs, state)

    @harmless
    def on_predict(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        _stream(metrics, state)


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
