"""What a rule is shown: one rung as it looks to the trial that has just come to it, and what the rule answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from hyperherd.pruning.arrivals import Arrival, score


class Contender(NamedTuple):
    """What is compared at a rung: a trial, or a configuration by the means over its seeds that have come there.

    Attributes:
        value: of the metric at the rung.
        best: of its values up to there.
        mean: of its values up to there.
        numbers: of its trials.
        has_completed: whether all of these have completed.
    """

    value: float
    best: float
    mean: float
    numbers: tuple[int, ...]
    has_completed: bool = False


@dataclass(frozen=True)
class Rung:
    """A rung, and who has come to it, as a rule sees it.

    Attributes:
        position: in steps, or epochs.
        maximize: whether greater values are better.
        own: the one to be judged.
        others: those who came before, or at the same moment.
        earlier: position -> what the trial itself has shown at its rungs before this one; and here, what is judged.
        completed: all trials that have completed; empty for a rule that does not need them.
        everywhere: returns, for each rung, what trials have shown there by their numbers; it lists each rung.
    """

    position: int
    maximize: bool
    own: Contender
    others: tuple[Contender, ...] = ()
    earlier: Mapping[int, float] = field(default_factory=dict)
    completed: frozenset[int] = frozenset()
    everywhere: Callable[[], Mapping[int, Mapping[int, float]]] = field(default=dict, repr=False)

    @property
    def all(self) -> tuple[Contender, ...]:
        """Everyone at the rung."""
        return (self.own, *self.others)

    @property
    def worst(self) -> float:
        """The worst value that a float can have."""
        return -sys.float_info.max if self.maximize else sys.float_info.max

    def score(self, value: float) -> float:
        """Return a value such that greater is better, whichever direction is; NaN is the worst."""
        return score(value, maximize=self.maximize)


@dataclass(frozen=True)
class Judgement:
    """What a rule says of a trial at a rung.

    Attributes:
        prune: whether it is to end.
        reason: the arithmetic, in words.
        facts: the arithmetic, by name.
    """

    prune: bool
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)


class Rule(Protocol):
    """Judges trials at rungs."""

    needs_completed: bool
    """Whether it asks which trials have completed."""

    def judge(self, rung: Rung) -> Judgement:
        """Return what follows for the trial that has come to the rung."""


def contenders(
    arrivals: Sequence[Arrival], own: Arrival, completed: frozenset[int], *, by_config: bool
) -> tuple[Contender, tuple[Contender, ...]]:
    """Return the one to be judged and the others at a rung.

    Args:
        arrivals: who has come there, the trial itself included.
        own: the trial's.
        completed: trials that have completed.
        by_config: whether configurations are compared, rather than trials.
    """
    if not by_config:
        alone = [_of_trial(arrival, completed) for arrival in arrivals if arrival.number != own.number]
        return _of_trial(own, completed), tuple(alone)
    groups: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault(arrival.config, []).append(arrival)
    mine = groups.pop(own.config)
    return _of_seeds(mine, completed), tuple(_of_seeds(some, completed) for some in groups.values())


def _of_trial(one: Arrival, completed: frozenset[int]) -> Contender:
    return Contender(one.value, one.best, one.mean, (one.number,), one.number in completed)


def _of_seeds(arrivals: Sequence[Arrival], completed: frozenset[int]) -> Contender:
    numbers = tuple(arrival.number for arrival in arrivals)
    value, best, mean = (_mean([getattr(one, name) for one in arrivals]) for name in ("value", "best", "mean"))
    return Contender(value, best, mean, numbers, completed.issuperset(numbers))


def _mean(values: Sequence[float]) -> float:
    # A seed that diverged makes its configuration's mean NaN, which is the worst there is.
    return sum(values) / len(values)
