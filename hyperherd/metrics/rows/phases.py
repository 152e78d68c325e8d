"""Phases (docs/format.md, Phases): what they are called, and which of them counts for a metric.

Inside `metrics` the rows of one metric in one phase are a *series*, and its name, which stands wherever a metric's name
does, is the metric's, followed by NUL and the phase where there is one. No name of a metric has a NUL, so rows that are
sorted by series are sorted by metric and phase, and a trial of one phase costs nothing more than it would without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperherd.metrics.rows.cuts import AttemptStart

NUL = "\0"
EVALUATIONS = ("validate", "test", "predict", "evaluate")
"""The last part of the name of a phase that evaluates, a number behind it aside; all other phases train."""
TRAININGS = ("fit", "train")
SYSTEM = "system"
"""The phase of what a trial takes of its machine, which is an evaluation as well: it moves no step of a training."""
_COUNTED = re.compile(rf"(?:(.*)/)?(?:{'|'.join(EVALUATIONS + TRAININGS)})(?:-\d+)?", re.DOTALL)
_EVALUATION = re.compile(rf"(?:.*/)?(?:{'|'.join(EVALUATIONS)})(?:-\d+)?|{SYSTEM}", re.DOTALL)


def as_phase(name: Any) -> str:
    """Return the name of a phase as text that every file can hold; None, or nothing, is the one without a name.

    Raises:
        TypeError: it is not a string.
    """
    if name is None:
        return ""
    if not isinstance(name, str):
        raise TypeError(f"the name of a phase must be a string, not {name!r} ({type(name).__name__})")
    return name.replace(NUL, r"\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def series_of(metric: str, phase: str) -> str:
    """Return the series of a metric in a phase."""
    return f"{metric}{NUL}{phase}" if phase else metric


def metric_of(series: str) -> str:
    """Return the metric of a series."""
    return series.partition(NUL)[0]


def phase_of(series: str) -> str:
    """Return the phase of a series; empty if it has no name."""
    return series.partition(NUL)[2]


def is_phased(names: Iterable[str]) -> bool:
    """Return whether one of these series belongs to a phase with a name."""
    return any(NUL in name for name in names)


def is_evaluation(phase: str) -> bool:
    """Return whether a phase evaluates, rather than trains, by its name."""
    return _EVALUATION.fullmatch(phase) is not None


def root_of(phase: str) -> str:
    """Return the phase that another one belongs to: ``fold0`` of ``fold0/test``, the one without a name of ``fit-2``.

    One that belongs to no other is its own root.
    """
    found = _COUNTED.fullmatch(phase)
    return phase if found is None else found.group(1) or ""


class PhaseOrder:
    """Which phase of several is later, given how all attempts began: that of the newer attempt, then of the later row.

    Attempts outweigh clocks. Where no time is known, a phase comes before those of its attempt whose time is.
    """

    def __init__(self, attempts: Mapping[int, AttemptStart]) -> None:
        self._newest: dict[str, int] = {}
        for attempt, start in sorted(attempts.items()):
            self._newest.update(dict.fromkeys(start.first, attempt))
        self._attempts = attempts

    def rank(self, series: str) -> tuple[bool, int, float, str]:
        """Return what compares greater for the series that counts: a training one, then the later one."""
        phase = phase_of(series)
        attempt = self._newest.get(series, -1)
        start = self._attempts.get(attempt)
        began = start.began.get(phase) if start else None
        return not is_evaluation(phase), attempt, float("-inf") if began is None else began, phase

    def shown(self, names: Iterable[str]) -> dict[str, str]:
        """Return the series that counts for each metric among some series: of the last phase that trained with it.

        A metric that was logged in evaluations alone has that of the last one.
        """
        names = list(names)
        if not is_phased(names):
            return {name: name for name in names}
        found: dict[str, str] = {}
        for name in names:
            known = found.setdefault(metric_of(name), name)
            if self.rank(name) > self.rank(known):
                found[metric_of(name)] = name
        return found

    def last_training(self, names: Iterable[str]) -> str | None:
        """Return the last phase that trained, of those of some series; None if there is none."""
        trained = [name for name in names if not is_evaluation(phase_of(name))]
        return phase_of(max(trained, key=self.rank)) if trained else None


def by_phase(values: Mapping[str, Any], order: PhaseOrder) -> dict[str, dict[str, Any]]:
    """Return values of series as phase -> metric -> value, the phases in their order; empty if there is only one."""
    if not is_phased(values):
        return {}
    phases: dict[str, dict[str, Any]] = {}
    for name in sorted(values, key=lambda name: (order.rank(name)[1:], name)):
        phases.setdefault(phase_of(name), {})[metric_of(name)] = values[name]
    return phases


def from_phases(phases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what :func:`by_phase` was given."""
    return {series_of(metric, phase): value for phase, some in phases.items() for metric, value in some.items()}
