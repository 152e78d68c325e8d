"""What our launchers have in common as Hydra's plugins. Light: Hydra imports it at the start of every app."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

log = logging.getLogger("hyperherd")


class HerdLauncher(Launcher):
    """Keeps what Hydra hands over until there is something to launch.

    Attributes:
        options: `hydra.launcher`.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        self._noted = False
        self._handed_over: tuple[HydraContext, TaskFunction, DictConfig] | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher."""
        self._handed_over = hydra_context, task_function, config

    @property
    def handed_over(self) -> tuple[HydraContext, TaskFunction, DictConfig]:
        """Hydra's context, what each trial runs, and the config of the sweep."""
        assert self._handed_over is not None
        return self._handed_over

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run jobs for a sweeper that is not ours; see `hydra.plugins.launcher`."""
        self._note_basic_sweeper()
        return self.trial_launcher().launch(job_overrides, initial_job_idx)

    def _note_basic_sweeper(self) -> None:
        """Tell whoever chose the launcher alone what the sweeper would add; once, for the first batch."""
        config = self.handed_over[2]
        if self._noted or not str(config.hydra.sweeper.get("_target_")).endswith(".BasicSweeper"):
            return
        self._noted = True
        log.warning(
            "hydra/launcher=%s runs under Hydra's basic sweeper, which cannot go on with a sweep that was interrupted: "
            "add hydra/sweeper=herd",
            config.hydra.runtime.choices.get("hydra/launcher"),
        )

    @abstractmethod
    def trial_launcher(self) -> Any:
        """Return the launcher behind this one, for our own sweeper; see :mod:`hyperherd.launch.base`."""
