"""Resources of single trials: what conditions ask for is checked against what the launcher can give."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set

from hyperherd.errors import SweepError, nearest
from hyperherd.launch.base import TrialLauncher
from hyperherd.plural import counted
from hyperherd.records.sweep import PlannedTrial

_AMOUNTS = {"mem_gb", "timeout_min", "cpus_per_task"}

log = logging.getLogger("hyperherd")


def check_resources(
    trials: Sequence[PlannedTrial], launcher: TrialLauncher, warned: Set[str] = frozenset()
) -> set[str]:
    """Refuse resources that a launcher with resources does not know; warn of those that one without cannot give.

    Args:
        trials: that are to run.
        launcher: runs them.
        warned: resources that were warned of before.

    Returns:
        the resources that it has warned of.

    Raises:
        SweepError: a name is none of the launcher's.
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
    if launcher.has_queue:
        name = unknown[0]
        raise SweepError(
            f"trial {asked[name]} requests the resource {name!r}{nearest(name, launcher.resources)}, which "
            f"{launcher.name} cannot set per trial; it can set {', '.join(launcher.resources)}"
        )
    log.warning(
        "%s requested %s, which %s cannot set per trial; the request is recorded but ignored",
        counted(sum(1 for trial in trials if trial.resources.keys() & set(unknown)), "trial"),
        ", ".join(unknown),
        launcher.name,
    )
    return set(unknown)
