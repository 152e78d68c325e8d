"""`hydra/launcher=herd_local`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.local`."""

from collections.abc import Sequence
from typing import Any

from hyperherd.launch.plugin import HerdLauncher, store_options, told_by_hydra

store_options("herd_local")


class HerdLocalLauncher(HerdLauncher):
    """A pool of processes on this machine, one for each trial."""

    preset = "herd_local"

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run jobs for a sweeper that is not ours, which print where it prints."""
        with told_by_hydra():
            return self._pool(shows_output=True).launch(job_overrides, initial_job_idx)

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :class:`hyperherd.launch.local.LocalLauncher`."""
        return self._pool(shows_output=False)

    def _pool(self, *, shows_output: bool) -> Any:
        from hyperherd.launch.local import LocalLauncher

        return LocalLauncher(*self.handed_over, self.options, shows_output=shows_output)
