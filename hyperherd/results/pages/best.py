"""The winners, for people and for programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hyperherd.results.pages.parts import command_record, pairs, to_use_lines, to_use_record, to_use_rows
from hyperherd.results.pages.ranking import ranking
from hyperherd.results.pages.verdict import (
    decision_lines,
    decisions,
    interval_text,
    more_seeds_command,
    verdict,
    verdict_lines,
)
from hyperherd.results.statistics.best import Winner, competing
from hyperherd.results.statistics.configurations import AnyGroups
from hyperherd.results.tables.people import with_error
from hyperherd.results.tables.records import SCHEMA, trial_record
from hyperherd.results.text.format import escaped, measure
from hyperherd.results.text.layout import BOLD, Screen, enough, page, paint, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command
from hyperherd.results.trials.metric_names import phase_notes
from hyperherd.results.trials.objective import Objective

_SHOWN_SEEDS = 20


def best_page(trials: TrialCollection, found: Sequence[Winner], screen: Screen) -> str:
    """Return the winners as a page of text."""
    return page(_lines(trials, found, screen), screen)


def best_record(trials: TrialCollection, found: Sequence[Winner]) -> dict[str, Any]:
    """Return the winners as JSON has them."""
    objective = trials.objective
    groups = found[0].groups if found else competing(trials)
    command = more_seeds_command(groups)
    return {
        "schema": SCHEMA,
        "objective": asdict(objective) if objective else None,
        "decided": decisions(trials),
        "verdict": verdict(groups),
        "close": list(groups.close),
        "interval": None if groups.interval is None else list(groups.interval),
        "more_seeds": command_record(command) if command else None,
        "winners": [_winner(winner, objective) for winner in found],
    }


def seeds_record(commands: Sequence[Command]) -> dict[str, Any]:
    """Return the sweeps that add seeds as JSON has them."""
    return {"schema": SCHEMA, "commands": list(map(command_record, commands))}


def _lines(trials: TrialCollection, found: Sequence[Winner], screen: Screen) -> Iterator[str]:
    yield from wrapped(ranking(trials), screen)
    shown = {trials.objective.metric} if trials.objective else set()
    for note in phase_notes(trials, shown):
        yield from wrapped(f"note: {escaped(note)}", screen)
    yield from decision_lines(trials, screen)
    groups = found[0].groups if found else competing(trials)
    for winner in found:
        yield ""
        yield from _winner_lines(winner, groups, screen)
        if winner.rank == 1:
            yield from (f"  {line}" for line in verdict_lines(groups, screen))


def _winner_lines(winner: Winner, groups: AnyGroups, screen: Screen) -> Iterator[str]:
    objective = groups.objective
    label = escaped(objective.label) if objective else ""
    name, value = f"trial {escaped(winner.trial.label)}", measure(winner.value)
    title = f"{winner.rank}. {label} {value}, {name}"
    if winner.seeds:
        spread = winner.spread
        title = f"{winner.rank}. {label} {with_error(spread, 'std')} over {spread.n} of {winner.group.planned} seeds"
        title += f"; best: {name}, {value}"
    yield from (paint(line, BOLD, screen) for line in wrapped(title, screen))
    yield from pairs(
        [
            ("overrides", enough([escaped(shlex.quote(item)) for item in winner.overrides], screen, between=" ")),
            ("seeds", _seeds(winner)),
            ("ranked by", "" if groups.by_mean else f"{measure(winner.score)}, its mean, partially pooled"),
            ("interval", f"95 %: {interval}" if winner.rank == 1 and (interval := interval_text(groups)) else ""),
            *to_use_rows(winner),
        ],
        screen,
    )
    yield from to_use_lines(winner, screen)


def _seeds(winner: Winner) -> str:
    values = [f"{escaped(seed)}: {measure(value)}" for seed, value in winner.seeds.items()]
    more = [f"... {len(values) - _SHOWN_SEEDS} more"] if len(values) > _SHOWN_SEEDS else []
    return "  ".join([*values[:_SHOWN_SEEDS], *more])


def _winner(winner: Winner, objective: Objective | None) -> dict[str, Any]:
    spread = winner.spread
    return {
        "rank": winner.rank,
        "value": winner.value,
        "score": winner.score,
        "mean": spread.mean,
        "std": spread.std,
        "sem": spread.sem,
        "ci": spread.ci,
        "n": spread.n,
        "planned": winner.group.planned,
        "seeds": winner.seeds,
        **to_use_record(winner),
        "trial": trial_record(winner.trial, objective),
    }
