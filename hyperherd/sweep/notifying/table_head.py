"""What a notification shows of the sweep: the head of its table, and its best configuration if that is a new one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hyperherd.errors import ResultsError
from hyperherd.results.loading.load import load_trials
from hyperherd.results.pages.overview import above
from hyperherd.results.pages.problems import assignments
from hyperherd.results.pages.ranking import ranking
from hyperherd.results.pages.table_page import group_grid, trial_grid
from hyperherd.results.pages.verdict import verdict
from hyperherd.results.statistics.best import winners
from hyperherd.results.statistics.configurations import GroupCollection
from hyperherd.results.tables.columns import View
from hyperherd.results.text.format import exact, measure
from hyperherd.results.text.layout import Screen, page
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.sweep.notifying.message import inert_line

_WIDTH, _ROWS, _LINES = 60, 3, 14
_FEWEST = 2
"""Configurations with a value, from which on one of them is a best one."""


@dataclass(frozen=True)
class NewBest:
    """A configuration that leads, and did not when people were told last."""

    key: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What there is to show."""

    head: str
    counts: str
    best: NewBest | None


def look(sweep_dir: Path, best: str | None) -> Seen:
    """Read a sweep.

    Args:
        sweep_dir: where.
        best: the key of the best configuration that people were told of, empty if none; None: they do not ask.

    Raises:
        ResultsError, OSError: it cannot be read.
    """
    trials = TrialCollection(load_trials([sweep_dir]))
    counts = ", ".join(f"{number} {state}" for state, number in trials.counts.items())
    return Seen(_head(trials), counts, None if best is None else new_best(trials, best))


def _head(trials: TrialCollection) -> str:
    """Return the first lines of the table, as `herd-results` shows it."""
    screen, view = Screen(width=_WIDTH, rows=_ROWS), View()
    groups = GroupCollection.by_configuration(trials)
    repeats = groups.repeats and len(trials.by_objective()) == 1
    table = group_grid(groups, screen, view) if repeats else trial_grid(trials, screen, view)
    lines = [*above(trials, screen, view, groups if repeats else None), "", *table]
    return "\n".join(inert_line(line) for line in islice(page(lines, screen).splitlines(), _LINES))


def new_best(trials: TrialCollection, told: str) -> NewBest | None:
    """Return the configuration that leads by the one rule for the best, if people were told of another one.

    Where the objective is a guess, or a single configuration has a value, nothing leads.
    """
    objective = trials.objective
    if objective is None or objective.source == "guessed":
        return None
    groups = GroupCollection.by_configuration(trials)
    if len(groups.ranked) < _FEWEST:
        return None
    try:
        first = winners(trials)[0]
    except ResultsError:
        return None
    identity = exact(sorted((name, exact(value)) for name, value in first.group.settings.items()))
    key = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if key == told:
        return None
    planned = first.group.planned
    seeds = f" (mean of {first.spread.n} of {planned} trials)" if planned > 1 else ""
    value = measure(first.spread.mean if planned > 1 else first.value)
    named = " ".join(assignments(first.group.settings)) or f"trial {first.trial.label}"
    lines = (f"{named}: {objective.label} {value}{seeds}", ranking(trials), verdict(groups))
    return NewBest(key, tuple(line for line in lines if line))
