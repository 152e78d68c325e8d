from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

import hyperherd
from hyperherd import schedulers
from hyperherd.launch.cluster.base import Cluster
from hyperherd.paths import conf_dir
from hyperherd.schedulers import SCHEDULERS, Scheduler, find_scheduler, hide_from_lightning, job_id, restarts

PACKAGE = Path(hyperherd.__file__).parent


@pytest.mark.parametrize(
    ("environment", "job", "count"),
    [
        ({}, None, None),
        ({"SLURM_JOB_ID": "7"}, "7", 0),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "7_2", 0),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "3"}, "7", 3),
        ({"LSB_JOBID": "8"}, "8", None),
        ({"LSB_JOBID": "8", "LSB_JOBINDEX": "0", "SUBMITIT_LSF_RESTARTS": "1"}, "8", 1),
        ({"LSB_JOBID": "8", "LSB_JOBINDEX": "4"}, "8_4", None),
        ({"LSB_JOBINDEX": "4"}, None, None),
        ({"SLURM_JOB_ID": "7", "LSB_JOBID": "8", "SUBMITIT_LSF_RESTARTS": "1"}, "7", 0),
    ],
)
def test_a_process_knows_its_job(environment: dict[str, str], job: str | None, count: int | None) -> None:
    assert job_id(environment) == job
    assert restarts(environment) == count


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: scheduler.launcher)
def test_a_scheduler_is_known_by_one_name_everywhere(scheduler: Scheduler) -> None:
    cluster = scheduler.cluster_class()
    assert issubclass(cluster, Cluster)
    assert cluster.name == scheduler.launcher
    assert find_scheduler(scheduler.launcher) is scheduler
    assert (conf_dir() / f"hydra/launcher/{scheduler.launcher}.yaml").exists()
    __import__(f"hydra_plugins.hyperherd.{scheduler.launcher.removeprefix('herd_')}_launcher")
    assert ConfigStore.instance().load(f"hydra/launcher/{scheduler.launcher}_schema.yaml").node is not None


def test_nothing_outside_a_schedulers_folder_tells_it_apart() -> None:
    own = re.compile(r"""["'](SLURM|SBATCH|LSB|SUBMITIT_LSF)_|launch\.(slurm|lsf)\.""")
    others = [path for path in PACKAGE.rglob("*.py") if not {"slurm", "lsf"} & set(path.relative_to(PACKAGE).parts)]
    found = {str(path.relative_to(PACKAGE)) for path in others if own.search(path.read_text())}
    # What starts the processes of one program, srun or mpirun, is not what schedules its job.
    assert found <= {"schedulers.py", "trial/ranks.py"}


def test_a_further_scheduler_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    pbs = Scheduler(
        launcher="herd_pbs",
        cluster="hyperherd.launch.slurm.cluster:SlurmCluster",
        job_id=lambda environment: environment.get("PBS_JOBID"),
        restarts=lambda environment: None,
        unmanaged={"PBS_ENVIRONMENT": "PBS_INTERACTIVE"},
    )
    monkeypatch.setattr(schedulers, "SCHEDULERS", (*SCHEDULERS, pbs))
    monkeypatch.setenv("PBS_ENVIRONMENT", "PBS_BATCH")
    monkeypatch.delenv("SLURM_JOB_NAME", raising=False)
    assert find_scheduler("herd_pbs") is pbs
    assert job_id({"PBS_JOBID": "12"}) == "12"
    hide_from_lightning()
    assert os.environ["PBS_ENVIRONMENT"] == "PBS_INTERACTIVE"
    assert "SLURM_JOB_NAME" not in os.environ
