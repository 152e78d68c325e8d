"""What went wrong, trial by trial, in words that cannot steer a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hyperherd.results.cells import Gap, inert, one_line, setting
from hyperherd.results.columns import sweep_labels
from hyperherd.results.layout import GLYPHS, Screen, wrapped
from hyperherd.results.objective import Objective
from hyperherd.results.trial import Trial
from hyperherd.results.trials import Trials

_LONGEST_REASON = 300


def problems(trials: Trials, screen: Screen) -> Iterator[str]:
    """Yield a line for every broken sweep, and for every trial that needs attention."""
    for problem in broken_sweeps(trials):
        yield from wrapped(f"# {problem}", screen, indent="    ")
    labels = sweep_labels(trials.sweeps) if len(trials.sweeps) > 1 else {}
    ranked = set(map(id, trials.ranked))
    for trial in trials:
        if id(trial) in ranked:
            continue
        why = reason(trial, trials.objective)
        if why:
            where = f"{inert(labels[trial.sweep])} {inert(trial.label)}" if labels else inert(trial.label)
            settings = {name: trial.params[name] for name in trials.varying if name in trial.params}
            line = f"{GLYPHS[trial.state]} {where}  {' '.join(assignments(settings))}  {why}"
            yield from wrapped(line, screen, indent="    ")


def broken_sweeps(trials: Trials) -> list[str]:
    """Return what cannot be read of the sweeps' own files."""
    labels = sweep_labels(trials.sweeps)
    return [f"sweep {inert(label)}: {one_line(sweep.problem)}" for sweep, label in labels.items() if sweep.problem]


def reason(trial: Trial, objective: Objective | None) -> str:
    """Return why a trial is not ranked, if there is more to say than its state does."""
    if trial.state.finished:
        value = objective.value(trial) if objective else None
        lame = objective is not None and value is not None and not objective.ranks(trial)
        return f"{inert(objective.label)} is {value:g}" if lame and objective else ""
    text = one_line(trial.reason)
    if len(text) > _LONGEST_REASON:
        text = text[:_LONGEST_REASON].rpartition(" ")[0] + " ..."
    if trial.cause is not None and trial.cause.value not in ("exception", text):
        text = f"{trial.cause}: {text}" if text else trial.cause.value
    return text or (trial.state.value if trial.state.problem else "")


def assignments(params: Mapping[str, Any]) -> list[str]:
    """Return ``name=value`` for each parameter, as people write it; one that does not apply is left out."""
    return [f"{inert(name)}={setting(value)}" for name, value in params.items() if not isinstance(value, Gap)]
