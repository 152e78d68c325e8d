"""How far trials have come, for those who watch them."""

from __future__ import annotations

import time

from hyperherd.records.states import TrialState
from hyperherd.results.text.progress import Pace, Underway
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

_NOT_BEGUN = (TrialState.WAITING, TrialState.SUBMITTED, TrialState.REQUEUED)
_BEGUN = (TrialState.RUNNING, TrialState.STALLED)


def pace(trials: TrialCollection) -> Pace:
    """Return how far `trials` have come, and how long the rest takes."""
    now = time.time()
    running = [trial for trial in trials if trial.state in _BEGUN]
    waiting = sum(trial.state in _NOT_BEGUN for trial in trials)
    return Pace(
        [trial.seconds for trial in trials if trial.state.done and trial.seconds is not None],
        [_underway(trial, now) for trial in running],
        waiting,
        len(trials) - len(running) - waiting,
    )


def _underway(trial: Trial, now: float) -> Underway:
    elapsed = max(now - (trial.started or now), 0.0)
    since_its_last_sign = max(elapsed - (trial.seconds or elapsed), 0.0)
    return Underway(elapsed, None if trial.eta is None else max(trial.eta - since_its_last_sign, 0.0))
