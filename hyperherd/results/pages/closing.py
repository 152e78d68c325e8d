"""The end of a sweep in a few lines: what went wrong, equal errors once, what was best, and how to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hyperherd.records.states import TrialState
from hyperherd.results.pages.parts import block
from hyperherd.results.pages.problems import broken_sweeps, few, reason, shared
from hyperherd.results.statistics.failures import failures
from hyperherd.results.text.format import escaped
from hyperherd.results.text.layout import GLYPHS, Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

_MANY = 3
"""Trials that are named together from this many on; the settings of fewer are worth their lines."""
_NUMBERS = 30
"""Trials that are named where many ended in the same way."""
_UNENDED = (TrialState.WAITING, TrialState.SUBMITTED, TrialState.REQUEUED, TrialState.RUNNING)


def unhappy(trials: TrialCollection, screen: Screen, most: int) -> Iterator[str]:
    """Yield what went wrong in one sweep: a line for each kind of it, and the traceback of an error that several share.

    Args:
        trials: of the sweep.
        screen: what the lines must fit.
        most: how many kinds are shown.
    """
    for problem in broken_sweeps(trials):
        yield from wrapped(f"# {problem}", screen, indent="    ")
    kinds = list(_kinds(trials))
    for members, traceback in kinds[:most]:
        yield from _kind(members, traceback, trials, screen)
    if len(kinds) > most:
        yield f"... {len(kinds) - most} more"


def _kinds(trials: TrialCollection) -> Iterator[tuple[Sequence[Trial], str]]:
    """Yield the trials that ended badly: many that the same thing ended together, with their traceback; else each."""
    for members, traceback in _alike(trials):
        if len(members) < _MANY:
            yield from (([trial], "") for trial in members)
        else:
            yield members, traceback


def _alike(trials: TrialCollection) -> Iterator[tuple[Sequence[Trial], str]]:
    for group in failures(trials).groups:
        yield group.trials, group.traceback
    others: dict[tuple[TrialState, str], list[Trial]] = {}
    ranked = set(map(id, trials.ranked))
    for trial in trials:
        if trial.state.problem or trial.state in _UNENDED or (id(trial) in ranked and not trial.unread):
            continue
        if why := reason(trial, trials.objective):
            others.setdefault((trial.state, why), []).append(trial)
    yield from ((members, "") for members in others.values())


def _kind(members: Sequence[Trial], traceback: str, trials: TrialCollection, screen: Screen) -> Iterator[str]:
    first = members[0]
    why = reason(first, trials.objective)
    if len(members) == 1:
        settings = {name: first.params[name] for name in trials.varying if name in first.params}
        named = f"{escaped(first.label)}  {few(settings)}"
    else:
        labels = [escaped(trial.label) for trial in members]
        more = f" and {len(labels) - _NUMBERS} more" if len(labels) > _NUMBERS else ""
        named = f"{len(labels)} trials ({', '.join(labels[:_NUMBERS])}{more})"
        if common := few(shared(members, trials)):
            named += f", all with {common}"
    yield from wrapped(f"{GLYPHS[first.state]} {named}  {why}", screen, indent="    ")
    if traceback:
        yield from block(traceback)
