"""Groups by a few names: over what else their trials differ, and the best configuration in each instead of all of them.

A mean over trials that differ in more than their seed depends on which other settings were tried, and its spread is one
of settings as well as of seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hyperherd.errors import one_of
from hyperherd.results.statistics.configurations import AnyGroups, Group, GroupCollection, seed_keys
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import needed

if TYPE_CHECKING:
    from collections.abc import Sequence

K = TypeVar("K", bound=TrialCollection)
RESTS = ("all", "best")
"""What stands for the trials of a group that differ in more than its names."""


def pooled_over(groups: AnyGroups) -> tuple[str, ...]:
    """Return the names, beside those that define the groups, in which the trials that count of any group differ."""
    own = {field.name for field in groups.fields}
    trials = groups.trials
    # What is a configuration differs in its seeds alone.
    names = groups.keys or tuple(name for name in trials.varying if name not in own)
    return tuple(
        name
        for name in names
        if any(len({repr(trials.setting(trial, name)) for trial in group.counted}) > 1 for group in groups)
    )


def is_pooled(groups: AnyGroups) -> bool:
    """Return whether the trials of a group differ in more than their seed."""
    return not groups.keys and not set(pooled_over(groups)) <= set(seed_keys(groups.trials))


def is_selection(groups: AnyGroups) -> bool:
    """Return whether only some of the trials are in the groups: the best configuration of each."""
    return sum(len(group.trials) for group in groups) < len(groups.trials)


def check_rest(rest: str) -> str:
    """Return `rest` if it is one of :data:`RESTS`.

    Raises:
        ResultsError: it is not.
    """
    return one_of(rest, RESTS, "a way to take the rest")


def best_configurations(trials: K, names: Sequence[str], err: str) -> tuple[list[Group[K]], tuple[str, ...]]:
    """Return the best configuration among the trials of each group by `names`, and the parameters that are seeds.

    The settings of each are those of the group, then its own.

    Raises:
        ResultsError: there is not one objective, so none is the best.
    """
    needed(trials)
    keys = seed_keys(trials)
    found = []
    for group in GroupCollection.by_names(trials, names, err):
        present = [key for key in keys if key in group.trials.params or key in group.trials.beyond.config]
        best = GroupCollection.by_configuration(group.trials, err, present)[0]
        found.append(Group({**group.settings, **best.settings}, best.trials, best.seeds))
    return found, keys
