"""`hydra/launcher=herd_lsf`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.cluster`."""

from typing import Any

from hyperherd.launch.plugin import HerdLauncher, store_options

store_options("herd_lsf")


class HerdLsfLauncher(HerdLauncher):
    """Trials as jobs of an LSF cluster."""

    preset = "herd_lsf"

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :func:`hyperherd.launch.workers.choice.launcher_of_jobs`."""
        from hyperherd.launch.workers.choice import launcher_of_jobs

        return launcher_of_jobs(self.preset, *self.handed_over, self.options)
