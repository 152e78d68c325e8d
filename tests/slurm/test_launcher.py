"""`hydra/launcher=herd_slurm` on a real Slurm, as a user runs it: every way a job can end, and none costs another."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import App, Sweep
from slurm.real import Slurm, until

from hyperherd.paths import TrialPaths
from hyperherd.records.events import Event, read_events

SLURM = "hydra/launcher=herd_slurm"
QUICK = "hydra.launcher.poll_s=2"


def verdicts(sweep_dir: Path) -> dict[int, Event]:
    return {event.number: event for event in read_events(sweep_dir) if event.verdict}


def states_of_jobs(slurm: Slurm, job: str) -> dict[str, str]:
    """Return what accounting says of a job's tasks, once it has caught up."""
    lines = slurm.ask("sacct", "-nPX", "-j", job, "-o", "JobID,State").split()
    return dict(line.split("|")[:2] for line in lines)


def submitit(sweep_dir: Path) -> Path:
    return sweep_dir / ".hyperherd" / "submitit"


def test_however_a_job_ends_it_is_one_row_and_costs_no_other(app: App, slurm: Slurm) -> None:
    app.write("""
        if cfg.width == 0: os.kill(os.getpid(), 9)
        if cfg.width == 1: os._exit(3)
        if cfg.width == 2: os._exit(0)
        if cfg.width == 3: os.kill(os.getpid(), 11)
        if cfg.width == 4: sys.exit(4)
        if cfg.width == 5: raise ValueError("boom")
        if cfg.width == 6: sys.exit(0)
        if cfg.width == 7: return lambda: None
        if cfg.width == 8:
            memory = []
            while True:
                memory.append(bytearray(30_000_000)); time.sleep(0.1)
        job = HydraConfig.get().job
        print("here", job.num, job.id == os.environ["SLURM_ARRAY_JOB_ID"] + "_" + os.environ["SLURM_ARRAY_TASK_ID"])
    """)
    sweep = app.sweep(SLURM, QUICK, "width=range(10)", "hydra.launcher.mem_gb=0.25", code=1)
    told = {number: event.event for number, event in verdicts(sweep.dir).items()}
    assert told == {0: "signal", 1: "exit", 2: "exit", 3: "signal", 8: "oom"}
    said = {number: (str(record.state), record.cause) for number, record in sweep.records.items() if number not in told}
    assert said == {
        4: ("failed", "exit"),
        5: ("failed", "exception"),
        6: ("completed", None),
        7: ("completed", None),
        9: ("completed", None),
    }
    assert TrialPaths(sweep.dir / "9").log(0, "out").read_text().startswith("here 9 True\n")
    assert "3 completed, 7 failed" in sweep.done.stdout
    message = str(verdicts(sweep.dir)[0].message)
    assert "FAILED" in message
    assert f"see {submitit(sweep.dir)}/" in message
    job = str(sweep.records[9].job_id).partition("_")[0]
    ended = ["FAILED"] * 2 + ["COMPLETED"] + ["FAILED"] * 3 + ["COMPLETED"] * 2 + ["FAILED", "COMPLETED"]
    until(lambda: list(states_of_jobs(slurm, job).values()) == ended)


