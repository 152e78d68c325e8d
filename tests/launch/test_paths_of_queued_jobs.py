"""Jobs that wait in a queue while the package is upgraded unpickle, run and import these by their names."""

from __future__ import annotations

import importlib.util
import pkgutil

import pytest

UNPICKLED = (
    "hyperherd.launch.base:TrialJob",
    "hyperherd.launch.cluster.base:Cluster.is_preempting",
    "hyperherd.launch.cluster.work:TrialRun",
    "hyperherd.launch.cluster.work:Work",
    "hyperherd.launch.luggage:Luggage",
    "hyperherd.launch.luggage:PortableFunction",
    "hyperherd.launch.luggage:_carried",
    "hyperherd.launch.slurm.cluster:SlurmCluster.is_preempting",
    "hyperherd.launch.worker:TrialTask",
    # By submitit's entry points, and in the pickles of people who use submitit alone.
    "hyperherd.launch.lsf:LsfInfoWatcher",
    "hyperherd.launch.lsf.environment:LsfJobEnvironment",
    "hyperherd.launch.lsf.executor:LsfExecutor",
    "hyperherd.launch.lsf.executor:LsfJob",
)


@pytest.mark.parametrize("name", UNPICKLED)
def test_what_a_queued_job_unpickles_has_kept_its_name(name: str) -> None:
    assert callable(pkgutil.resolve_name(name))


def test_what_a_queued_script_runs_has_kept_its_name() -> None:
    assert importlib.util.find_spec("hyperherd.launch.lsf.spawn") is not None
