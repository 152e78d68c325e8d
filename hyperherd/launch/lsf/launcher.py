"""`hydra/launcher=herd_lsf`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.launch.cluster.launcher import ClusterLauncher
from hyperherd.launch.cluster.settings import read_cluster_settings
from hyperherd.launch.cluster.work import Work
from hyperherd.launch.lsf.cluster import LsfCluster

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


def lsf_launcher(
    context: HydraContext, task_function: TaskFunction, config: DictConfig, options: Mapping[str, Any]
) -> ClusterLauncher:
    """Return the launcher for what Hydra hands to every launcher, and `hydra.launcher`.

    Raises:
        SweepError: jobs cannot be submitted from here, or not with these options.
    """
    settings, rest = read_cluster_settings("herd_lsf", options, Path(config.hydra.sweep.dir).absolute())
    return ClusterLauncher(Work(context, task_function, config), LsfCluster(rest, settings.folder), settings)
