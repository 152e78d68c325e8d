"""The environment for submitting jobs: one that is submitted inside another job must not inherit its variables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hyperherd.launch.cluster.base import Cluster


@contextmanager
def scrubbed_environment(cluster: Cluster) -> Iterator[None]:
    """Remove the variables that describe the job this process runs in, while the block runs."""
    # sbatch exports its environment, and srun in the new job would read SLURM_* of the surrounding one as options.
    taken = {name: value for name, value in os.environ.items() if _describes_a_job(cluster, name)}
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(taken)


def _describes_a_job(cluster: Cluster, name: str) -> bool:
    return name.startswith(cluster.variables) and name not in cluster.kept_variables
