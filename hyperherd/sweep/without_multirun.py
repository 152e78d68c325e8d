"""A warning for ``hydra.sweeper.*`` on a command line without ``-m``, which Hydra takes and then leaves aside."""

from __future__ import annotations

import logging
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

log = logging.getLogger("hyperherd")


class WithoutMultirun(Callback):
    """A callback that our preset adds. It has one hook, which Hydra calls for a run that is not a sweep."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Warn once if settings of the sweeper were typed."""
        typed = [text for text in config.hydra.overrides.hydra if text.lstrip("+~").startswith("hydra.sweeper.")]
        if typed:
            log.warning("%s has no effect: this is one run, not a sweep; add -m (--multirun) to sweep", " ".join(typed))
