"""Which launcher `hydra.launcher` of a cluster asks for: a job for each trial, or workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialLauncher
from hyperherd.launch.cluster.launcher import ClusterLauncher, LauncherParts, launcher_parts
from hyperherd.launch.worker import TrialTask
from hyperherd.launch.workers.launcher import WorkersLauncher
from hyperherd.launch.workers.submission import WorkerJobs

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


def launcher_of_jobs(
    name: str, context: HydraContext, task_function: TaskFunction, config: DictConfig, options: Mapping[str, Any]
) -> TrialLauncher:
    """Return the launcher called `name` for what Hydra hands to every launcher, and `hydra.launcher`.

    Raises:
        SweepError: jobs cannot be submitted from here, or not with these options.
    """
    parts = launcher_parts(name, context, task_function, config, options)
    if parts.settings.workers is None:
        _refuse_without_workers(parts)
        return ClusterLauncher(parts.work, parts.cluster, parts.settings, parts.secrets)
    if not isinstance(task_function, TrialTask):
        raise SweepError(
            "hydra.launcher.workers needs hydra/sweeper=herd, which plans the trials that workers claim; add it, or "
            "remove hydra.launcher.workers"
        )
    sweep_dir = Path(config.hydra.sweep.dir).absolute()
    jobs = WorkerJobs(parts, sweep_dir, options)
    return WorkersLauncher(jobs, sweep_dir, parts.settings)


def _refuse_without_workers(parts: LauncherParts) -> None:
    if parts.settings.trials_per_worker != 1 or parts.settings.trial_time_min is not None:
        raise SweepError(
            "hydra.launcher.trials_per_worker and trial_time_min are about workers; set hydra.launcher.workers, too"
        )
