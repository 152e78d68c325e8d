"""`herd-results cancel` while a sweep runs; on clusters it is tested with these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import starting
from conftest import App
from waiting import PATIENCE, until

import hyperherd
from hyperherd.paths import SweepPaths
from hyperherd.records.events import Event, EventLog, read_events
from hyperherd.records.states import TrialState
from hyperherd.records.status import process_started

LOCAL = ["-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "hydra/launcher=herd_local"]


def cancel(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyperherd.cli", "cancel", *map(str, arguments)]
    return starting.run(command, text=True)


def until_running(sweep: subprocess.Popen[str], sweep_dir: Path, number: int) -> None:
    until((sweep_dir / str(number) / ".hyperherd" / "trial.json").exists, sweep)


@pytest.mark.slow
def test_trials_that_run_and_wait_are_cancelled_one_by_one(app: App) -> None:
    app.write("""
        go = os.path.join(HydraConfig.get().runtime.cwd, "go")
        while not os.path.exists(go) and cfg.lr: time.sleep(0.05)
    """)
    sweep_dir = app.folder / "multirun/s"
    sweep = app.start(*LOCAL, "lr=range(1,6)", "hydra.launcher.max_parallel=2", "hydra.sweeper.retry=1")
    until_running(sweep, sweep_dir, 1)
    done = cancel(sweep_dir, "--only", "0,3")
    assert (done.returncode, done.stdout) == (0, "cancelled 2 trials: 0, 3\n"), done.stderr
    until_running(sweep, sweep_dir, 2)
    assert cancel(sweep_dir, "--only", "pending").stdout == "cancelled 1 trial: 4\n"
    (app.folder / "go").touch()
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1
    assert "2 trials cancelled on request" in told
    states = {trial.number: str(trial.state) for trial in hyperherd.load(sweep_dir)}
    assert states == {0: "cancelled", 1: "completed", 2: "completed", 3: "cancelled", 4: "cancelled"}
    assert not any(event.event == "retried" for event in read_events(sweep_dir))
    assert list(SweepPaths(sweep_dir).requests.iterdir()) == []
    over = cancel(sweep_dir, "--only", "0-1")
    assert (over.returncode, over.stdout) == (0, "cancelled 0 trials\n")
    assert "not running: trials 0, 1" in over.stderr


def plant_what_is_no_request(folder: Path) -> None:
    """Put everything into a folder of requests that is none; its names come before and after those of real ones."""
    folder.mkdir(exist_ok=True)
    values = ["0", {"0": 1}, None, [[0], "1", None, 0.5, True, 99, -1, 10**30]]
    texts = ["5", "{", *(json.dumps({"cancel": value}) for value in values)]
    for place, text in enumerate(["", "\0", *texts]):
        (folder / f"cancel--{place}.json").write_text(text)
        (folder / f"cancel-z{place}.json").write_text(text)
    for start in ("-", "z"):
        os.mkfifo(folder / f"cancel-{start}pipe.json")
        (folder / f"cancel-{start}folder.json").mkdir()
        (folder / f"cancel-{start}folder.json" / "kept").touch()
        (folder / f"cancel-{start}link.json").symlink_to("nowhere")
        with (folder / f"cancel-{start}huge.json").open("wb") as file:
            file.write(b'{"cancel": [0, 1, 2, ')
            file.truncate(3 << 30)


@pytest.mark.slow
def test_a_sweep_that_runs_passes_over_what_is_no_request(app: App) -> None:
    app.write("""
        go = os.path.join(HydraConfig.get().runtime.cwd, "go")
        while not os.path.exists(go): time.sleep(0.05)
    """)
    sweep_dir = app.folder / "multirun/s"
    sweep = app.start(*LOCAL, "lr=1,2,3", "hydra.launcher.max_parallel=2")
    until_running(sweep, sweep_dir, 1)
    requests = SweepPaths(sweep_dir).requests
    plant_what_is_no_request(requests)
    until(lambda: {path.name for path in requests.iterdir()} == {"cancel--folder.json", "cancel-zfolder.json"}, sweep)
    done = cancel(sweep_dir, "--only", "2")
    assert (done.returncode, done.stdout) == (0, "cancelled 1 trial: 2\n"), done.stderr
    (app.folder / "go").touch()
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert "Traceback" not in told
    states = [str(trial.state) for trial in hyperherd.load(sweep_dir)]
    assert states == ["completed", "completed", "cancelled"]
    assert len(list(requests.glob("*/kept"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "states"),
    [
        ("77_2@alpha", "completed completed cancelled"),
        ("1,77[2]", "completed cancelled cancelled"),
    ],
)
def test_trials_behind_a_canary_are_cancelled(app: App, only: str, states: str) -> None:
    app.write("""
        go = os.path.join(HydraConfig.get().runtime.cwd, "go")
        while not os.path.exists(go): time.sleep(0.05)
    """)
    sweep_dir = app.folder / "multirun/s"
    sweep = app.start(*LOCAL, "lr=1,2,3", "hydra.sweeper.canary=1")
    until_running(sweep, sweep_dir, 0)
    EventLog(sweep_dir).write([Event("submitted", 2, 0, job_id="77_2")])
    done = cancel(sweep_dir, "--only", only)
    assert done.stdout.startswith("cancelled "), done.stderr
    (app.folder / "go").touch()
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, told
    assert [str(trial.state) for trial in hyperherd.load(sweep_dir)] == states.split()
    assert set(app.sweep("lr=1,2,3").states.values()) == {"completed"}


def test_a_whole_sweep_is_cancelled(app: App) -> None:
    app.write("time.sleep(600)")
    sweep = app.start(*LOCAL, "lr=1,2,3", "hydra.launcher.max_parallel=1")
    until_running(sweep, app.folder / "multirun/s", 0)
    assert cancel(app.folder / "multirun/s").stdout == "cancelled 3 trials: 0, 1, 2\n"
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1
    assert "3 cancelled" in told


@pytest.mark.slow
def test_what_cannot_be_meant_is_said(app: App) -> None:
    app.sweep("lr=1")
    for arguments, code, message in (
        (["s", "--only", "7"], 3, "has no trial 7"),
        (
            ["s", "--only", "first"],
            2,
            "'first' is neither 'pending' nor numbers such as 0,3-5 nor job ids such as 4242_3",
        ),
        (["s", "--only", "0,7_7@alpha"], 3, "has no trial of job 7_7@alpha; `herd-results -c job_id` lists the jobs"),
        (["nowhere"], 3, "does not contain a sweep; give the directory of a sweep"),
    ):
        done = cancel(app.folder / "multirun" / arguments[0], *arguments[1:])
        assert done.returncode == code
        assert message in done.stderr


def test_a_trial_that_outlives_its_sweep_in_no_queue_is_not_forgotten(app: App) -> None:
    """A launcher that is none of ours may leave such a trial behind; here another process stands for its own."""
    sweep = app.sweep("lr=1,2")
    with subprocess.Popen(["sleep", "60"]) as process:
        record = sweep.records[1].with_(
            state=TrialState.RUNNING, pid=process.pid, pid_started=process_started(process.pid), heartbeat=time.time()
        )
        record.write(sweep.dir / "1")
        done = cancel(sweep.dir)
        process.kill()
    assert done.returncode == 2
    assert "their sweep has ended, and they are not in a queue, but these trials still run: 1." in done.stderr
