"""`hydra/launcher=herd_local`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.local`."""

from typing import Any

from hyperherd.launch.plugin import HerdLauncher, store_options

store_options("herd_local")


class HerdLocalLauncher(HerdLauncher):
    """A pool of processes on this machine, one for each trial."""

    preset = "herd_local"

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :class:`hyperherd.launch.local.LocalLauncher`."""
        return self._pool(shows_output=False)

    def _of_jobs(self) -> Any:
        """Return one whose jobs print where the sweeper prints."""
        return self._pool(shows_output=True)

    def _pool(self, *, shows_output: bool) -> Any:
        from hyperherd.launch.local import LocalLauncher

        return LocalLauncher(*self.handed_over, self.options, shows_output=shows_output)
