"""The supported schedulers: how they differ outside their own folders in `launch/` is defined here, and only here.

Light, and below everything: each trial asks which job it is, and LSF's executor is imported by every program that uses
submitit. A scheduler's commands are therefore named, and imported when they are needed.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperherd.launch.cluster.base import Cluster

Environment = Mapping[str, str]


class SchedulerUnavailable(Exception):
    """The scheduler does not answer, so that nothing is known about any job; it is polled again later."""


@dataclass(frozen=True)
class Scheduler:
    """What is known of a scheduler without asking it.

    Attributes:
        launcher: the name of its launcher, in configs and in the events of sweeps.
        cluster: where its :class:`~hyperherd.launch.cluster.base.Cluster` is, as ``module:class``.
        job_id: returns the id of the job whose environment this is (``123_4`` for an array's task), or None.
        restarts: returns how often it has started that job again, or None if it is not known.
        gpus: returns how many GPUs it has given to that job, or None if it is not known.
        unmanaged: variables which, where they are set, are to have these values, so that Lightning starts a trial's
            further processes itself: where a job is one task it would otherwise wait for tasks that are never started.
    """

    launcher: str
    cluster: str
    job_id: Callable[[Environment], str | None]
    restarts: Callable[[Environment], int | None]
    gpus: Callable[[Environment], float | None] = lambda environment: None
    unmanaged: Mapping[str, str] = field(default_factory=dict)

    def cluster_class(self) -> type[Cluster]:
        """Import its `Cluster`."""
        found: type[Cluster] = pkgutil.resolve_name(self.cluster)
        return found


def _slurm_job(environment: Environment) -> str | None:
    if array := environment.get("SLURM_ARRAY_JOB_ID"):  # SLURM_JOB_ID differs between an array's tasks, and is not 1_2
        return f"{array}_{environment.get('SLURM_ARRAY_TASK_ID', '0')}"
    return environment.get("SLURM_JOB_ID") or None


def _slurm_restarts(environment: Environment) -> int | None:
    # Slurm sets the count from the first restart on.
    return int(environment.get("SLURM_RESTART_COUNT", "0")) if "SLURM_JOB_ID" in environment else None


def _slurm_gpus(environment: Environment) -> float | None:
    here, nodes = environment.get("SLURM_GPUS_ON_NODE", ""), environment.get("SLURM_JOB_NUM_NODES", "1")
    return float(int(here) * int(nodes)) if here.isdecimal() and nodes.isdecimal() else None


def _lsf_job(environment: Environment) -> str | None:
    job = environment.get("LSB_JOBID")
    index = environment.get("LSB_JOBINDEX", "0")
    return f"{job}_{index}" if job and index != "0" else job or None


def _lsf_restarts(environment: Environment) -> int | None:
    count = environment.get("SUBMITIT_LSF_RESTARTS")  # set by the script of our jobs: LSF itself does not report it
    return None if count is None else int(count)


def _lsf_gpus(environment: Environment) -> float | None:
    # LSF counts nowhere: it sets what the job may see.
    if not environment.get("LSB_JOBID") or (seen := environment.get("CUDA_VISIBLE_DEVICES")) is None:
        return None
    return float(len([gpu for gpu in seen.split(",") if gpu.strip()]))


SCHEDULERS = (
    Scheduler(
        launcher="herd_slurm",
        cluster="hyperherd.launch.slurm.cluster:SlurmCluster",
        job_id=_slurm_job,
        restarts=_slurm_restarts,
        gpus=_slurm_gpus,
        # The name by which Lightning (2.2 on) knows an interactive job.
        unmanaged={"SLURM_JOB_NAME": "interactive"},
    ),
    Scheduler(
        launcher="herd_lsf",
        cluster="hyperherd.launch.lsf.cluster:LsfCluster",
        job_id=_lsf_job,
        restarts=_lsf_restarts,
        gpus=_lsf_gpus,
    ),
)
"""The first that matches counts, where a job of one scheduler runs inside a job of the other."""


def find_scheduler(launcher: str) -> Scheduler | None:
    """Return the scheduler behind a launcher of ours, or None."""
    return next((scheduler for scheduler in SCHEDULERS if scheduler.launcher == launcher), None)


def job_id(environment: Environment) -> str | None:
    """Return the id of the scheduler's job with this environment (``123_4`` for an array's task), or None."""
    return next((job for scheduler in SCHEDULERS if (job := scheduler.job_id(environment))), None)


def restarts(environment: Environment) -> int | None:
    """Return how often its scheduler has started the job with this environment again, or None if it is not known."""
    counts = (scheduler.restarts(environment) for scheduler in SCHEDULERS)
    return next((count for count in counts if count is not None), None)


def gpus(environment: Environment) -> float | None:
    """Return how many GPUs its scheduler has given to the job with this environment, or None if it is not known."""
    counts = (scheduler.gpus(environment) for scheduler in SCHEDULERS if scheduler.job_id(environment))
    return next((count for count in counts if count is not None), None)


def hide_from_lightning() -> None:
    """Let Lightning start a trial's further processes itself, as it does on one machine, and never requeue the job."""
    for scheduler in SCHEDULERS:
        os.environ.update({name: value for name, value in scheduler.unmanaged.items() if name in os.environ})
