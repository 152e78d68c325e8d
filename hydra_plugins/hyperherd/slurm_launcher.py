"""`hydra/launcher=herd_slurm`, as Hydra discovers it. What it does is in :mod:`hyperherd.launch.cluster`."""

from typing import Any

from hyperherd.launch.plugin import HerdLauncher, store_options

store_options("herd_slurm")


class HerdSlurmLauncher(HerdLauncher):
    """Trials as jobs of a Slurm cluster."""

    preset = "herd_slurm"

    def trial_launcher(self) -> Any:
        """Return the launcher behind this one; see :func:`hyperherd.launch.workers.choice.launcher_of_jobs`."""
        from hyperherd.launch.workers.choice import launcher_of_jobs

        return launcher_of_jobs(self.preset, *self.handed_over, self.options)
