"""What people call the phases of a metric: ``METRIC:PHASE``, and ``METRIC:evaluate`` for its last evaluation."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hyperherd.metrics.rows.phases import is_evaluation

UNNAMED = "unnamed"
"""What the phase without a name is asked for by."""
EVALUATE = "evaluate"

Phases = Mapping[str, Collection[str]]
"""Phase -> its metrics, in the order of the phases."""


def split_phase(text: str, phases: Phases) -> tuple[str, str] | None:
    """Return the metric and the phase in ``METRIC:PHASE``; None if a trial with these phases has no such thing."""
    if not phases:
        return None
    for place in (place for place, char in enumerate(text) if char == ":"):
        metric, asked = text[:place], text[place + 1 :]
        holding = [phase for phase, metrics in phases.items() if metric in metrics]
        if asked in holding and asked:
            return metric, asked
        if asked == UNNAMED and "" in holding:
            return metric, ""
        evaluations = [phase for phase in holding if is_evaluation(phase)]
        if asked == EVALUATE and evaluations:
            return metric, evaluations[-1]
    return None


def name_of(phase: str) -> str:
    """Return what a phase is called."""
    return phase or UNNAMED


def phases_of(metric: str, phases: Phases) -> list[str]:
    """Return what the phases that logged a metric are called."""
    return [name_of(phase) for phase, metrics in phases.items() if metric in metrics]
