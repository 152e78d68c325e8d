"""Slurm: its options, its commands, and what its words mean."""

from hyperherd.launch.slurm.launcher import slurm_launcher

__all__ = ["slurm_launcher"]
