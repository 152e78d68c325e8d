"""The use of this machine's GPUs, which decides who may get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperherd.errors import SweepError
from hyperherd.trial.system.nvidia_smi import ask, is_named
from hyperherd.trial.system.nvidia_smi import number as _number

_FIELDS = ("index", "uuid", "utilization.gpu", "memory.used", "memory.total")


@dataclass(frozen=True)
class GpuUse:
    """How much of a GPU is used, each from 0 to 1; None where the driver does not report it."""

    load: float | None
    memory: float | None


def installed() -> list[str]:
    """Return the numbers of all GPUs."""
    return [cells[0] for cells in ask("index") if cells[0].isdigit()]


def gpu_use() -> dict[str, GpuUse]:
    """Return how much each GPU is used, by its number and by its UUID; nothing if the driver's tool does not answer."""
    use = {}
    for number, uuid, load, used, total in ask(*_FIELDS):
        memory = None if not _number(total) or _number(used) is None else float(used) / float(total)
        percent = _number(load)
        use[number] = use[uuid] = GpuUse(None if percent is None else percent / 100, memory)
    return use


@dataclass(frozen=True)
class GpuThresholds:
    """Which GPUs may get a trial, given what others do with them.

    Attributes:
        load: at most this part of the GPU's time may be used already; None for any.
        memory: the same of its memory.
    """

    load: float | None = None
    memory: float | None = None

    @property
    def is_asked(self) -> bool:
        """Whether there is any limit."""
        return self.load is not None or self.memory is not None

    def check(self, gpus: Sequence[str]) -> None:
        """Find out whether the limits can be kept for these GPUs, which are all that may be handed out.

        Raises:
            SweepError: a number out of range, no GPUs, or a driver that does not report what is needed.
        """
        for name, limit in self._limits.items():
            if not 0 <= limit <= 1:
                raise SweepError(f"hydra.launcher.{name}: {limit} is not a number from 0 to 1")
        if not self.is_asked:
            return
        asked = " and ".join(f"hydra.launcher.{name}" for name in self._limits)
        if not gpus:
            raise SweepError(
                f"{asked}: trials get no GPUs here, because nvidia-smi lists none or because of hydra.launcher.gpus or "
                f"gpus_per_trial; remove {asked}, or give trials GPUs"
            )
        use = gpu_use()
        for gpu in gpus:
            if not self._is_reported(found := find_use(gpu, use)):
                missing = "" if found is None else "the utilisation and memory use of "
                raise SweepError(f"{asked}: nvidia-smi does not report {missing}GPU {gpu} on this machine")

    def allows(self, gpus: Sequence[str], use: Mapping[str, GpuUse]) -> bool:
        """Return whether none of `gpus` is used more than allowed; a GPU whose use is unknown is not allowed."""
        for gpu in gpus:
            found = find_use(gpu, use)
            if found is None or not self._is_reported(found):
                return False
            if (self.load is not None and (found.load or 0.0) > self.load) or (
                self.memory is not None and (found.memory or 0.0) > self.memory
            ):
                return False
        return True

    @property
    def _limits(self) -> dict[str, float]:
        limits = {"allowed_load": self.load, "allowed_memory": self.memory}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def _is_reported(self, use: GpuUse | None) -> bool:
        if use is None:
            return False
        return (self.load is None or use.load is not None) and (self.memory is None or use.memory is not None)

    def __str__(self) -> str:
        return ", ".join(f"{name} is {limit:g}" for name, limit in self._limits.items())


def find_use(gpu: str, use: Mapping[str, GpuUse]) -> GpuUse | None:
    """Return the use of a GPU as CUDA_VISIBLE_DEVICES names it: its number, its UUID or the beginning of that."""
    if gpu in use:
        return use[gpu]
    return next((found for name, found in use.items() if is_named(gpu, "", name)), None)
