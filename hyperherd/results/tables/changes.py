"""Watching a sweep: what has changed since the last refresh, and whether anything may still change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperherd.records.lock import LockHolder, lock_holder
from hyperherd.records.states import TrialState
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Sweep, Trial

_ACTIVE = (TrialState.RUNNING, TrialState.SUBMITTED, TrialState.REQUEUED)
_GIVEN_UP = 3600.0
"""Seconds of silence after which a stalled trial is no longer waited for, if no sweep waits for it either."""
_WELL = (TrialState.COMPLETED, TrialState.PRUNED, TrialState.PAUSED, TrialState.UNKNOWN)


class Watcher:
    """Finds the trials that have changed since the last refresh."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Path, int | str], dict[str, Any]] = {}

    def changes(self, trials: TrialCollection) -> Iterator[dict[str, Any]]:
        """Yield a record for each trial that is new or has changed."""
        labels = sweep_labels(trials.sweeps)
        for trial in trials:
            record = _record(trial, trials, labels)
            who = (trial.sweep.dir, trial.label)
            if self._seen.get(who) != record:
                self._seen[who] = record
                yield {"event": "trial", "time": time.time(), **record}


def end_record(trials: TrialCollection) -> dict[str, Any]:
    """Return the last record: how many trials ended how."""
    counts = {state.value: count for state, count in trials.counts.items()}
    return {"event": "end", "time": time.time(), "counts": counts, "ok": all_well(trials)}


def has_ended(trials: TrialCollection) -> bool:
    """Return whether nothing is left to be watched.

    Trials that wait are waited for while a sweep holds the directory; afterwards nobody will start them. A sweep on
    another host that is probably dead is not waited for, nor are the trials that have fallen silent with it.
    """
    holders = {sweep: lock_holder(sweep.dir) for sweep in trials.sweeps}
    if any(holder is not None and not holder.is_silent for holder in holders.values()):
        return False
    return not any(_may_change(trial, holders[trial.sweep]) for trial in trials)


def silent_holders(trials: TrialCollection) -> list[tuple[Sweep, LockHolder]]:
    """Return the sweeps that are locked by a process of another host that is probably dead."""
    found = [(sweep, lock_holder(sweep.dir)) for sweep in trials.sweeps]
    return [(sweep, holder) for sweep, holder in found if holder is not None and holder.is_silent]


def _may_change(trial: Trial, holder: LockHolder | None) -> bool:
    if trial.state is TrialState.STALLED:
        return holder is None and trial.silent <= _GIVEN_UP
    return trial.state in _ACTIVE


def all_well(trials: TrialCollection) -> bool:
    """Return whether every trial ended as it should: completed, pruned, paused or unknown."""
    return all(trial.state in _WELL for trial in trials)


def _record(trial: Trial, trials: TrialCollection, labels: dict[Sweep, str]) -> dict[str, Any]:
    objective = trials.objective
    several = {"values": {one.label: one.value(trial) for one in trials.objectives}} if trials.objectives else {}
    return {
        "sweep": labels[trial.sweep],
        "number": trial.number,
        "dir": None if trial.dir is None else str(trial.dir),
        "params": trial.params,
        "state": trial.state.value,
        "cause": None if trial.cause is None else trial.cause.value,
        # How long it has been silent changes at each refresh, and is not reported as a change.
        "reason": None if trial.state is TrialState.STALLED else trial.reason or None,
        "attempt": trial.attempt,
        "step": trial.step,
        "max_step": trial.max_step,
        "metric": objective.label if objective else None,
        "value": objective.value(trial) if objective else None,
        **several,
    }
