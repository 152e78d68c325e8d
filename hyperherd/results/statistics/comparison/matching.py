"""Two sets of trials side by side: by what they are told apart, and which of them belong together.

Trials belong together that have the same configuration, but for what tells the two sides apart, and the same seed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from hyperherd.errors import NothingFound, ResultsError
from hyperherd.plural import counted
from hyperherd.results.statistics.configurations import GroupCollection, seed_keys, seed_of
from hyperherd.results.text.format import is_number, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.filters import names_in, select
from hyperherd.results.trials.settings import value_token
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

_NAMED = 5
Configuration: TypeAlias = tuple[str, ...]
T = TypeVar("T", bound=TrialCollection)
Cells: TypeAlias = dict[Configuration, dict[Hashable, list[Trial]]]


@dataclass(frozen=True)
class Treatment:
    """A setting in which the two sides differ, with its values in each."""

    name: str
    a: tuple[Any, ...]
    b: tuple[Any, ...]


@dataclass(frozen=True)
class Matching:
    """Trials of two sides by configuration and seed."""

    whole: TrialCollection
    sides: tuple[TrialCollection, TrialCollection]
    keys: tuple[str, ...]
    """The parameters that are seeds."""
    treatments: tuple[Treatment, ...]
    names: tuple[str, ...]
    """The settings in which trials that belong together agree."""
    cells: tuple[Cells, Cells]
    """Of each side: configuration -> seed -> its finished trials, one as a rule."""
    settings: dict[Configuration, dict[str, Any]]

    @property
    def shared(self) -> list[Configuration]:
        """The configurations that both sides have."""
        return [key for key in self.cells[0] if key in self.cells[1]]


def match(a: TrialCollection, b: TrialCollection, asked: Sequence[str] = ()) -> Matching:
    """Return the trials of two sides by what they share.

    Args:
        a: one side.
        b: the other one.
        asked: the settings by which the sides were chosen; others that differ between them, too, are found.

    Raises:
        NothingFound: a side has no finished trial.
        ResultsError: a trial is in both sides, or no configuration is.
    """
    _check(a, b)
    whole = a + b
    keys = seed_keys(whole)
    if set(asked) <= set(keys):
        keys = tuple(key for key in keys if key not in asked)  # seeds are what is compared
    sides = [_counted(side) for side in (a, b)]
    differing, names, apart = [], [], []
    for name in dict.fromkeys((*whole.varying, *asked)):
        if name in keys:
            continue
        values = [_values(whole, side, name) for side in sides]
        is_shared = not set(values[0]).isdisjoint(values[1])
        is_treatment = name in asked or (not is_shared and all(len(found) == 1 for found in values))
        if all(isinstance(value, Gap) for found in values for value in found.values()):
            continue  # the sides may be chosen by something that is not a setting: a tag, a sweep
        if is_treatment:
            differing.append(Treatment(name, *(tuple(found.values()) for found in values)))
        else:
            names.append(name)
            apart += [] if is_shared else [f"{name} is {_told(values[0])} in a and {_told(values[1])} in b"]
    settings: dict[Configuration, dict[str, Any]] = {}
    cells = tuple(_cells(whole, side, names, keys, settings) for side in sides)
    found = Matching(whole, (a, b), keys, tuple(differing), tuple(names), (cells[0], cells[1]), settings)
    if not found.shared:
        more = [f"and {len(apart) - _NAMED} more settings"] if len(apart) > _NAMED else []
        why = "; ".join([*apart[:_NAMED], *more]) or f"{', '.join(names)} together have no values that both sides have"
        raise ResultsError(
            f"no configuration is in both sides: {why}. Choose trials that differ in one setting, such as "
            "'lr=0.1 & model=a' 'lr=0.1 & model=b'"
        )
    return found


def two_sides(trials: T, a: str, b: str) -> tuple[T, T, list[str]]:
    """Return the trials that each of two sides has, and the names by which they were chosen.

    Args:
        trials: what to choose from.
        a: filters joined by `` & ``.
        b: the same.

    Raises:
        NothingFound: a side has no trial.
        ResultsError: a filter is invalid.
    """
    names: dict[str, None] = {}
    sides = []
    for text in (a, b):
        filters = re.split(r"\s+&\s+", text)
        names |= dict.fromkeys(names_in(trials, filters))
        sides.append(trials.subset(select(trials, filters, {})))
        if not sides[-1]:
            raise NothingFound(f"none of {counted(len(trials), 'trial')} matches {text}")
    return sides[0], sides[1], list(names)


def _check(a: TrialCollection, b: TrialCollection) -> None:
    for name, side in (("a", a), ("b", b)):
        if not any(trial.state.finished for trial in side):
            raise NothingFound(f"side {name} has no finished trial, of {len(side)}")
    places = {(trial.sweep.dir, trial.number, trial.dir) for trial in a}
    both = [trial.label for trial in b if (trial.sweep.dir, trial.number, trial.dir) in places]
    if both:
        named = ", ".join(both[:_NAMED]) + (", ..." if len(both) > _NAMED else "")
        raise ResultsError(
            f"{counted(len(both), 'trial')} would be in both sides ({named}); choose sides that exclude each other"
        )


def _counted(side: TrialCollection) -> list[Trial]:
    """Return the finished trials of a side; of several with one configuration and one seed the newest."""
    return [trial for group in GroupCollection.by_configuration(side) for trial in group.counted]


def _values(whole: TrialCollection, side: Iterable[Trial], name: str) -> dict[str, Any]:
    """Return the different values of a setting, each under a text that is the same for equal ones."""
    found = {_token(value): value for value in (whole.setting(trial, name) for trial in side)}
    return dict(sorted(found.items(), key=lambda item: (0, item[1], "") if is_number(item[1]) else (1, 0, item[0])))


def _token(value: Any) -> str:
    return value.name if isinstance(value, Gap) else value_token(value)


def _told(values: dict[str, Any]) -> str:
    told = ["not set" if isinstance(value, Gap) else setting(value) for value in values.values()]
    return ", ".join(told[:_NAMED]) + (", ..." if len(told) > _NAMED else "")


def _cells(
    whole: TrialCollection,
    side: Iterable[Trial],
    names: Sequence[str],
    keys: Sequence[str],
    settings: dict[Configuration, dict[str, Any]],
) -> Cells:
    cells: Cells = {}
    for trial in side:
        own = {name: whole.setting(trial, name) for name in names}
        key = tuple(_token(value) for value in own.values())
        settings.setdefault(key, own)
        seeds = [seed_of(whole, trial, name) for name in keys]
        # A seed that nobody knows is like no other one.
        seed: Hashable = id(trial) if Gap.MISSING in seeds else tuple(map(_token, seeds))
        cells.setdefault(key, {}).setdefault(seed, []).append(trial)
    return cells


def unfinished(side: TrialCollection) -> dict[str, int]:
    """Return how many trials of a side have no part in a comparison because of their state."""
    return dict(Counter(trial.state.value for trial in side if not trial.state.finished))
