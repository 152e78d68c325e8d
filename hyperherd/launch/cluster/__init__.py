"""Trials as jobs of a cluster's scheduler, through submitit: what Slurm and LSF have in common."""
