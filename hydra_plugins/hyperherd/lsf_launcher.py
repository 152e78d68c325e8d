"""`hydra/launcher=herd_lsf`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.cluster`."""

from typing import Any

from hydra.core.config_store import ConfigStore

from hyperherd.launch.plugin import HerdLauncher
from hyperherd.schemas import HerdLsfLauncherConf

ConfigStore.instance().store(
    group="hydra/launcher", name="herd_lsf_schema", node=HerdLsfLauncherConf, provider="hydra-hyperherd"
)


class HerdLsfLauncher(HerdLauncher):
    """Trials as jobs of an LSF cluster."""

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :func:`hyperherd.launch.workers.choice.launcher_of_jobs`."""
        from hyperherd.launch.workers.choice import launcher_of_jobs

        return launcher_of_jobs("herd_lsf", *self.handed_over, self.options)
