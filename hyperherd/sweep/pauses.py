"""Whether the pruner of a sweep pauses trials, which somebody has to run on; checked before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperherd.errors import SweepError
from hyperherd.pruning.settings import KEY, read_pruner

if TYPE_CHECKING:
    from hyperherd.sweep.app import HydraApp
    from hyperherd.sweep.settings import SweepSettings


def pauses(settings: SweepSettings) -> bool:
    """Return whether trials that lose a rung are paused."""
    return settings.pruner is not None and read_pruner(settings.pruner).pauses


def check_pauses(app: HydraApp, settings: SweepSettings) -> None:
    """Check that there is somebody who runs paused trials on.

    Raises:
        SweepError: the sweep does not wait for its trials, or a sampler would learn from ends that are none.
    """
    if not pauses(settings):
        return
    if app.config.hydra.launcher.get("wait") is False:
        raise SweepError(
            f"{KEY}.when is pause, and hydra.launcher.wait=false exits after submitting, so nobody would run paused "
            "trials on; remove one of them"
        )
    if settings.sampler is not None:
        raise SweepError(
            f"{KEY}.when is pause, which cannot be combined with hydra.sweeper.sampler: it learns from how trials end, "
            "and a paused one has not ended; remove one of them"
        )
