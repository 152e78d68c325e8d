"""Directories that are deleted, and sweeps that are killed: what readers say, and what the next sweep runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import starting
from conftest import App
from waiting import PATIENCE, until

from hyperherd import load


def results(app: App, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyperherd.cli", *arguments]
    return starting.run(command, cwd=app.folder, text=True)


def states(app: App) -> list[str]:
    return [str(trial.state) for trial in load(app.folder / "multirun/s")]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_a_deleted_directory_is_missing_and_is_made_again(app: App, launcher: str) -> None:
    app.write("if cfg.lr == 3: raise ValueError('boom')")
    use = f"hydra/launcher={launcher}"
    sweep = app.sweep("lr=1,2,3", use, "hydra.sweeper.retry=1", code=1)
    for number in (1, 2):
        shutil.rmtree(sweep.dir / str(number))
    assert states(app) == ["completed", "missing", "missing"]
    watched = results(app, "watch", "multirun/s")
    assert (watched.returncode, '"missing": 2' in watched.stdout) == (1, True), watched.stdout
    assert results(app, "multirun/s", "--fail-on", "missing").returncode == 4
    assert results(app, "multirun/s", "state=missing", "-f", "tsv", "-c", "lr").stdout == "lr\n2\n3\n"
    found = results(app, "failures", "multirun/s").stdout
    assert "missing: its end is recorded (completed)" in found
    again = app.sweep("lr=1,2,3", use, "hydra.sweeper.only=missing", code=1)
    assert "3 trials, 2 to run (1 completed, 2 missing before)" in again.done.stdout
    assert states(app) == ["completed", "completed", "failed"]  # the failed one had two attempts, and has one now
    assert app.sweep("lr=1,2,3", use, code=1).states == {0: "completed", 1: "completed", 2: "failed"}


@pytest.mark.slow
def test_trials_of_a_pool_that_was_killed_wait(app: App) -> None:
    app.write("print('STARTED', flush=True); time.sleep(600)")
    local = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *local, "lr=1,2,3")
    until((app.folder / "multirun/s/0/.hyperherd/trial.json").exists, process)
    assert states(app)[1:] == ["submitted", "submitted"]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    # Whatever ran is killed, or still told to end by the pool's own process.
    until(lambda: states(app)[0] in ("lost", "cancelled"))
    assert states(app)[1:] == ["waiting", "waiting"]
    reasons = [trial.reason for trial in load(app.folder / "multirun/s")]
    assert reasons[1:] == ["its sweep ended before it started"] * 2
    assert results(app, "watch", "multirun/s").returncode == 1
    assert results(app, "multirun/s", "--fail-on", "missing").returncode == 4
    found = results(app, "failures", "multirun/s").stdout
    assert "2 waiting" in found
    assert results(app, "cancel", "multirun/s").stdout == "cancelled 0 trials\n"
    app.write("pass")
    assert app.sweep(*local, "lr=1,2,3").states == {0: "completed", 1: "completed", 2: "completed"}


@pytest.mark.slow
def test_trials_inside_other_trials_are_run_once(app: App) -> None:
    app.write("from hyperherd import log_result; log_result('loss', 1.0)", "model: a\n")
    nested = ("model=a,a/b", "hydra.sweep.subdir=${model}")
    app.sweep(*nested)
    assert states(app) == ["completed", "completed"]
    again = app.sweep(*nested)
    assert "2 trials, 0 to run (2 completed before)" in again.done.stdout
    compacted = results(app, "compact", "multirun/s")
    assert compacted.returncode == 0, compacted.stderr
    assert states(app) == ["completed", "completed"]


@pytest.mark.slow
def test_trials_outside_of_the_sweep_are_found_and_run_once(app: App) -> None:
    app.write("from hyperherd import log_result; log_result('loss', 1.0)")
    outside = ("lr=1,2", "hydra.sweep.subdir=../elsewhere/${lr}")
    app.sweep(*outside)
    assert states(app) == ["completed", "completed"]
    assert len(load(app.folder / "multirun")) == 2
    shutil.rmtree(app.folder / "multirun/elsewhere/2")
    assert states(app) == ["completed", "missing"]
    again = app.sweep(*outside)
    assert "2 trials, 1 to run (1 completed, 1 missing before)" in again.done.stdout
    assert states(app) == ["completed", "completed"]


def test_a_trial_that_deletes_its_own_directory_costs_itself_alone(app: App) -> None:
    app.write("""
        import shutil
        if cfg.lr == 1: shutil.rmtree(HydraConfig.get().runtime.output_dir)
    """)
    assert "2 completed" in app.sweep("lr=1,2").done.stdout
    assert states(app) == ["completed", "completed"]


@pytest.mark.slow
def test_records_of_a_sweep_that_lack_something_are_named(app: App) -> None:
    """A line of the plan that is broken costs that trial its number; a sweep without its base is not guessed at."""
    app.write("pass")
    sweep = app.sweep("lr=1,2,3")
    plan = sweep.dir / ".hyperherd/trials.jsonl"
    lines = plan.read_text().splitlines()
    plan.write_text("\n".join([lines[0], '{"number": 1}', lines[2]]) + "\n")
    again = app.sweep("lr=1,2,3")
    assert "entry 2 is not a planned trial" in again.done.stdout
    assert "3 trials, 1 to run (2 completed before)" in again.done.stdout
    record = json.loads((sweep.dir / ".hyperherd/sweep.json").read_text())
    del record["base"]
    (sweep.dir / ".hyperherd/sweep.json").write_text(json.dumps(record))
    resumed = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.resume=multirun/s")
    assert resumed.returncode == 1
    assert "a command that is not on record" in resumed.stderr
    assert "Traceback" not in resumed.stderr
