"""What Hydra asks before there is a sweeper: a run that does not sweep, and settings that cannot be resolved."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.errors import SweepError

_QUOTES = "\"'"
"""What Python puts around the text of a KeyError, which the resolver of variables raises."""

log = logging.getLogger("hyperherd")


class HydraHooks(Callback):
    """A callback that our preset adds."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Warn once if settings of the sweeper were typed for a run that is not a sweep: Hydra leaves them aside."""
        typed = [text for text in config.hydra.overrides.hydra if text.lstrip("+~").startswith("hydra.sweeper.")]
        if typed:
            log.warning("%s has no effect: this is one run, not a sweep; add -m (--multirun) to sweep", " ".join(typed))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End with a message where Hydra would show a traceback: it resolves the settings to make the sweeper.

        Raises:
            SystemExit: with the message; Hydra makes a warning of any other exception.
        """
        try:
            check_resolvable(config.hydra.sweeper)
        except SweepError as error:
            sys.exit(str(error))


def check_resolvable(settings: DictConfig) -> None:
    """Check that a part of Hydra's config can be resolved, as Hydra does to make a plugin of it.

    Raises:
        SweepError: what cannot be; the message names its key.
    """
    try:
        OmegaConf.to_container(settings, resolve=True)
    except OmegaConfBaseException as error:
        reason = re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error.msg or error)).splitlines()[0]
        raise SweepError(f"{error.full_key} cannot be resolved: {reason.strip(_QUOTES)}") from None
