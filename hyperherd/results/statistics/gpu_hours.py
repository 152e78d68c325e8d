"""GPU-hours: what the trials of a sweep have taken, as far as records say how many GPUs each of them had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hyperherd.plural import counted
from hyperherd.results.trials.trial import Trial


@dataclass(frozen=True)
class GpuHours:
    """The number of GPUs of each trial times how long it ran."""

    hours: float
    known: int
    """Of how many trials the number is known."""
    started: int
    """How many trials have run, or run."""
    again: int
    """How many of those that are known ran more than once: their last attempt alone is counted."""

    def __str__(self) -> str:
        text = f"GPU-hours: {self.hours:.3g}"
        told = []
        if self.known < self.started:
            others = self.started - self.known
            told.append(f"of {counted(self.known, 'trial')}; of {others} more the number of GPUs is not known")
        if self.again:
            told.append(f"without earlier attempts of {counted(self.again, 'trial')}")
        return f"{text} ({'; '.join(told)})" if told else text


def gpu_hours(trials: Iterable[Trial]) -> GpuHours | None:
    """Return the GPU-hours of trials; None where no record speaks of any GPU."""
    started = [trial for trial in trials if trial.seconds is not None]
    known = [(trial.gpus * (trial.seconds or 0.0), trial) for trial in started if trial.gpus is not None]
    total = sum(seconds for seconds, _ in known)
    if not total:
        return None
    return GpuHours(total / 3600, len(known), len(started), sum(trial.attempt > 0 for _, trial in known))
