"""`hydra/launcher=herd_slurm`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.cluster`."""

from typing import Any

from hydra.core.config_store import ConfigStore

from hyperherd.launch.plugin import HerdLauncher
from hyperherd.schemas import HerdSlurmLauncherConf

ConfigStore.instance().store(
    group="hydra/launcher", name="herd_slurm_schema", node=HerdSlurmLauncherConf, provider="hydra-hyperherd"
)


class HerdSlurmLauncher(HerdLauncher):
    """Trials as jobs of a Slurm cluster."""

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :func:`hyperherd.launch.workers.choice.launcher_of_jobs`."""
        from hyperherd.launch.workers.choice import launcher_of_jobs

        return launcher_of_jobs("herd_slurm", *self.handed_over, self.options)
