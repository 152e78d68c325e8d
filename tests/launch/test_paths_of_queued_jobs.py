"""Jobs that wait in a queue while the package is upgraded unpickle, run and import these by their names."""

from __future__ import annotations

import importlib.util
import pickle
import pkgutil

import pytest

UNPICKLED = (
    "hyperherd.launch.base:TrialJob",
    "hyperherd.launch.cluster.base:Cluster.is_preempting",
    "hyperherd.launch.cluster.job:ClusterJob",
    "hyperherd.launch.cluster.job:JobPayload",
    "hyperherd.launch.payload:Payload",
    "hyperherd.launch.payload:PortableFunction",
    "hyperherd.launch.payload:_carried",
    "hyperherd.launch.payload:_code",
    "hyperherd.launch.payload:_named",
    "hyperherd.launch.slurm.cluster:SlurmCluster.is_preempting",
    "hyperherd.launch.worker:TrialTask",
    "hyperherd.launch.workers.job:WorkerJob",
    "hyperherd.launch.workers.job:WorkerTimes",
    # By submitit's entry points, and in the pickles of people who use submitit alone.
    "hyperherd.launch.lsf:LsfInfoWatcher",
    "hyperherd.launch.lsf.environment:LsfJobEnvironment",
    "hyperherd.launch.lsf.executor:LsfExecutor",
    "hyperherd.launch.lsf.executor:LsfJob",
)

RENAMED = {
    "hyperherd.launch.cluster.work:TrialRun": "hyperherd.launch.cluster.job:ClusterJob",
    "hyperherd.launch.cluster.work:Work": "hyperherd.launch.cluster.job:JobPayload",
    "hyperherd.launch.luggage:Luggage": "hyperherd.launch.payload:Payload",
    "hyperherd.launch.luggage:_code": "hyperherd.launch.payload:_code",
    "hyperherd.launch.luggage:_named": "hyperherd.launch.payload:_named",
}
"""Names in the pickles of jobs that an earlier version submitted, and what they must be now."""


@pytest.mark.parametrize("name", UNPICKLED)
def test_what_a_queued_job_unpickles_has_kept_its_name(name: str) -> None:
    assert callable(pkgutil.resolve_name(name))


@pytest.mark.parametrize("name", RENAMED)
def test_a_pickle_of_an_earlier_version_finds_what_was_renamed(name: str) -> None:
    module, _, attribute = name.partition(":")
    # The opcode by which every protocol's pickles name a class or function.
    assert pickle.loads(f"c{module}\n{attribute}\n.".encode()) is pkgutil.resolve_name(RENAMED[name])


def test_a_job_of_an_earlier_version_unpickles_with_its_attributes() -> None:
    """As protocol 0 spells ``TrialRun(work, job, is_preempting)`` made by an earlier version."""
    old = (
        b"ccopyreg\n_reconstructor\n(chyperherd.launch.cluster.work\nTrialRun\nc__builtin__\nobject\n"
        b"NtR(dV_work\nV/s/work-1.pkl\nsb."
    )
    assert vars(pickle.loads(old)) == {"_work": "/s/work-1.pkl"}


def test_what_a_queued_script_runs_has_kept_its_name() -> None:
    assert importlib.util.find_spec("hyperherd.launch.lsf.spawn") is not None
