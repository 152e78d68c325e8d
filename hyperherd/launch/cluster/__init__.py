"""Trials as jobs of a scheduler: what Slurm and LSF have in common."""
