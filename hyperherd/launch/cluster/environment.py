"""The environment for submitting jobs, which the scheduler passes on to them.

A job that is submitted inside another job must not inherit its variables. What is secret in `hydra.launcher.env`
reaches jobs in this environment, and not in the text of their script.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.base import Cluster
from hyperherd.masking import MASK, masked


def without_secrets(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return `hydra.launcher` without the variables in `env` that look like secrets, and these."""
    given: Mapping[str, Any] = options.get("env") or {}
    secrets = {name: str(value) for name, value in given.items() if masked(name, value) == MASK}
    kept = {name: value for name, value in given.items() if name not in secrets}
    return {**options, "env": kept} if secrets else dict(options), secrets


def check_handed_on(cluster: Cluster, secrets: Mapping[str, str]) -> None:
    """Check that the scheduler passes all of `secrets` on to jobs.

    Raises:
        SweepError: an option excludes some; the message names both.
    """
    for name in secrets:
        if option := cluster.holds_back(name):
            raise SweepError(
                f"hydra.launcher.env: {name} looks like a secret, so it is not written into the job script but "
                f"passed on in the environment of the submission, and {option} excludes it; remove {option}, "
                f"add ALL or {name} to it, or read the value from a file in hydra.launcher.setup"
            )


@contextmanager
def scrubbed_environment(cluster: Cluster, secrets: Mapping[str, str]) -> Iterator[None]:
    """Remove the variables that describe the job this process runs in, while the block runs.

    Args:
        cluster: whose job that would be.
        secrets: variables that are set in addition, while the block runs.
    """
    before = {name: os.environ.get(name) for name in secrets}
    # sbatch exports its environment, and srun in the new job would read SLURM_* of the surrounding one as options.
    taken = {name: value for name, value in os.environ.items() if _describes_a_job(cluster, name)}
    for name in taken:
        del os.environ[name]
    os.environ.update(secrets)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        os.environ.update(taken)


def _describes_a_job(cluster: Cluster, name: str) -> bool:
    return name.startswith(cluster.variables) and name not in cluster.kept_variables
