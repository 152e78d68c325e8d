"""`hydra/sweeper=herd`, as Hydra discovers it. No logic: everything it does is in :mod:`hyperherd.sweep`."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hyperherd.schemas import HerdSweeperConf

ConfigStore.instance().store(
    group="hydra/sweeper", name="herd_schema", node=HerdSweeperConf, provider="hydra-hyperherd"
)


class HerdSweeper(Sweeper):
    """A conditional grid whose trials are isolated, recorded and resumable."""

    def __init__(self, **settings: Any) -> None:
        # What Hydra made of the settings is not used: it has resolved their interpolations, which belong to the trials.
        self._hydra_context: HydraContext | None = None
        self._task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every sweeper."""
        self._hydra_context = hydra_context
        self._task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; see :func:`hyperherd.sweep.run.run_sweep`."""
        from hyperherd.sweep.app import HydraApp
        from hyperherd.sweep.run import run_sweep

        assert self._hydra_context is not None
        assert self._task_function is not None
        assert self.config is not None
        return run_sweep(HydraApp(self._hydra_context, self._task_function, self.config), arguments)
