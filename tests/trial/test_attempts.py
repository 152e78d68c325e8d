"""Which execution of a trial may be claimed by whom."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyperherd.errors import AttemptTaken
from hyperherd.records.states import TrialState
from hyperherd.records.status import process_started
from hyperherd.records.trial import TrialRecord
from hyperherd.trial.attempts import claim_attempt


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interactive session of LSF, whose job no script of ours runs."""
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SUBMITIT_LSF_RESTARTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LSB_JOBID", "77")
    monkeypatch.setenv("LSB_JOBINDEX", "0")


def record(trial_dir: Path, state: TrialState, pid: int) -> None:
    started = process_started(pid)
    told = TrialRecord(0, "k", "n", (), {}, 0, state, host=socket.gethostname(), pid=pid, pid_started=started)
    told.with_(started=time.time(), heartbeat=time.time(), job_id="77").write(trial_dir)


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("meant", [None, 0])
@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETED])
def test_a_trial_that_runs_in_a_session_is_not_run_again_in_it(
    tmp_path: Path, state: TrialState, meant: int | None
) -> None:
    assert claim_attempt(tmp_path, "k") == 0
    record(tmp_path, state, os.getpid())
    with pytest.raises(AttemptTaken):
        claim_attempt(tmp_path, "k", meant)
    assert [path.name for path in (tmp_path / ".hyperherd" / "attempts").iterdir()] == ["0"]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("meant", [None, 0])
def test_a_trial_whose_process_is_gone_goes_on_in_the_session(tmp_path: Path, meant: int | None) -> None:
    assert claim_attempt(tmp_path, "k") == 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        record(tmp_path, TrialState.RUNNING, process.pid)
    assert claim_attempt(tmp_path, "k", meant) == 1


@pytest.mark.parametrize(("restarts", "attempt"), [("0", None), ("1", 1)])
def test_a_job_that_counts_its_restarts_is_believed(
    tmp_path: Path, session: None, monkeypatch: pytest.MonkeyPatch, restarts: str, attempt: int | None
) -> None:
    monkeypatch.setenv("SUBMITIT_LSF_RESTARTS", "0")
    assert claim_attempt(tmp_path, "k") == 0
    record(tmp_path, TrialState.RUNNING, os.getpid())
    monkeypatch.setenv("SUBMITIT_LSF_RESTARTS", restarts)
    if attempt is None:
        with pytest.raises(AttemptTaken):
            claim_attempt(tmp_path, "k", 0)
    else:
        assert claim_attempt(tmp_path, "k", 0) == attempt
