"""`hydra/launcher=herd_lsf`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.cluster`."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hyperherd.schemas import HerdLsfLauncherConf

ConfigStore.instance().store(
    group="hydra/launcher", name="herd_lsf_schema", node=HerdLsfLauncherConf, provider="hydra-hyperherd"
)


class HerdLsfLauncher(Launcher):
    """Trials as jobs of an LSF cluster."""

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
        """Run jobs for a sweeper that is not ours; see :meth:`hyperherd.launch.cluster.ClusterLauncher.launch`."""
        return self.trial_launcher().launch(job_overrides, initial_job_idx)

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one, for our own sweeper; see :mod:`hyperherd.launch.base`."""
        from hyperherd.launch.lsf.launcher import lsf_launcher

        assert self._hydra_context is not None
        assert self._task_function is not None
        assert self._config is not None
        return lsf_launcher(self._hydra_context, self._task_function, self._config, self._options)
