"""The start and the end of notifications: from what is asked for to a notifier, and to the last message."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.sweep.notify_settings import Address, NotifySettings, addresses
from hyperherd.sweep.notifying.notifier import Notifier
from hyperherd.sweep.notifying.outbox import Outbox, check_addresses
from hyperherd.sweep.notifying.told import Told
from hyperherd.sweep.settings import SweepSettings
from hyperherd.trial.signals import Terminated

log = logging.getLogger("hyperherd")

LAST_SECONDS = 10.0
"""How long a sweep that has ended waits until its last message is sent: in a container or a job, whatever still runs
then ends with it."""


def checked_addresses(settings: NotifySettings | None) -> list[Address]:
    """Return where to send to; empty if nobody asks for notifications. To be called before anything is written.

    Raises:
        SweepError: something is wrong with it, or apprise is not installed.
    """
    if settings is None:
        return []
    found = addresses(settings)
    if not found:
        log.warning("notifications: the variables that hydra.sweeper.notify names are not set, so nothing is sent")
        return []
    if importlib.util.find_spec("apprise") is None:
        raise SweepError("hydra.sweeper.notify needs apprise: pip install 'hydra-hyperherd[notify]', or set it to null")
    check_addresses(found)
    return found


@contextmanager
def notifying(settings: SweepSettings, found: Sequence[Address], sweep_dir: Path) -> Iterator[Notifier | None]:
    """Give a notifier to a sweep that holds its directory, and send the last message when the block ends."""
    if settings.notify is None or not found:
        yield None
        return
    name = settings.name or sweep_dir.name
    outbox = Outbox(sweep_dir, name, found, Told(sweep_dir))
    notifier = Notifier(sweep_dir, name, settings.notify.on, outbox)
    seconds = LAST_SECONDS
    try:
        yield notifier
    except KeyboardInterrupt:
        seconds = 0.0  # who pressed Ctrl-C knows
        raise
    except Terminated as error:
        notifier.interrupted(f"the sweep was told to end (signal {int(error.code or 0) - 128})")
        raise
    finally:
        outbox.close(seconds)
