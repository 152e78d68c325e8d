"""Which trials came to a bad end by what their values did, and which were lost to something else.

A trial that ran out of memory or time, lost its node, was preempted, killed or cancelled would have reached what its
other seeds did: it is left out. One whose objective is not finite, whose error says that a number was not, or which a
pruner stopped for its values, is bad news about its configuration.
"""

from __future__ import annotations

import math
import re

from hyperherd.records.states import FailureCause, TrialState
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial

_OWN = (FailureCause.EXCEPTION, FailureCause.EXIT)
_KINDS = ("FloatingPointError", "OverflowError")
_WORDS = re.compile(
    r"\b(nans?|inf|infinite|infinity|non-?finite|not finite|diverged?|diverging|exploded)\b", re.IGNORECASE
)


def ended_badly(trial: Trial, objective: Objective) -> bool:
    """Return whether what its values did is why `trial` has no finite value to be ranked by."""
    if trial.state.held_back:
        return trial.started is not None  # one that was not, as its configuration was pruned, has shown nothing
    if not trial.state.finished and not (trial.state is TrialState.FAILED and trial.cause in _OWN):
        return False
    value = objective.value(trial)
    if value is not None and not math.isfinite(value):
        return True
    return trial.state is TrialState.FAILED and _says_so(trial)


def _says_so(trial: Trial) -> bool:
    error = trial.error
    return error is not None and (error.type in _KINDS or _WORDS.search(error.message) is not None)
