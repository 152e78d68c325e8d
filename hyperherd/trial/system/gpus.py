"""The GPUs of a trial: how many it was given, as far as that is known, and what it makes of those that it sees."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperherd import schedulers
from hyperherd.trial.system.nvidia_smi import ask, is_named, masked, number

GIVEN = "HYPERHERD_GPUS"
"""Set by our local launcher: how many GPUs a trial has, a share of one included; empty if it gave it none."""
_QUERY = ("index", "uuid", "utilization.gpu", "memory.used", "power.draw")


def given_gpus(environment: Mapping[str, str]) -> float | None:
    """Return how many GPUs a trial was given to itself; None if nobody says.

    What a user's own mask names may be shared by all trials, and counts for nothing.
    """
    if (given := environment.get(GIVEN)) is not None:
        return number(given)
    return schedulers.gpus(environment)


@dataclass(frozen=True)
class GpuUse:
    """What one GPU does; None where the driver does not report it."""

    percent: float | None
    memory_gib: float | None
    power_w: float | None


def read_gpus(mask: str | None) -> list[GpuUse]:
    """Return the use of the GPUs that a mask shows, in its order; without a mask of all that there are."""
    rows = ask(*_QUERY)
    if mask is not None:
        found = [next((row for row in rows if is_named(gpu, row[0], row[1])), None) for gpu in masked(mask)]
        rows = [row for row in found if row is not None]
    return [_use(*row[2:]) for row in rows]


def _use(percent: str, memory: str, power: str) -> GpuUse:
    mebibytes = number(memory)
    return GpuUse(number(percent), None if mebibytes is None else mebibytes / 1024, number(power))


class Energy:
    """The energy that GPUs have taken, from their power at each reading."""

    def __init__(self) -> None:
        self._hours: list[float] = []
        self._last: Sequence[float | None] = ()
        self._at = 0.0

    def add(self, power: Sequence[float | None]) -> list[float | None]:
        """Take in the power of each GPU in watts; return what each has taken so far in watt hours, as far as known.

        Between two readings the power is taken to be the mean of both.
        """
        now = time.monotonic()
        if len(power) != len(self._hours):
            self._hours, self._last, self._at = [0.0] * len(power), power, now
        for place, (before, after) in enumerate(zip(self._last, power, strict=True)):
            if before is not None and after is not None:
                self._hours[place] += (before + after) / 2 * (now - self._at) / 3600
        self._last, self._at = power, now
        return [None if watts is None else hours for watts, hours in zip(power, self._hours, strict=True)]
