"""Slots: how many trials run at once, and which GPUs each of them sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.launch.local.cpu import threads_asked
from hyperherd.launch.local.gpus import GpuThresholds, installed
from hyperherd.trial.system.gpus import GIVEN
from hyperherd.trial.system.nvidia_smi import MASK, masked


@dataclass(frozen=True)
class Limits:
    """What the pool gives to each trial, as configured (conf/hydra/launcher/herd_local.yaml explains each)."""

    max_parallel: int | None = None
    threads: int | None = None
    gpus: str | Sequence[Any] = "auto"
    gpus_per_trial: int | None = None
    trials_per_gpu: int = 1
    allowed_load: float | None = None
    allowed_memory: float | None = None

    @property
    def gate(self) -> GpuThresholds:
        """Which GPUs may get a trial."""
        return GpuThresholds(self.allowed_load, self.allowed_memory)

    def check(self) -> None:
        """Raise SweepError for a number out of range."""
        least = {"max_parallel": 1, "threads": 1, "gpus_per_trial": 0, "trials_per_gpu": 1}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise SweepError(f"hydra.launcher.{name}: {value} is not a number from {minimum} up")
        if isinstance(self.gpus, str) and self.gpus != "auto":
            raise SweepError(f"hydra.launcher.gpus: {self.gpus!r} is neither auto nor a list such as [0,1]")


@dataclass(frozen=True)
class Slot:
    """A place for one trial.

    Attributes:
        number: from 0.
        gpus: as CUDA_VISIBLE_DEVICES names them; empty if the trial is given none, and sees what everyone sees.
        sharers: how many trials may have them at once.
    """

    number: int
    gpus: tuple[str, ...] = ()
    sharers: int = 1

    @property
    def environment(self) -> dict[str, str]:
        """What a trial in this slot gets into its environment."""
        if not self.gpus:
            return {GIVEN: ""}  # it is not known which it uses; those of a job around the sweep are not its own
        return {MASK: ",".join(self.gpus), GIVEN: f"{len(self.gpus) / self.sharers:g}"}


@dataclass(frozen=True)
class Capacity:
    """All slots, and the threads of each."""

    slots: tuple[Slot, ...]
    threads: int


def plan_capacity(limits: Limits, gpus: Sequence[str], cores: int, environment: Mapping[str, str]) -> Capacity:
    """Return the slots that `limits` mean on a machine.

    Args:
        limits: as configured.
        gpus: those that may be handed out.
        cores: those that may be used.
        environment: of the user, who may have set a number of threads there.

    Raises:
        SweepError: a trial is to have more GPUs than there are, or GPUs whose use is not reported.
    """
    limits.check()
    per_trial = (1 if gpus else 0) if limits.gpus_per_trial is None else limits.gpus_per_trial
    if per_trial > len(gpus):
        raise SweepError(
            f"hydra.launcher.gpus_per_trial: {per_trial} is more than the {len(gpus)} GPUs that may be used "
            f"({','.join(gpus) or 'none found'}); see hydra.launcher.gpus and {MASK}"
        )
    limits.gate.check(gpus if per_trial else [])
    places = _places(gpus, per_trial, limits.trials_per_gpu) if per_trial else None
    threads = limits.threads or threads_asked(environment)
    parallel = limits.max_parallel or (len(places) if places else max(1, cores // (threads or 1)))
    slots = places[:parallel] if places else [()] * parallel
    given = tuple(Slot(number, place, limits.trials_per_gpu) for number, place in enumerate(slots))
    return Capacity(given, threads or max(1, cores // len(slots)))


def _places(gpus: Sequence[str], per_trial: int, trials_per_gpu: int) -> list[tuple[str, ...]]:
    """Return disjoint groups of GPUs, all of them once before any of them again."""
    groups = [tuple(gpus[start : start + per_trial]) for start in range(0, len(gpus) - per_trial + 1, per_trial)]
    # Whole rounds, so that the first trials spread over all GPUs before two share one.
    return groups * trials_per_gpu


def usable_gpus(limits: Limits, environment: Mapping[str, str]) -> list[str]:
    """Return the GPUs that may be handed out: those listed, else those of the user's mask, else all there are."""
    if limits.gpus_per_trial == 0:
        return []
    if not isinstance(limits.gpus, str):
        return [str(gpu) for gpu in limits.gpus]
    mask = environment.get(MASK)
    return installed() if mask is None else masked(mask)


class Slots:
    """Which slots are free; the next trial gets one whose GPUs the fewest others use."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = list(slots)
        self._taken: list[Slot] = []

    @property
    def any_free(self) -> bool:
        """Whether a trial can start."""
        return bool(self._free)

    def take(self, may_be_used: Callable[[Slot], bool] = lambda slot: True) -> Slot | None:
        """Take the best free slot of those that may be used; None if there is none."""
        usable = [slot for slot in self._free if may_be_used(slot)]
        if not usable:
            return None
        slot = min(usable, key=lambda free: (sum(taken.gpus == free.gpus for taken in self._taken), free.number))
        self._free.remove(slot)
        self._taken.append(slot)
        return slot

    def give_back(self, slot: Slot) -> None:
        """Make a slot free again."""
        self._taken.remove(slot)
        self._free.append(slot)
