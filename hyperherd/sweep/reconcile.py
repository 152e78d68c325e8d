"""Reconciling a plan with what its directory already holds: who keeps which number, and who is still to run."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.events import Event, read_events
from hyperherd.records.fold import Observer, Standing, fold
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.results.load import load
from hyperherd.sweep.plan import Draft

GIVEN_UP = 900.0
"""Seconds of silence after which a stalled trial of another host is taken for dead, and run again."""


@dataclass(frozen=True)
class Agenda:
    """All trials of a sweep in the order of their numbers, and which of them are to run now.

    Attributes:
        trials: planned ones and orphans, which an earlier invocation planned and this one does not.
        to_run: a part of `trials`.
        standings: how many trials stood in which state before this invocation; empty for a new sweep.
    """

    trials: tuple[PlannedTrial, ...]
    to_run: tuple[PlannedTrial, ...]
    standings: Counter[TrialState]


def reconcile(sweep_dir: Path, drafts: Sequence[Draft]) -> Agenda:
    """Number `drafts`: a trial the directory knows keeps its number, others get the next ones in their order."""
    known = _with_directories(sweep_dir, read_planned(sweep_dir))
    numbered = {trial.key: trial for trial in known}
    following = max((trial.number for trial in known), default=-1) + 1
    planned = set()
    for draft in drafts:
        before = numbered.get(draft.key)
        number = before.number if before else following
        following += before is None
        planned.add(draft.key)
        numbered[draft.key] = PlannedTrial(
            number,
            draft.key,
            draft.name,
            draft.overrides,
            draft.params,
            dir=before.dir if before else None,
            resources=draft.resources,
        )
    trials = sorted(
        (replace(trial, orphan=trial.key not in planned) for trial in numbered.values()), key=lambda trial: trial.number
    )
    if not known:
        return Agenda(tuple(trials), tuple(trials), Counter())
    return _agenda(sweep_dir, trials, [trial.number for trial in known])


def _agenda(sweep_dir: Path, trials: list[PlannedTrial], known: list[int]) -> Agenda:
    events = defaultdict(list)
    for event in read_events(sweep_dir):
        events[event.number].append(event)
    standings = {trial.number: standing_of(sweep_dir, trial, events[trial.number]) for trial in trials}
    to_run = [trial for trial in trials if not trial.orphan and _is_to_run(standings[trial.number])]
    before = Counter(standings[number].state for number in known)
    return Agenda(tuple(trials), tuple(to_run), before)


def _is_to_run(standing: Standing) -> bool:
    """Return whether a trial is to be run: it is not done, and not still at it either."""
    if standing.state is TrialState.STALLED:
        return standing.silent > GIVEN_UP
    return not standing.state.done and standing.state is not TrialState.RUNNING


def _with_directories(sweep_dir: Path, trials: list[PlannedTrial]) -> list[PlannedTrial]:
    """Return trials whose directory only their launcher named with the one that was found to hold them."""
    if all(trial.dir is not None for trial in trials):
        return trials
    found = {trial.key: trial.dir for trial in load(sweep_dir) if trial.dir is not None}
    return [
        replace(trial, dir=os.path.relpath(found[trial.key], sweep_dir))
        if trial.dir is None and trial.key in found
        else trial
        for trial in trials
    ]


def standing_of(sweep_dir: Path, trial: PlannedTrial, events: Sequence[Event]) -> Standing:
    """Return where `trial` stands, from its directory and its events."""
    record = None
    if trial.dir is not None:
        try:
            record = TrialRecord.read(sweep_dir / trial.dir)
        except FileNotFoundError:
            pass
        except (FormatError, OSError) as error:
            return Standing(TrialState.UNREADABLE, reason=str(error))
    return fold(record, events, Observer())


def check_base(sweep_dir: Path, base: dict[str, Any]) -> SweepRecord | None:
    """Return the record of the sweep that `sweep_dir` holds, or None if it holds none.

    Raises:
        SweepError: it is a sweep of another script, or with other fixed overrides.
    """
    if not SweepPaths(sweep_dir).sweep.exists():
        return None
    record = SweepRecord.read(sweep_dir)
    if record.base["hash"] != base["hash"]:
        raise SweepError(
            f"{sweep_dir} holds another sweep: {_describe(record.base)} there, {_describe(base)} here. Its trials and "
            f"these cannot be compared. Choose another hydra.sweep.dir, or run the command it was started with."
        )
    return record


def _describe(base: dict[str, Any]) -> str:
    return f"`{' '.join(base['command'])}` with {' '.join(base['overrides']) or 'no fixed overrides'}"
