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
        """Return the launcher behind this one; see :class:`hyperherd.launch.cluster.launcher.ClusterLauncher`."""
        from hyperherd.launch.cluster.launcher import cluster_launcher

        return cluster_launcher("herd_slurm", *self.handed_over, self.options)
