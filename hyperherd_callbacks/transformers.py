"""The metrics of a Hugging Face Trainer, streamed into the trial.

Everything the Trainer logs passes `on_log`, evaluations included; only predictions do not. Neither transformers nor
torch is imported before `HyperHerdStreamCallback` is first named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hyperherd.plural import counted
from hyperherd.trial.log import begin_phase, continue_phase, current_trial, end_phase, resumed, total_steps
from hyperherd.trial.notes import TRAINING, note
from hyperherd_callbacks._hooks import CallbackHooks, build, harmless
from hyperherd_callbacks._training import facts, model_facts, note_checkpoint, note_stop
from hyperherd_callbacks._transformers_stops import ControlStops

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    from hyperherd.trial.phases import RunningPhase

__all__ = ["HyperHerdStreamCallback"]

_REMEDY = (
    "`output_dir: ${hydra:runtime.output_dir}` in the config, or "
    "`TrainingArguments(output_dir=HydraConfig.get().runtime.output_dir, ...)` in the script"
)


class _TransformersHooks(CallbackHooks):
    """Streams into the trial what the Trainer logs, with its `global_step`.

    How often the Trainer logs is set there (`logging_steps`, 500 unless set). Each `train`, and each `evaluate` and
    `predict` outside of it, is a phase of the trial (docs/results.md). Where the trial is to end, it sets
    `control.should_training_stop`. Outside of a trial and a Hydra job it does nothing. A value that JSON cannot hold
    (an array, an object) is left out alone, and named once in a warning.

    Args:
        every_n_steps: of the losses that the Trainer logs while it trains, keep one each time this many steps have
            passed, and that of the last step; evaluations are always kept.
        prefix: names the phases of this trainer where a trial has several (`fold0/`); without it they are numbered.
        include: patterns of the metrics to keep, as in a shell (``eval_*``); all, unless given.
        exclude: patterns of metrics to leave out, also of those that `include` names.
        arrays: whether arrays and tensors of several elements are kept, as by :func:`hyperherd.log_array`.
        objective: the metric by which the trial is judged, unless its sweep says.
        direction: ``minimize`` or ``maximize``; an objective needs one.
        log_system: whether what the trial takes of its machine is logged, too, or each how many seconds
            (:func:`hyperherd.log_system`).

    Raises:
        ValueError: `every_n_steps` is less than 1, or `direction` is missing or another word.
    """

    def __init__(self, every_n_steps: int = 1, prefix: str = "", **options: Any) -> None:
        super().__init__(every_n_steps, prefix, **options)
        self._last_kept = 0
        self._training: RunningPhase | None = None
        self._is_evaluating = False
        self._evaluation: RunningPhase | None = None
        self._evaluated: set[str] = set()
        self._stops = ControlStops()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        self._stops.begin(saves=_saves(args))
        self._begin_training(args, state, model)

    @harmless
    def _begin_training(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        self._last_kept = state.global_step
        end_phase(self._training)  # Of a training that raised: no hook tells of that.
        self._evaluation = None
        self._training = begin_phase("train", self.prefix) if state.is_world_process_zero else None
        if not state.is_world_process_zero or current_trial() is None:
            return
        # From a checkpoint: what an older attempt did after it is done again.
        if state.global_step:
            resumed(state.global_step + 1)
        if state.max_steps > 0:
            total_steps(state.max_steps)
        self._stream.begin()
        note(TRAINING, _facts(args, model))
        if _saves(args):
            self._outside.check("the Trainer (output_dir)", args.output_dir, _REMEDY)

    @harmless
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        training, self._training = self._training, None
        reason = self._stops.end() or _stop_reason(args, state)
        if training is not None and control.should_training_stop and state.global_step < state.max_steps:
            note_stop(state.global_step, training, reason)
        end_phase(training)
        self._is_evaluating = False

    @harmless
    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_evaluating = True
        self._stops.refuse_after_end()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End a training of one process; several ask together when they log."""
        self._stops.after_step(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._log(state, logs)
        self._stops.ask(control)  # Every rank logs at the same steps.

    @harmless
    def _log(self, state: TrainerState, logs: Mapping[str, Any] | None) -> None:
        # Evaluation arrives here too; on_evaluate would only repeat it.
        if self._training is None and self._is_evaluating:
            self._stream_evaluation(logs or {}, state)
        elif logs and not ("loss" in logs and self._is_between(state)):
            self._write(logs, state)
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
        self._write(metrics, state)
        end_phase(predicting)

    @harmless
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero and state.best_model_checkpoint:
            direction = "maximize" if args.greater_is_better else "minimize"
            note_checkpoint(state.best_model_checkpoint, state.best_metric, _judging(args), direction)

    def _is_between(self, state: TrainerState) -> bool:
        """Return whether a loss lies between two that are kept."""
        step, n = state.global_step, self.every_n_steps
        if step // n == self._last_kept // n and not 0 < state.max_steps <= step:
            return True
        self._last_kept = step
        return False

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
        self._write(logs, state)
        end_phase(self._evaluation)

    def _write(self, metrics: Mapping[str, Any] | None, state: TrainerState) -> None:
        """Log `metrics` at the current step, from one process of all."""
        if metrics and state.is_world_process_zero and current_trial() is not None:
            self._stream.write(metrics, state.global_step)


def _saves(args: TrainingArguments) -> bool:
    return str(getattr(args.save_strategy, "value", args.save_strategy)) != "no"


def _stop_reason(args: TrainingArguments, state: TrainerState) -> str:
    """Return why a training was told to stop before it was done; what is known of others is as of the last save."""
    told: Any = (state.stateful_callbacks or {}).get("EarlyStoppingCallback")
    if isinstance(told, dict):
        patience = told.get("args", {}).get("early_stopping_patience")
        count = told.get("attributes", {}).get("early_stopping_patience_counter")
        if patience is not None and count is not None and count >= patience:
            evaluations = counted(count, "evaluation")
            return (
                f"EarlyStoppingCallback: {_judging(args)} has not improved for {evaluations}; best {state.best_metric}"
            )
    return "control.should_training_stop was set"


def _judging(args: TrainingArguments) -> str:
    """Return the metric that decides which checkpoint is best, as it is logged."""
    metric = str(args.metric_for_best_model or "loss")
    return metric if metric.startswith("eval_") else f"eval_{metric}"


def _facts(args: TrainingArguments, model: Any) -> dict[str, Any]:
    """Return what is recorded of a training: the arguments that are not the defaults, and the model with its config."""
    config: Any = getattr(model, "config", None)
    described = facts(config.to_diff_dict()) if hasattr(config, "to_diff_dict") else {}
    return {
        "trainer": "transformers",
        "model": {**({} if model is None else model_facts(model)), "config": described},
        "arguments": facts({name: value for name, value in args.to_dict().items() if name not in _defaults(args)}),
    }


def _defaults(args: TrainingArguments) -> set[str]:
    """Return the names of the arguments, more than a hundred, that have their default values."""
    return {item.name for item in dataclasses.fields(args) if getattr(args, item.name, None) == item.default}


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
