"""Sending trials to a tracker: once, or while they run until all have ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, ResultsError, one_of
from hyperherd.forward.runs import run_of
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker
from hyperherd.forward.trackers.store import Store, StoreTracker
from hyperherd.records.states import TrialState
from hyperherd.results.tables.changes import has_ended
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

TRACKERS = ("mlflow", "wandb", "tensorboard", "jsonl")


def tracker(name: str, place: str | os.PathLike[str] | None = None, project: str | None = None) -> Tracker:
    """Return one of the trackers that :func:`forward` sends to.

    Args:
        name: ``mlflow``, ``wandb``, ``tensorboard`` or ``jsonl``.
        place: the folder that is written to, made if it is missing; of MLflow the tracking URI (None: as MLflow
            finds it).
        project: MLflow's experiment or the project of W&B; None: the name of each sweep.

    Raises:
        ResultsError: the tracker is not known, its package is not installed, or the folder is missing.
    """
    one_of(name, TRACKERS, "a tracker")
    if project is not None and name not in ("mlflow", "wandb"):
        raise ResultsError(f"{name} has no projects")
    if name == "mlflow":
        from hyperherd.forward.trackers.mlflow import MlflowTracker

        return MlflowTracker(None if place is None else os.fspath(place), project)
    if place is None:
        raise ResultsError(f"{name} needs a folder to write to")
    if name == "wandb":
        from hyperherd.forward.trackers.wandb import WandbTracker

        return WandbTracker(Path(place), project)
    if name == "tensorboard":
        from hyperherd.forward.trackers.tensorboard import TensorBoardTracker

        return TensorBoardTracker(Path(place))
    from hyperherd.forward.trackers.jsonl import JsonlTracker

    return JsonlTracker(Path(place))


def forward(trials: Iterable[Trial], store: Store | Tracker) -> Sent:
    """Send trials to a tracker: what is new of each since the last call, and nothing twice.

    A trial that has not started is not sent, nor one whose directory is gone. What fails is offered again after pauses,
    then counted, and costs nothing else; the next call offers it again.

    Args:
        trials: such as :func:`hyperherd.load` returns.
        store: anything with ``log_metrics(run_id=, step=, metrics=)`` (see `Store`), or a :func:`tracker`.

    Returns:
        how many values were delivered, there already, left out and failed.

    Raises:
        ResultsError: the store has no such method, or what was sent cannot be noted.
        OSError: a folder cannot be written to.
    """
    target = store if isinstance(store, Tracker) else StoreTracker(store)
    total = Sent()
    for trial in filter(_has_begun, trials):
        total += _sent(trial, target)
    return total


def _has_begun(trial: Trial) -> bool:
    """Return whether there is something to send; of a directory that is gone nothing is, so what was sent stays."""
    is_waiting = trial.started is None and trial.state in (TrialState.WAITING, TrialState.SUBMITTED)
    return not is_waiting and trial.dir is not None and trial.dir.is_dir()


def _sent(trial: Trial, target: Tracker) -> Sent:
    try:
        run = run_of(trial)
    except (OSError, FormatError) as error:  # One broken file costs its own trial alone.
        return Sent(runs=1, failed=1, problems=(f"{trial.sweep.name}/{trial.label}: {error}",))
    return target.send(run)


def follow(
    load: Callable[[], TrialCollection],
    target: Tracker,
    every: float,
    report: Callable[[Sent], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Sent:
    """Send trials while they run, until all have ended.

    Args:
        load: reads the trials again.
        target: where to.
        every: seconds between two looks.
        report: gets what each round sent.
        sleep: waits.

    Returns:
        the sum; of what failed, what no later round delivered.
    """
    rounds = _Rounds(target)
    while True:
        trials = load()
        is_last = has_ended(trials)
        report(rounds.send(trials))
        if is_last:
            return rounds.total
        sleep(every)


class _Rounds:
    """What has been sent so far of trials that are looked at again and again."""

    def __init__(self, target: Tracker) -> None:
        self._target = target
        self._done: dict[Any, Any] = {}
        self._seen: dict[Any, Sent] = {}

    @property
    def total(self) -> Sent:
        """The sum; of what failed, what has not been delivered in a later round."""
        return sum(self._seen.values(), Sent())

    def send(self, trials: Iterable[Trial]) -> Sent:
        """Send what may be new: of trials that run, and of those whose record has changed or of which values failed."""
        total = Sent()
        for trial in filter(_has_begun, trials):
            who = (trial.sweep.dir, trial.number, trial.dir)
            now = (trial.state, trial.attempt, trial.ended, trial.tags, trial.note, str(trial.final))
            if trial.state.ended and self._done.get(who) == now:
                continue
            sent = _sent(trial, self._target)
            total += sent
            before = self._seen.get(who)
            if before is not None:
                sent = replace(sent, delivered=before.delivered + sent.delivered, already=before.already)
            self._seen[who] = sent
            self._done[who] = None if sent.failed else now
        return total
