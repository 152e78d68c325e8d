"""What the name of a metric means among trials: ``METRIC``, ``METRIC:AGG``, ``METRIC:PHASE``, ``METRIC:PHASE:AGG``."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hyperherd.errors import ResultsError
from hyperherd.results.trials.aggregates import SPELLINGS, split_metric
from hyperherd.results.trials.directions import is_statistic
from hyperherd.results.trials.phases import phases_of
from hyperherd.results.trials.trial import Trial


def metric_names(trials: Iterable[Trial]) -> list[str]:
    """Return the names of all metrics and final values of `trials`, sorted."""
    kinds = dict.fromkeys((trial.metric_names, trial.final_names) for trial in trials)
    return sorted({name for metrics, final in kinds for name in (*metrics, *final)})


def find_metric(text: str, trials: Iterable[Trial], known: Collection[str]) -> tuple[str, str | None] | None:
    """Return the metric in `text`, with its phase if it has one, and the aggregate; None if that metric is not known.

    Args:
        text: as people write it. A metric's own name is understood before an aggregate is, and that before a phase.
        trials: whose phases it may name.
        known: the names of their metrics.

    Raises:
        ResultsError: there is the metric, but neither such an aggregate nor such a phase.
    """
    try:
        return split_metric(text, known)
    except ResultsError:  # what is behind the colon is not an aggregate
        trials = list(trials)
        starts = {text[:place] for place, char in enumerate(f"{text}:") if char == ":"}
        of_phases = {start for start in starts if any(trial.asked_phase(start) for trial in trials)}
        if of_phases:
            return split_metric(text, of_phases)
        metric = max((start for start in starts if start in known), key=len)
        if phases := _phases_of(metric, trials):
            raise ResultsError(
                f"{text[len(metric) + 1 :]!r} is neither a phase nor an aggregate; "
                f"use {metric}:{'|'.join((*phases, *SPELLINGS))}"
            ) from None
        raise


def has_metric(name: str, trials: Iterable[Trial]) -> bool:
    """Return whether any of the trials has logged ``METRIC`` or ``METRIC:PHASE``, with steps or without."""
    return any(
        name in trial.metric_names or name in trial.final_names or trial.asked_phase(name) is not None
        for trial in trials
    )


def plain_metric(name: str, trials: Iterable[Trial]) -> str:
    """Return the metric in ``METRIC:PHASE``; any other name as it is."""
    found = (trial.asked_phase(name) for trial in trials)
    return next((metric for metric, _ in filter(None, found)), name)


def phase_notes(trials: Iterable[Trial], metrics: Collection[str] | None = None) -> list[str]:
    """Return in words which metrics have more phases than the one that is shown; nothing if none has.

    Args:
        trials: those that are shown.
        metrics: those that are shown; None: all but what trainers log about the machine.
    """
    several: dict[str, None] = {}
    phases: dict[str, None] = {}
    kinds = {
        tuple((phase, tuple(names)) for phase, names in trial.phase_names.items())
        for trial in trials
        if trial.phase_names
    }
    for kind in map(dict, sorted(kinds)):
        for name in sorted({name for names in kind.values() for name in names}):
            if (metrics is None and is_statistic(name)) or (metrics is not None and name not in metrics):
                continue
            if len(found := phases_of(name, kind)) > 1:
                several[name] = None
                phases.update(dict.fromkeys(found))
    if not several:
        return []
    return [
        f"{_listed(several)}: logged in several phases, of which the last that trained is shown; "
        f"METRIC:PHASE is another one ({_listed(phases)})"
    ]


def _phases_of(metric: str, trials: Iterable[Trial]) -> list[str]:
    return list(dict.fromkeys(phase for trial in trials for phase in phases_of(metric, trial.phase_names)))


def _listed(names: Collection[str], most: int = 8) -> str:
    more = f", ... {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more
