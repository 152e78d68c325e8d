"""Where trials fail more often: the parameters, cut in two, whose parts fail at different rates.

A split is shown if Fisher's exact test holds at 5 % for all splits of all parameters that were looked at (Bonferroni).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from hyperherd.results.statistics.distributions import LEVEL, fisher
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.settings import value_token

_MOST_CUTS = 30
"""Of one number; more are thinned."""
_MOST_LEVELS = 50
_MOST_TESTED = 3
_FEWEST_CONFIGURATIONS = 10
"""With fewer all trials are taken to fail on their own."""


@dataclass(frozen=True)
class Ended:
    """A trial that came to an end."""

    settings: Mapping[str, Any]
    tokens: Mapping[str, str]
    """The settings as texts that are equal where the values are."""
    failed: bool
    configuration: int = 0


@dataclass(frozen=True)
class Split:
    """Trials with some values of a parameter, which fail more often than the others."""

    parameter: str
    relation: str
    """``=``, ``>=`` or ``<=``, as in a filter."""
    value: Any
    failed: int
    of: int
    """How many trials have such a value."""
    others_failed: int
    others: int
    p: float
    """Of all splits together."""


@dataclass(frozen=True)
class Rates:
    """What was found, and how much was looked at."""

    splits: tuple[Split, ...]
    """The surest of each parameter that has any, the surest first."""
    looked: int
    """How many splits were looked at."""
    failed: int
    of: int


def rates(trials: Sequence[Ended], leaving_out: Collection[str] = ()) -> Rates:
    """Return the splits of `trials` by parameters, but for those named, that hold the test."""
    names = dict.fromkeys(name for trial in trials for name in trial.tokens)
    failed = sum(trial.failed for trial in trials)
    if not 0 < failed < len(trials):
        return Rates((), 0, failed, len(trials))
    best: list[Split] = []
    looked = 0
    for name in names:
        if name not in leaving_out:
            cuts = list(_cuts(trials, name))
            looked += len(cuts)
            # The exact test of each would take long; the surest one is among the first of these.
            cuts.sort(key=lambda cut: -cut.excess(failed, len(trials)))
            best += sorted((_tested(trials, name, cut) for cut in cuts[:_MOST_TESTED]), key=lambda item: item.p)[:1]
    whole = [replace(item, p=min(1.0, item.p * looked)) for item in best]
    shown = sorted((item for item in whole if item.p <= LEVEL), key=lambda item: item.p)
    return Rates(tuple(shown), looked, failed, len(trials))


@dataclass(frozen=True)
class _Cut:
    """Some values of a parameter, with how many trials have them and how many of these failed."""

    relation: str
    value: Any
    count: int
    failed: int

    def excess(self, failed: int, of: int) -> float:
        """Return by how many standard deviations more of its trials failed than by chance."""
        spread = self.count * (of - self.count) * failed * (of - failed)
        return (self.failed * of - self.count * failed) / math.sqrt(spread) if spread else 0.0

    def has(self, trial: Ended, name: str) -> bool:
        """Return whether a trial has one of the values."""
        if name not in trial.tokens:
            return False
        if self.relation == "=":
            return trial.tokens[name] == value_token(self.value)
        own = trial.settings[name]
        return bool(own >= self.value if self.relation == ">=" else own <= self.value)


def _cuts(trials: Sequence[Ended], name: str) -> Iterator[_Cut]:
    known: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for trial in trials:
        if (token := trial.tokens.get(name)) is not None:
            known.setdefault(token, trial.settings[name])
            counts[token] += 1
            failed[token] += trial.failed
    if len(known) > 2 and all(is_number(value) for value in known.values()):
        yield from _thresholds(sorted((value, counts[token], failed[token]) for token, value in known.items()))
        return
    if len(known) > _MOST_LEVELS or len(known) == counts.total():
        return  # a value of its own for each trial
    levels = [_Cut("=", value, counts[token], failed[token]) for token, value in known.items()]
    if len(levels) == 2 and counts.total() == len(trials):  # one split, of which one side fails more often
        levels = [max(levels, key=lambda cut: cut.failed / cut.count)]
    yield from (cut for cut in levels if cut.count < len(trials))


def _thresholds(levels: Sequence[tuple[Any, int, int]]) -> Iterator[_Cut]:
    """Yield the cuts of a number, each as the side that fails more often."""
    counts, failed = (list(accumulate(level[part] for level in levels)) for part in (1, 2))
    steps = len(levels) - 1
    for place in sorted({round(cut * steps / _MOST_CUTS) for cut in range(1, _MOST_CUTS + 1)} - {0}):
        below = _Cut("<=", levels[place - 1][0], counts[place - 1], failed[place - 1])
        above = _Cut(">=", levels[place][0], counts[-1] - below.count, failed[-1] - below.failed)
        yield max(below, above, key=lambda cut: cut.failed / cut.count)


def _tested(trials: Sequence[Ended], name: str, cut: _Cut) -> Split:
    others, others_failed = len(trials) - cut.count, sum(trial.failed for trial in trials) - cut.failed
    p = 1.0
    if cut.failed * others > others_failed * cut.count:
        fewer = _dispersion(trials, [cut.has(trial, name) for trial in trials])
        parts = (cut.failed, cut.count - cut.failed, others_failed, others - others_failed)
        cells = [int(item / fewer) for item in parts]
        p = fisher(cells[0], cells[0] + cells[1], cells[0] + cells[2], sum(cells)) if sum(cells) else 1.0
    return Split(name, cut.relation, cut.value, cut.failed, cut.count, others_failed, others, p)


def _dispersion(trials: Sequence[Ended], having: Sequence[bool]) -> float:
    """Return how many trials count as one piece of evidence: all seeds of one configuration, if they fail together.

    This is the design effect, 1 + (n - 1) * r for n trials of each configuration, whose failures are correlated by r.
    """
    cells: dict[tuple[bool, int], list[bool]] = {}
    for trial, has in zip(trials, having, strict=True):
        cells.setdefault((has, trial.configuration), []).append(trial.failed)
    repeated = [(has, sum(failed), len(failed)) for (has, _), failed in cells.items() if len(failed) > 1]
    if len(cells) < _FEWEST_CONFIGURATIONS or not repeated:
        return 1.0
    within = sum(failed * (count - failed) / (count - 1) for _, failed, count in repeated)
    alone = 0.0
    for side in (True, False):
        count = sum(count for has, _, count in repeated if has == side)
        failed = sum(failed for has, failed, _ in repeated if has == side)
        alone += failed * (count - failed) / count if count else 0.0
    alike = max(0.0, 1.0 - within / alone) if alone else 1.0
    return 1.0 + (len(trials) / len(cells) - 1.0) * alike
