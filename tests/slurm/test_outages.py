"""Daemons of Slurm that are down at the worst moment: nothing is forgotten, and nothing runs twice."""

from __future__ import annotations

import shutil
import signal
import sys

import pytest
import starting
from conftest import App, Sweep, wait_for
from real_slurm import Slurm
from waiting import PATIENCE, until

import hyperherd
from hyperherd.records.events import read_events

pytestmark = pytest.mark.slow

QUICK = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.sweep.dir=s"]


def test_accounting_dies_while_trials_end(app: App, own: Slurm) -> None:
    app.write("""
        from pathlib import Path
        Path(f"at-{cfg.width}").touch(exist_ok=False)
        while not Path("go").exists(): time.sleep(0.1)
        if cfg.width == 1: os.kill(os.getpid(), 9)
        if cfg.width == 2: raise ValueError("boom")
    """)
    sweep = app.start(*QUICK, "width=range(4)")
    try:
        until(lambda: len(list(app.folder.glob("at-*"))) == 4, sweep)
        own.kill_accounting()
        (app.folder / "go").touch()
        told, _ = sweep.communicate(timeout=PATIENCE)  # nobody brings it back
    finally:
        sweep.kill()
    assert sweep.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert ended.states == {0: "completed", 1: "running", 2: "failed", 3: "completed"}, told
    assert {event.number: event.event for event in read_events(ended.dir) if event.verdict} == {1: "signal"}, told
    assert "2 completed, 2 failed" in told


def test_the_controller_is_down_as_the_sweep_submits(app: App, own: Slurm) -> None:
    app.write("""
        from pathlib import Path
        Path(f"at-{cfg.width}").touch(exist_ok=False)
    """)
    own.kill_controller()
    sweep = app.start(*QUICK, "width=range(3)")
    try:
        wait_for(sweep, "trials are submitted when it answers")
        own.up()
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert ended.states == {0: "completed", 1: "completed", 2: "completed"}, told
    assert {record.attempt for record in ended.records.values()} == {0}
    assert len({str(record.job_id).partition("_")[0] for record in ended.records.values()}) == 1
    events = [event for event in read_events(ended.dir) if event.event == "submitted"]
    assert {event.cluster for event in events} == {"hyp"}  # the name was not known as the intent was noted


def test_what_was_never_submitted_can_be_cancelled_and_one_of_a_lost_batch_alone(app: App, own: Slurm) -> None:
    app.write("time.sleep(600)")
    arguments = ["hydra/launcher=herd_slurm", "width=range(3)"]
    left = app.sweep(*arguments, "hydra.launcher.wait=false")
    for path in (left.dir / ".hyperherd" / "events").iterdir():  # killed between sbatch and its record
        intents = [line for line in path.read_text().splitlines() if '"submitted"' not in line]
        path.write_text("".join(f"{line}\n" for line in intents))
    until(lambda: len(left.states) == 3)
    assert cancelled(left, "--only", "1") == "cancelled 1 trial: 1\n"
    until(lambda: left.states == {0: "running", 1: "cancelled", 2: "running"})
    assert cancelled(left) == "cancelled 2 trials: 0, 2\n"
    own.kill_controller()
    never = app.start("-m", "hydra/sweeper=herd", *arguments, "hydra.sweep.dir=multirun/t")
    try:
        wait_for(never, "trials are submitted when it answers")
        never.send_signal(signal.SIGINT)
        assert never.wait(timeout=PATIENCE) == 130
    finally:
        never.kill()
        never.communicate()
    own.up()
    sweep = Sweep(None, app.folder / "multirun" / "t")  # type: ignore[arg-type]
    assert cancelled(sweep) == "cancelled 3 trials: 0, 1, 2\n"
    assert cancelled(sweep) == "cancelled 0 trials\n"
    assert {str(trial.state) for trial in hyperherd.load(sweep.dir)} == {"cancelled"}


def cancelled(sweep: Sweep, *arguments: str) -> str:
    command = [sys.executable, "-m", "hyperherd.cli", "cancel", str(sweep.dir), *arguments]
    done = starting.run(command, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_folder_of_logs_is_deleted_while_a_job_waits(app: App, slurm: Slurm) -> None:
    sweep = app.start(*QUICK, "width=0", "+hydra.launcher.additional_parameters.begin='now+6'")
    try:
        wait_for(sweep, "submitted job")
        shutil.rmtree(app.folder / "s" / ".hyperherd" / "submitit")
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert "exit: Slurm: FAILED, signal 53" in told
    assert "Slurm could not write the log of the job; does its folder still exist?" in told
