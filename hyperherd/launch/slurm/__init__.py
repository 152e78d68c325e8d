"""Slurm: its options, its commands, and what its words mean."""
