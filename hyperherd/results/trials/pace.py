"""How far trials have come, for those who watch them."""

from __future__ import annotations

import time

from hyperherd.records.states import TrialState
from hyperherd.results.text.progress import Pace, Underway
from hyperherd.results.trials.collection import Trials

_NOT_BEGUN = (TrialState.WAITING, TrialState.SUBMITTED)
_BEGUN = (TrialState.RUNNING, TrialState.STALLED)


def pace(trials: Trials) -> Pace:
    """Return how far `trials` have come, and how long the rest takes."""
    now = time.time()
    running = [trial for trial in trials if trial.state in _BEGUN]
    waiting = sum(trial.state in _NOT_BEGUN for trial in trials)
    return Pace(
        [trial.seconds for trial in trials if trial.state.done and trial.seconds is not None],
        [Underway(max(now - (trial.started or now), 0.0), trial.eta) for trial in running],
        waiting,
        len(trials) - len(running) - waiting,
    )
