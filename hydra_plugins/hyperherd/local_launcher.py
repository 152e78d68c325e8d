"""`hydra/launcher=herd_local`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.local`."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hyperherd.schemas import HerdLocalLauncherConf

ConfigStore.instance().store(
    group="hydra/launcher", name="herd_local_schema", node=HerdLocalLauncherConf, provider="hydra-hyperherd"
)


class HerdLocalLauncher(Launcher):
    """A pool of processes on this machine, one for each trial."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._hydra_context: HydraContext | None = None
        self._task_function: TaskFunction | None = None
        self._config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher."""
        self._hydra_context = hydra_context
        self._task_function = task_function
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run jobs for a sweeper that is not ours; see :meth:`hyperherd.launch.local.LocalLauncher.launch`."""
        return self._pool(shows_output=True).launch(job_overrides, initial_job_idx)

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one, for our own sweeper; see :mod:`hyperherd.launch.base`."""
        return self._pool(shows_output=False)

    def _pool(self, *, shows_output: bool) -> Any:
        from hyperherd.launch.local import LocalLauncher

        assert self._hydra_context is not None
        assert self._task_function is not None
        assert self._config is not None
        return LocalLauncher(
            self._hydra_context, self._task_function, self._config, self._options, shows_output=shows_output
        )
