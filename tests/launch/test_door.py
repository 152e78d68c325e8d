"""The one door to a scheduler's commands: what they print, how late and how broken it may be, and what it means."""

from __future__ import annotations

import logging
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from hyperherd.launch.commands import LONGEST_PAUSE, CommandResult, CommandTable, Outage, Outcome, call
from hyperherd.launch.lsf.commands import TABLE as LSF
from hyperherd.launch.slurm.commands import TABLE as SLURM

SLURM_PASSES = [
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
    "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
    'sbatch: error: If munged is up, restart with --num-threads=10\nMunge encode failed: Failed to access "/run/munge"',
    "sbatch: error: Batch job submission failed: Protocol authentication error",
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection: Connection refused",
    "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
    "sbatch: Slurm job queue full, sleeping and retrying",
]
SLURM_FULL = [
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS "
    "policy (job submit limit, user's size and/or time limits)",
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
    "accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size "
    "and/or time limits)",
]
SLURM_REFUSES = [
    "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested "
    "node configuration is not available",
    "sbatch: error: invalid partition specified: x",
    "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates "
    "accounting/QOS policy (job submit limit, user's size and/or time limits)",
]
LSF_PASSES = [
    "LSF is down. Please wait ...\nConnection refused by server. Job not submitted.",
    "batch system daemon not responding ... still trying",
    "Failed in an LSF library call: Communication time out. Job not submitted.",
    "Request from non-LSF host rejected",
    "The request was denied.",
    "Job query limit exceeded",
]
LSF_FULL = [
    "Pending job threshold reached. Retrying in 60 seconds...\nPending job threshold reached. Job not submitted."
]
LSF_REFUSES = ["nosuch: No such queue. Job not submitted.", "User permission denied. Job not submitted."]

EXAMPLES = [
    *((SLURM, text, Outcome.LATER) for text in SLURM_PASSES),
    *((SLURM, text, Outcome.FULL) for text in SLURM_FULL),
    *((SLURM, text, Outcome.REFUSED) for text in SLURM_REFUSES),
    *((LSF, text, Outcome.LATER) for text in LSF_PASSES),
    *((LSF, text, Outcome.FULL) for text in LSF_FULL),
    *((LSF, text, Outcome.REFUSED) for text in LSF_REFUSES),
]


@pytest.mark.parametrize(("table", "text", "outcome"), EXAMPLES)
def test_what_a_failed_command_means(table: CommandTable, text: str, outcome: Outcome) -> None:
    banner = "*** Maintenance on Monday ***\n"
    assert table.outcome(CommandResult(banner, text, 1)) is outcome


def test_what_a_command_prints_before_it_succeeds_is_no_failure() -> None:
    waited = "sbatch: Slurm job queue full, sleeping and retrying"
    assert SLURM.outcome(CommandResult("Submitted batch job 7", waited, 0)) is Outcome.DONE
    waited = "LSF is processing your request. Please wait ..."
    assert LSF.outcome(CommandResult(f"{waited}\nJob <7> is submitted to queue <normal>.", "", 0)) is Outcome.DONE


@pytest.fixture
def command(tmp_path: Path) -> Path:
    return tmp_path / "squeue"


def write(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_output_in_any_encoding_is_read(command: Path) -> None:
    found = call(SLURM, [write(command, r"printf 'Universit\344t\n1|RUNNING|0|n1\n'")])
    assert found.outcome is Outcome.DONE
    assert found.stdout.splitlines()[1] == "1|RUNNING|0|n1"


def test_a_command_that_hangs_is_stopped_with_what_it_started(command: Path, tmp_path: Path) -> None:
    script = f"echo early; (sleep 0.5; touch {tmp_path}/late) & echo $! > {tmp_path}/child; sleep 60"
    began = time.monotonic()
    found = call(SLURM, [write(command, script)], seconds=0.2)
    assert time.monotonic() - began < 10
    assert (found.outcome, found.code, found.stdout) == (Outcome.LATER, None, "early\n")
    assert found.message == "no answer in 0.2 s"
    child = int((tmp_path / "child").read_text())
    while Path(f"/proc/{child}").exists() and b"Z" not in Path(f"/proc/{child}/stat").read_bytes().split()[2:3]:
        assert time.monotonic() - began < 10
    assert not (tmp_path / "late").exists()


def test_a_command_that_is_gone_for_a_while_is_no_answer(tmp_path: Path) -> None:
    found = call(SLURM, [str(tmp_path / "squeue")])
    assert found.outcome is Outcome.LATER
    assert "No such file" in found.message


def test_what_a_user_sets_changes_no_output_but_reaches_jobs(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    name = write(command, 'echo "${SQUEUE_FORMAT-unset}"')
    assert call(SLURM, [name]).stdout == "unset\n"
    assert call(SLURM, [name], submits=True).stdout == "%i\n"
    assert os.environ["SQUEUE_FORMAT"] == "%i"


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_hour_of_failures_is_one_warning_and_ever_fewer_tries(caplog: pytest.LogCaptureFixture) -> None:
    clock = Time()
    outage = Outage("nothing is lost", clock)
    tries = []
    with caplog.at_level(logging.INFO, "hyperherd"):
        while clock.now < 3700:
            if outage.is_due:
                tries.append(clock.now)
                outage.failed("Slurm does not answer")
            clock.now += 0.5
        outage.over("Slurm")
    assert [record.getMessage() for record in caplog.records] == [
        "Slurm does not answer; nothing is lost",
        "Slurm answers again",
    ]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 2
    assert pauses[-1] == LONGEST_PAUSE
    assert len(tries) < 50


def test_a_failure_that_passes_at_once_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    clock = Time()
    outage = Outage("nothing is lost", clock)
    with caplog.at_level(logging.INFO, "hyperherd"):
        outage.failed("Slurm does not answer")
        clock.now += 2
        outage.over("Slurm")
    assert not caplog.records
    assert outage.is_due
