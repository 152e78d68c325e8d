"""The metrics of a loop under Hugging Face's accelerate, streamed into the trial.

    accelerator = Accelerator(log_with=HyperHerdTracker())

Neither accelerate nor torch is imported before `HyperHerdTracker` is first named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hyperherd.trial.log import CurrentTrial, begin_phase, current_trial, end_phase
from hyperherd.trial.notes import TRAINING, note
from hyperherd.trial.phases import RunningPhase
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.stopping.asking import heed
from hyperherd_callbacks._hooks import Hooks, build, harmless
from hyperherd_callbacks._training import facts

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

__all__ = ["HyperHerdTracker"]


class _AccelerateHooks(Hooks):
    """Streams into the trial what ``accelerator.log`` is given, from the main process alone.

    A call without a step gets the step after the last one, so that no call takes the place of an earlier one. What is
    given to ``init_trackers(config=...)`` is recorded in the trial's provenance. Outside of a trial and a Hydra job it
    does nothing. Where the trial is to end, ``accelerator.log`` raises :class:`hyperherd.TrialPruned`; with several
    processes each asks :func:`hyperherd.should_stop` instead.

    Args:
        prefix: names the phase of what is logged, such as ``fold0/``; phases without one are numbered. It ends with
            ``accelerator.end_training()``.
        options: `include`, `exclude`, `arrays`, `objective`, `direction` and `log_system`, as the callbacks have them.

    Raises:
        ValueError: `direction` is missing or another word.
    """

    name = "hyperherd"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, *, prefix: str = "", **options: Any) -> None:
        super().__init__(prefix, **options)
        self._phase: RunningPhase | None = None
        self._step = 0

    @property
    def tracker(self) -> CurrentTrial | None:
        """The trial that is logged to."""
        return current_trial()

    @harmless
    def start(self) -> None:
        if self._writes():
            self._stream.begin()
            self._begin_phase()

    @harmless
    def finish(self) -> None:
        end_phase(self._phase)
        self._phase = None

    @harmless
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        if self._writes():
            note(TRAINING, {"trainer": "accelerate", "arguments": facts(values)})

    @harmless
    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self._step = self._step + 1 if step is None else int(step)
        if self._writes():
            self._begin_phase()  # older versions of accelerate do not call `start`
            self._stream.write(values, self._step)
            heed()

    def _begin_phase(self) -> None:
        self._phase = self._phase or begin_phase("train", self.prefix)

    def _writes(self) -> bool:
        return current_trial() is not None and current_rank() == 0


def _base() -> type[Any]:
    try:
        from accelerate.tracking import GeneralTracker
    except ImportError as error:
        raise ImportError("this tracker needs accelerate: pip install 'hydra-hyperherd[transformers]'") from error
    base: type[Any] = GeneralTracker
    return base


if TYPE_CHECKING:

    class HyperHerdTracker(_AccelerateHooks, GeneralTracker):  # type: ignore[misc]
        """See :class:`_AccelerateHooks`."""


def __getattr__(name: str) -> Any:
    if name != "HyperHerdTracker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = build(name, __name__, _AccelerateHooks, _base())
    return globals()[name]
