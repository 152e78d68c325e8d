"""What must be known of seeds beside configurations: what may be one, too, and where they change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, seed_keys
from hyperherd.results.text.format import escaped, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.directions import direction_of
from hyperherd.results.trials.seed_names import may_be_seed
from hyperherd.results.values import Gap

_MOST = 2000
"""With more trials it would be what the table waits for."""
_FEWEST_REPEATS = 2
"""Fewer trials that only repeat another one's value may do so by chance."""


def seed_notes(trials: TrialCollection, groups: AnyGroups | None = None) -> list[str]:
    """Return what must be known, a sentence each.

    Args:
        trials: those of a table.
        groups: the same as configurations, where that is what the table shows.
    """
    keys = (() if groups is None else groups.keys) or seed_keys(trials)
    likely = [name for name in trials.varying if name not in keys and may_be_seed(name)]
    told = []
    if likely:
        are = "repeats" if len(likely) == 1 else "repeat"
        every = ",".join([*keys, *likely])
        told = [f"{', '.join(map(escaped, likely))} perhaps {are} a configuration: --seed-key {escaped(every)} if so"]
    return [*told, *([] if groups is None else _ignored(groups))]


def _ignored(groups: AnyGroups) -> list[str]:
    """Return a sentence if what was measured is the same for all seeds of some configurations."""
    objective = groups.objective
    if objective is None or not groups.keys or len(groups.trials) > _MOST:
        return []
    judged = [(group, group.judged(objective).values) for group in groups]
    repeated = [group for group, values in judged if len(values) > 1]
    same = [group for group, values in judged if len(values) > 1 and len(set(values)) == 1 and _agree(group)]
    if sum(len(group.counted) - 1 for group in same) < _FEWEST_REPEATS:
        return []
    if len(same) == len(repeated):
        where = "in every configuration" if len(same) > 1 else "in the only configuration with several"
    else:
        where = f"in {len(same)} of {len(repeated)} configurations{_common(same, repeated)}"
    keys = escaped(", ".join(groups.keys))
    return [f"{escaped(objective.label)} is the same for every {keys} {where}: does what runs there use its seed?"]


def _agree(group: AnyGroup) -> bool:
    """Whether its seeds agree in all that judges a trial; an accuracy alone may be 1.0 for all of them."""
    names = [name for name in group.trials.metric_names if direction_of(name)]
    return all(len(set(group.spread(name).values)) < 2 for name in names)


def _common(same: Sequence[AnyGroup], repeated: Sequence[AnyGroup]) -> str:
    """Return the settings that those whose seeds agree have, and none of the others has."""
    others = [group for group in repeated if group not in same]
    found = []
    for name, value in same[0].settings.items():
        alike = all(repr(group.settings[name]) == repr(value) for group in same)
        if alike and not isinstance(value, Gap) and all(repr(other.settings[name]) != repr(value) for other in others):
            found.append(f"{escaped(name)}={setting(value)}")
    return f" ({' '.join(found)})" if found else ""
