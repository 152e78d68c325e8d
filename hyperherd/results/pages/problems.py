"""What went wrong, trial by trial, in words that cannot steer a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hyperherd.records.states import TrialState
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.text.format import duration, escaped, one_line, setting
from hyperherd.results.text.layout import GLYPHS, Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap
from hyperherd.space.values import equal

_LONGEST_REASON = 300
_MOST = 10
"""Problems that are shown where not everything is asked for."""
_SETTINGS = 12
"""Settings of a trial that are named in a line of text."""
_NOT_BEGUN = (TrialState.WAITING, TrialState.SUBMITTED)


def problems(trials: TrialCollection, screen: Screen) -> Iterator[str]:
    """Yield a line for every broken sweep, for every trial that needs attention, and for what those share."""
    for problem in broken_sweeps(trials):
        yield from wrapped(f"# {problem}", screen, indent="    ")
    labels = sweep_labels(trials.sweeps) if len(trials.sweeps) > 1 else {}
    ranked = set(map(id, trials.ranked))
    told = [
        (trial, why)
        for trial in trials
        if (trial.unread or id(trial) not in ranked or trial.state is TrialState.UNKNOWN)
        and (why := reason(trial, trials.objective))
    ]
    told.sort(key=lambda one: one[0].state in _NOT_BEGUN)  # a thousand jobs that wait must not hide what failed
    most = len(told) if screen.rows is None or len(told) <= _MOST + 2 else _MOST
    for trial, why in told[:most]:
        where = f"{escaped(labels[trial.sweep])} {escaped(trial.label)}" if labels else escaped(trial.label)
        settings = {name: trial.params[name] for name in trials.varying if name in trial.params}
        line = f"{GLYPHS[trial.state]} {where}  {few(settings)}  {why}"
        yield from wrapped(line, screen, indent="    ")
    if most < len(told):
        yield f"... {len(told) - most} more (-n 0 shows all)"
    amiss = [trial for trial, _ in told if trial.state.problem]
    if len(amiss) > 1 and (common := few(shared(amiss, trials))):
        yield from wrapped(f"all {len(amiss)} problems share {common}", screen)


def shared(some: Sequence[Trial], trials: TrialCollection) -> dict[str, Any]:
    """Return the parameters that some of the trials have with one value, and not all trials do."""
    first = some[0].params
    return {
        name: first[name]
        for name in trials.varying
        if name in first and all(name in other.params and equal(other.params[name], first[name]) for other in some)
    }


def broken_sweeps(trials: TrialCollection) -> list[str]:
    """Return what cannot be read of the sweeps' own files."""
    labels = sweep_labels(trials.sweeps)
    return [f"sweep {escaped(label)}: {one_line(sweep.problem)}" for sweep, label in labels.items() if sweep.problem]


def reason(trial: Trial, objective: Objective | None) -> str:
    """Return why a trial is not ranked, unless its state explains it."""
    if trial.unread:
        return f"its metrics cannot be read: {one_line(trial.unread)}"
    if trial.state.finished:
        value = objective.value(trial) if objective else None
        lame = objective is not None and value is not None and not objective.ranks(trial)
        told = f"{escaped(objective.label)} is {value:g}" if lame and objective else ""
        return told or (one_line(trial.reason) if trial.state is TrialState.UNKNOWN else "")
    text = one_line(trial.reason)
    if trial.state is TrialState.STALLED and trial.silent:
        usual = f" (usually a step every {duration(trial.step_seconds)})" if trial.step_seconds else ""
        text = f"silent for {duration(trial.silent)}{usual}"
    if trial.state is TrialState.RUNNING:
        return "" if trial.eta is None else f"about {duration(trial.eta)} left"
    if len(text) > _LONGEST_REASON:
        text = text[:_LONGEST_REASON].rpartition(" ")[0] + " ..."
    if trial.cause is not None and trial.cause.value not in ("exception", text):
        text = f"{trial.cause}: {text}" if text else trial.cause.value
    return text or (trial.state.value if trial.state.problem else "")


def assignments(params: Mapping[str, Any]) -> list[str]:
    """Return ``name=value`` for each parameter, as people write it; one that does not apply is left out."""
    return [f"{escaped(name)}={setting(value)}" for name, value in params.items() if not isinstance(value, Gap)]


def few(params: Mapping[str, Any]) -> str:
    """Return the first assignments of many in a line, and how many there are beside."""
    found = assignments(params)
    more = f" ... {len(found) - _SETTINGS} more" if len(found) > _SETTINGS else ""
    return " ".join(found[:_SETTINGS]) + more
