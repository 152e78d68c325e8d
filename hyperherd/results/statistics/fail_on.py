"""Trials in states that the caller does not accept (``--fail-on``)."""

from __future__ import annotations

from collections.abc import Sequence

from hyperherd.errors import one_of
from hyperherd.records.states import TrialState
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

_MISSING = (TrialState.MISSING, TrialState.WAITING, TrialState.SUBMITTED, TrialState.LOST)


def unhealthy(trials: TrialCollection, unwanted: Sequence[str]) -> list[Trial]:
    """Return the trials in unwanted states; ``missing`` is every planned trial that nobody runs, and that left no end.

    Raises:
        ResultsError: a name is not a state.
    """
    known = [state.value for state in TrialState]
    states: set[TrialState] = set()
    for name in unwanted:
        one_of(name, known, "a state")
        states.update(_MISSING if name == TrialState.MISSING.value else (TrialState(name),))
    return [trial for trial in trials if trial.state in states]
