"""`hydra/launcher=herd_local`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.local`."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore

from hyperherd.launch.plugin import HerdLauncher
from hyperherd.schemas import HerdLocalLauncherConf

ConfigStore.instance().store(
    group="hydra/launcher", name="herd_local_schema", node=HerdLocalLauncherConf, provider="hydra-hyperherd"
)


class HerdLocalLauncher(HerdLauncher):
    """A pool of processes on this machine, one for each trial."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run jobs for a sweeper that is not ours, which print where it prints."""
        return self._pool(shows_output=True).launch(job_overrides, initial_job_idx)

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :class:`hyperherd.launch.local.LocalLauncher`."""
        return self._pool(shows_output=False)

    def _pool(self, *, shows_output: bool) -> Any:
        from hyperherd.launch.local import LocalLauncher

        return LocalLauncher(*self.handed_over, self.options, shows_output=shows_output)
