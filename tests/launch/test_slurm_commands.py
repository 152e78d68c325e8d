"""What Slurm's commands print and how they exit, read into the state of jobs: shell scripts stand for the commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.slurm.cluster import SlurmCluster
from hyperherd.schedulers import SchedulerUnavailable

OUTAGE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def stand_in(folder: Path, name: str, stdout: str = "", stderr: str = "", code: int = 0) -> None:
    script = folder / name
    script.write_text(f"#!/bin/sh\necho '{stdout}'\necho '{stderr}' >&2\nexit {code}\n")
    script.chmod(0o755)


def test_an_outage_is_not_an_answer(commands: Path) -> None:
    stand_in(commands, "squeue", stderr=OUTAGE, code=1)
    for ask in (lambda: SlurmCluster({}).query(["1"]), lambda: SlurmCluster({}).find("x")):
        with pytest.raises(SchedulerUnavailable, match=r"Slurm does not answer: .*Unable to contact"):
            ask()


def test_a_refused_query_is_not_an_answer(commands: Path) -> None:
    stand_in(commands, "squeue", stderr="squeue: error: Unrecognized option", code=1)
    with pytest.raises(SchedulerUnavailable, match="squeue failed: squeue: error: Unrecognized option"):
        SlurmCluster({}).find("x")


def test_a_forgotten_job_is_asked_of_accounting(commands: Path) -> None:
    stand_in(commands, "squeue", stderr="slurm_load_jobs error: Invalid job id specified", code=1)
    stand_in(commands, "sacct", stdout="1|TIMEOUT|0:0|n1")
    assert SlurmCluster({}).query(["1"])["1"].verdict == "timeout"
    stand_in(commands, "sacct", stderr="Slurm accounting storage is disabled", code=1)
    assert SlurmCluster({}).query(["1"]) == {}


def test_a_warning_of_a_command_that_succeeds_is_not_an_outage(commands: Path) -> None:
    stand_in(commands, "squeue", stdout="1|RUNNING|0|n1|0", stderr="error: slurmdbd: Connection refused")
    assert SlurmCluster({}).query(["1"])["1"].phase == "running"


def test_only_an_outage_keeps_jobs_from_being_cancelled(commands: Path) -> None:
    stand_in(commands, "scancel", stderr="scancel: error: Kill job error on job id 1: Job already completed", code=1)
    SlurmCluster({}).cancel(["1"])
    stand_in(commands, "scancel", stderr=OUTAGE, code=1)
    with pytest.raises(SchedulerUnavailable, match=r"Slurm does not answer: .*Unable to contact"):
        SlurmCluster({}).cancel(["1"])
    stand_in(commands, "scancel", stderr="scancel: error: Kill job error on job id 1: Access/permission denied", code=1)
    with pytest.raises(SweepError, match=r"these jobs cannot be cancelled: 1: .*permission denied"):
        SlurmCluster({}).cancel(["1"])
