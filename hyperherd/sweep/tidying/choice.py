"""Whose checkpoints go: those of trials that the ranking has behind the best ones, or that failed.

Invariant: where there is any doubt the trial keeps its checkpoints, and the reason is returned.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import ResultsError
from hyperherd.records.disk.ownership import is_own
from hyperherd.records.states import TrialState
from hyperherd.results.statistics.configurations import AnyGroup, GroupCollection
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import needed
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.sweep.tidying.checkpoints import stored_files

LOSERS, FAILED, ALL_BUT_BEST = "losers", "failed", "all-but-best"
_FRESH = 3600.0
_ENDED = {TrialState.FAILED: "failed", TrialState.PRUNED: "pruned"}


@dataclass
class Choice:
    """Trials whose checkpoints go, and reasons why others keep theirs."""

    doomed: list[Trial] = field(default_factory=list)
    kept: dict[str, list[Trial]] = field(default_factory=dict)
    """Reason -> trials; the best ones are not among them."""


def choose(trials: TrialCollection, wanted: str, keep: int, running: Mapping[Sweep, str]) -> Choice:
    """Return whose checkpoints go.

    Args:
        trials: all of them, judged by what decides.
        wanted: ``losers``: ranked ones that are not the best; ``failed``; ``all-but-best``: both, and pruned ones.
        keep: how many of the best configurations keep their checkpoints.
        running: sweeps that must be left alone, and why.

    Raises:
        ResultsError: the trials cannot be ranked, or only by a guess.
    """
    verdicts = {} if wanted == FAILED else _ranking(trials, keep)
    choice = Choice()
    for trial in trials:
        verdict = _verdict(trial, wanted, verdicts)
        if verdict is None:
            continue
        reason = verdict or running.get(trial.sweep, "")
        if not reason and (trial.dir is None or not is_own(trial.dir)):
            reason = "of another user"
        if reason:
            choice.kept.setdefault(reason, []).append(trial)
        else:
            choice.doomed.append(trial)
    return choice


def _verdict(trial: Trial, wanted: str, ranking: Mapping[int, str | None]) -> str | None:
    """Return why a trial keeps its checkpoints; empty if it does not; None if it was not asked about."""
    if trial.dir is None:
        return None
    if wanted == FAILED:
        return "" if trial.state is TrialState.FAILED else None
    if trial.state is TrialState.UNKNOWN and _is_fresh(trial.dir):
        return "written to within the last hour, so they may still run"
    if trial.state.finished:
        return ranking.get(id(trial), "unranked")
    if trial.state in _ENDED:
        return "" if wanted == ALL_BUT_BEST else None
    return f"{trial.state}, and may go on from them"


def _is_fresh(trial_dir: Path) -> bool:
    """Return whether anything in a directory has changed lately: whether a job of Hydra alone runs, nothing says."""
    newest = max((file.modified for file in stored_files(trial_dir)), default=0.0)
    return time.time() - newest < _FRESH


def _ranking(trials: TrialCollection, keep: int) -> dict[int, str | None]:
    """Return a verdict (see :func:`_verdict`) on each trial of the ranked configurations."""
    objective = needed(trials)
    if objective.source == "guessed":
        raise ResultsError(
            f"nothing is deleted by a guess: no objective is recorded, and {objective.label!r} is only guessed; "
            f"pass -m {objective.label} if that decides"
        )
    ranked = GroupCollection.by_configuration(trials).ranked
    verdicts: dict[int, str | None] = {}
    last = ranked[keep - 1].judged(objective).mean if len(ranked) >= keep else None
    for place, group in enumerate(ranked):
        verdict = None if place < keep else _doubt(group, objective, last)
        verdicts.update((id(trial), verdict) for trial in group.trials)
    return verdicts


def _doubt(group: AnyGroup, objective: Objective, last: float | None) -> str:
    if group.judged(objective).n < group.planned:
        return "unranked seeds in its configuration"
    return "tied with the best" if group.judged(objective).mean == last else ""
