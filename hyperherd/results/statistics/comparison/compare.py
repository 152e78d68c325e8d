"""Two sweeps, or two parts of one: the difference between them, as far as they have something in common.

Trials with the same configuration and the same seed are a pair. Where no seed is in both sides, means of the same
configurations are compared instead (Welch). What is claimed holds for the configurations that were compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hyperherd.errors import ResultsError, nearest, some_of
from hyperherd.results.statistics.comparison.matching import Configuration, Matching, Treatment, match
from hyperherd.results.statistics.comparison.metric_table import ConfigurationDifference, MetricComparison, MetricTable
from hyperherd.results.statistics.comparison.student import holm
from hyperherd.results.statistics.diff import Difference, diff
from hyperherd.results.text.format import is_number, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import ask_objective, needed

_FEW = 5
"""Fewer units than this many make a claim that rests on the shape of the noise."""
_PLACES = frozenset({"cwd", "host", "executable"})
"""What differs from machine to machine, and seldom matters."""


@dataclass(frozen=True)
class Comparison:
    """Two sides, and how they differ."""

    a: TrialCollection = field(repr=False)
    b: TrialCollection = field(repr=False)
    labels: tuple[str, str]
    treatments: tuple[Treatment, ...]
    """The settings in which the sides differ."""
    code: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    """Of the first two trials that are compared."""
    matched: tuple[str, ...]
    """The settings that are the same in what is compared."""
    seeds: tuple[str, ...]
    by: str
    metrics: tuple[MetricComparison, ...]
    where: tuple[ConfigurationDifference, ...]
    """By the first metric, what speaks most for b first."""
    left_out: tuple[dict[str, int], dict[str, int]]
    """Of each side, why trials have no part in the first metric -> how many."""
    unknown: tuple[str, ...]
    """What could not be compared, and why."""
    warnings: tuple[str, ...]


def compare(
    a: TrialCollection,
    b: TrialCollection,
    *,
    labels: tuple[str, str] = ("a", "b"),
    asked: Sequence[str] = (),
    metrics: Sequence[str] = (),
    direction: str | None = None,
    by: str = "",
) -> Comparison:
    """Return how two sides differ.

    Args:
        a: one side.
        b: the other one, with none of the same trials.
        labels: what people call them.
        asked: the settings by which they were chosen.
        metrics: ``METRIC`` or ``METRIC:AGG``; without any, the objective.
        direction: ``max`` or ``min`` where a metric's name does not show it.
        by: a setting for whose values there is a comparison each.

    Raises:
        NothingFound: a side has no finished trial.
        ResultsError: they share no metric or no configuration, or a name is unknown.
    """
    found = match(a, b, asked)
    groups = _groups(found, by)
    objectives = [ask_objective(list(found.whole), name, direction) for name in metrics]
    objectives = objectives or list(found.whole.objectives) or [needed(found.whole)]
    rows, unknown = [], []
    for objective in objectives:
        for value, shared in groups:
            table = MetricTable(found, objective, shared)
            if row := table.compared(value):
                rows.append(row)
            else:
                at = f"{objective.label} for {by}={setting(value)}" if by else objective.label
                unknown.append(f"{at}: {table.why_not()}")
    if not rows:
        raise ResultsError(f"nothing can be compared: {'; '.join(unknown)}")
    corrected = holm([row.estimate.p for row in rows])
    rows = [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]
    first = MetricTable(found, rows[0].objective, found.shared)
    code, environment = _surroundings(first)
    left_out = (first.left_out(0), first.left_out(1))
    warnings = [*_confounded(found, code), *_lost(left_out), *_weak(rows, by)]
    return Comparison(
        a, b, labels, found.treatments, code, environment, found.names, found.keys, by, tuple(rows),
        tuple(first.by_configuration()), left_out, tuple(unknown), tuple(warnings),
    )  # fmt: skip


def _groups(found: Matching, by: str) -> list[tuple[Any, list[Configuration]]]:
    if not by:
        return [(None, found.shared)]
    if by not in found.names:
        known = some_of(found.names)
        raise ResultsError(
            f"the comparison cannot be split by {by!r}{nearest(by, found.names)}; what both sides vary: {known}"
        )
    place = found.names.index(by)
    groups: dict[str, list[Configuration]] = {}
    for key in found.shared:
        groups.setdefault(key[place], []).append(key)
    rows = [(found.settings[keys[0]][by], keys) for keys in groups.values()]
    return sorted(rows, key=lambda row: (0, row[0], "") if is_number(row[0]) else (1, 0, str(row[0])))


def _surroundings(table: MetricTable) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    trials = table.first_trials()
    if trials is None:
        return (), ()
    found = diff(*trials)
    return found.code, tuple(item for item in found.environment if item.name not in _PLACES)


def _confounded(found: Matching, code: Sequence[Difference]) -> list[str]:
    what = [treatment.name for treatment in found.treatments] + (["code"] if code else [])
    if len(what) < 2:
        return []
    return [f"the sides differ in several things ({', '.join(what)}): the difference may come from any of them"]


def _lost(left_out: tuple[dict[str, int], dict[str, int]]) -> list[str]:
    told = [f"{count} of {name} {why}" for name, some in zip("ab", left_out, strict=True) for why, count in some.items()
            if why == "failed" or why.startswith("without a finite")]  # fmt: skip
    return [f"only what survived is compared: {', '.join(told)}"] if told else []


def _weak(rows: Sequence[MetricComparison], by: str) -> list[str]:
    """Return what is not known because of too few trials."""
    told = []
    for row in rows:
        at = f"{row.objective.label} for {by}={setting(row.group)}" if by else row.objective.label
        if row.estimate.sem is None:
            told.append(f"{at}: nothing repeats the difference ({row.n} {row.unit}), so chance cannot be judged")
        elif row.enough is not None and row.detectable is not None:
            told.append(
                f"{at}: underpowered: with {row.n} {row.unit}s a difference of {row.detectable:.3g} would be found in "
                f"four of five cases; one as large as this one takes about {row.enough}"
            )
        elif row.n < _FEW and row.estimate.sem:
            told.append(f"{at}: {row.n} {row.unit}s are few; the interval holds if the noise is about normal")
    return told
