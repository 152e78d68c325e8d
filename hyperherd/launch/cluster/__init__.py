"""Trials as jobs of a cluster's scheduler, through submitit: what Slurm and LSF have in common."""

from hyperherd.launch.cluster.launcher import ClusterLauncher

__all__ = ["ClusterLauncher"]
