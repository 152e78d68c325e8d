"""Where trials fail more often: the parameters, cut in two, whose parts fail at different rates.

A split is shown if Fisher's exact test holds at 5 % for all splits of all parameters that were looked at (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperherd.results.statistics.distributions import fisher
from hyperherd.results.text.format import is_number

LEVEL = 0.05
_MOST_CUTS = 30
"""Of one number; more are thinned."""
_MOST_LEVELS = 50
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
            found = [_tested(trials, *cut) for cut in _cuts(trials, name)]
            looked += len(found)
            best += sorted(found, key=lambda item: item.p)[:1]
    whole = [replace(item, p=min(1.0, item.p * looked)) for item in best]
    shown = sorted((item for item in whole if item.p <= LEVEL), key=lambda item: item.p)
    return Rates(tuple(shown), looked, failed, len(trials))


_Cut = tuple[str, str, Any, list[bool]]


def _cuts(trials: Sequence[Ended], name: str) -> Iterator[_Cut]:
    known = {trial.tokens[name]: trial.settings[name] for trial in trials if name in trial.tokens}
    if len(known) > 2 and all(is_number(value) for value in known.values()):
        ordered = sorted(set(known.values()))
        steps = len(ordered) - 1
        for place in sorted({round(cut * steps / _MOST_CUTS) for cut in range(1, _MOST_CUTS + 1)} - {0}):
            above = [name in trial.tokens and trial.settings[name] >= ordered[place] for trial in trials]
            below = [name in trial.tokens and trial.settings[name] < ordered[place] for trial in trials]
            is_high = _rate(trials, above) >= _rate(trials, below)
            yield (name, ">=", ordered[place], above) if is_high else (name, "<=", ordered[place - 1], below)
        return
    if len(known) > _MOST_LEVELS or len(known) == sum(name in trial.tokens for trial in trials):
        return  # a value of its own for each trial
    levels = [(value, [trial.tokens.get(name) == token for trial in trials]) for token, value in known.items()]
    if len(levels) == 2 and all(name in trial.tokens for trial in trials):  # one split, of which one side fails more
        levels = [max(levels, key=lambda level: _rate(trials, level[1]))]
    for value, having in levels:
        if not all(having):
            yield name, "=", value, having


def _rate(trials: Sequence[Ended], having: Sequence[bool]) -> float:
    failed = [trial.failed for trial, has in zip(trials, having, strict=True) if has]
    return sum(failed) / len(failed) if failed else 0.0


def _tested(trials: Sequence[Ended], name: str, relation: str, value: Any, having: Sequence[bool]) -> Split:
    count = sum(having)
    failed = sum(trial.failed for trial, has in zip(trials, having, strict=True) if has)
    others, others_failed = len(trials) - count, sum(trial.failed for trial in trials) - failed
    p = 1.0
    if failed * others > others_failed * count:
        fewer = _dispersion(trials, having)
        cells = [int(item / fewer) for item in (failed, count - failed, others_failed, others - others_failed)]
        p = fisher(cells[0], cells[0] + cells[1], cells[0] + cells[2], sum(cells)) if sum(cells) else 1.0
    return Split(name, relation, value, failed, count, others_failed, others, p)


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
