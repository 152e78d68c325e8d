"""Resources of single trials: what conditions ask for is checked against what the launcher can give."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set

from hyperherd.errors import SweepError, nearest
from hyperherd.launch.base import TrialLauncher
from hyperherd.launch.options import every_option, launchers_with, options_of, refuse_fewer_ranks
from hyperherd.plural import counted
from hyperherd.records.sweep import PlannedTrial

_AMOUNTS = {"mem_gb", "timeout_min", "cpus_per_task"}

log = logging.getLogger("hyperherd")


def check_resources(
    trials: Sequence[PlannedTrial], launcher: TrialLauncher, warned: Set[str] = frozenset()
) -> set[str]:
    """Refuse resources that no launcher knows; warn of those that another launcher could give.

    Args:
        trials: that are to run.
        launcher: runs them.
        warned: resources that were warned of before.

    Returns:
        the resources that it has warned of.

    Raises:
        SweepError: a name that no launcher has, or a trial that would have fewer ranks.
    """
    for trial in trials:
        for name in trial.resources.keys() & _AMOUNTS:
            amount = trial.resources[name]
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not amount > 0:
                raise SweepError(f"trial {trial.number} requests {name}={amount!r}, which is not a positive number")
    asked = {name: trial.number for trial in reversed(trials) for name in trial.resources}
    unknown = [name for name in asked if name not in launcher.resources and name not in warned]
    if not unknown:
        return set()
    for name in unknown:
        if name in options_of(launcher.name):
            raise SweepError(
                f"trial {asked[name]} requests the resource {name!r}, which {launcher.name} cannot set per trial; it "
                f"can set {', '.join(launcher.resources)}"
            )
        if not launchers_with(name):
            raise SweepError(
                f"trial {asked[name]} requests the resource {name!r}{nearest(name, every_option())}, which no launcher "
                f"can set"
            )
        for trial in trials:
            if name in trial.resources:
                where = f"the resource {name!r} of trial {trial.number}"
                refuse_fewer_ranks(launcher.name, name, trial.resources[name], where)
    log.warning(
        "%s requested %s, which %s cannot set per trial; the request is recorded but ignored",
        counted(sum(1 for trial in trials if trial.resources.keys() & set(unknown)), "trial"),
        ", ".join(unknown),
        launcher.name,
    )
    return set(unknown)
