"""What our launchers have in common as Hydra's plugins. Light: Hydra imports it at the start of every app."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hyperherd.compat.config_store import store_open
from hyperherd.schemas import LAUNCHERS

log = logging.getLogger("hyperherd")


def store_options(launcher: str) -> None:
    """Let Hydra know the schema of a launcher of ours; other keys are left to :mod:`hyperherd.launch.options`."""
    store_open("hydra/launcher", f"{launcher}_schema", LAUNCHERS[launcher])


@contextmanager
def told_by_hydra() -> Iterator[None]:
    """Let Hydra print an error of ours without its traceback, where no sweeper of ours does so."""
    from hyperherd.errors import HyperherdError

    try:
        yield
    except HyperherdError as error:
        raise CompactHydraException(str(error)) from None


class HerdLauncher(Launcher):
    """Keeps what Hydra hands over until there is something to launch.

    Attributes:
        preset: its name in `hydra/launcher=`.
        options: `hydra.launcher`, without what is for other launchers.
    """

    preset: ClassVar[str]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self._noted = False
        self._handed_over: tuple[HydraContext, TaskFunction, DictConfig] | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher."""
        from hyperherd.launch.options import own_options

        self._handed_over = hydra_context, task_function, config
        with told_by_hydra():
            self.options = own_options(self.preset, self.options)

    @property
    def handed_over(self) -> tuple[HydraContext, TaskFunction, DictConfig]:
        """Hydra's context, what each trial runs, and the config of the sweep."""
        assert self._handed_over is not None
        return self._handed_over

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run jobs for a sweeper that is not ours; see `hydra.plugins.launcher`."""
        self._note_basic_sweeper()
        with told_by_hydra():
            return self._of_jobs().launch(job_overrides, initial_job_idx)

    def _of_jobs(self) -> Any:
        """Return the launcher that runs jobs of another sweeper."""
        return self.trial_launcher()

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
