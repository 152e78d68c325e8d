"""Whose directory it is, and going on in it: all of a sweep, the latest one, a part of it, with what has changed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import App, wait_for
from waiting import PATIENCE, until

import hyperherd
from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.records.workers.growth import is_growing, note_growth

FLAKY = """
    marker = os.path.join(HydraConfig.get().runtime.cwd, "fixed")
    if cfg.lr in (2, 3) and not os.path.exists(marker): raise ValueError("not yet")
"""


def _states(sweep_dir: Path) -> dict[int, str]:
    found = {trial.number: sweep_dir / str(trial.dir) for trial in read_planned(sweep_dir)}
    return {
        number: str(TrialRecord.read(path).state)
        for number, path in found.items()
        if (path / ".hyperherd" / "trial.json").exists()
    }


@pytest.mark.slow
def test_resume_needs_nothing_but_the_directory(app: App) -> None:
    app.write(FLAKY)
    first = app.sweep("lr=1,2,3", "width=4", code=1)
    (app.folder / "fixed").touch()
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.resume=multirun/s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 trials, 2 to run (1 completed, 2 failed before)" in done.stdout
    assert set(_states(first.dir).values()) == {"completed"}
    assert [path.name for path in (app.folder / "multirun").iterdir()] == ["s"]
    assert SweepRecord.read(first.dir).space["overrides"] == ["lr=1,2,3", "width=4"]


@pytest.mark.slow
def test_resume_with_another_space_appends(app: App) -> None:
    first = app.sweep("lr=1,2")
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.resume=multirun/s", "lr=2,5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 trials, 1 to run (2 completed before; 1 no longer in the search space)" in done.stdout
    assert [(trial.params["lr"], trial.orphan) for trial in read_planned(first.dir)] == [
        (1, True),
        (2, False),
        (5, False),
    ]


@pytest.mark.slow
def test_the_latest_sweep_is_that_of_the_same_script(app: App) -> None:
    app.write(FLAKY)
    stamped = "hydra.sweep.dir=multirun/${now:%Y-%m-%d}/${now:%H-%M-%S-%f}"
    for values in ("lr=1,3", "lr=1,2"):
        app.run("-m", "hydra/sweeper=herd", stamped, values)
    other = app.folder / "other.py"
    other.write_text(app.script.read_text())
    mine, app.script = app.script, other
    app.run("-m", "hydra/sweeper=herd", stamped, "lr=1,2,3")
    app.script = mine
    (app.folder / "fixed").touch()
    done = app.run("-m", "hydra/sweeper=herd", stamped, "hydra.sweeper.resume=latest")
    assert "2 trials, 1 to run (1 completed, 1 failed before)" in done.stdout, done.stdout + done.stderr
    folders = [path.parent.parent for path in (app.folder / "multirun").glob("**/.hyperherd/sweep.json")]
    assert len(folders) == 3


SELECTED: dict[str, set[int | None]] = {
    "failed": {2, 3},
    "'0,2-3'": {2, 3},
    "waiting": {4},
    "exception": {2, 3},
    "'lr=3'": {3},
    "[failed,'lr>2']": {3},
    "'failed,waiting'": {2, 3, 4},
}
SELECTS_NOTHING = {
    "fialed": "hydra.sweeper.only: 'fialed' is not a state, failure cause",
    "'l=3'": "hydra.sweeper.only: ",
    "0": "hydra.sweeper.only=0 matches none of the 3 trials that would run; already done: 0",
}


@pytest.mark.slow
def test_trials_are_selected_by_state_number_and_value(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.write(FLAKY)
    app.sweep("lr=0,1,2,3", code=1)
    monkeypatch.chdir(app.folder)

    def selected(only: str) -> set[int | None]:
        arguments = [
            "hydra/sweeper=herd",
            "hydra.sweep.dir=multirun/s",
            "hydra.sweeper.allow_drift=true",
            "lr=0,1,2,3,4",
            f"hydra.sweeper.only={only}",
        ]
        return {trial.number for trial in hyperherd.plan(arguments, config_dir=app.folder / "conf").trials}

    assert {only: selected(only) for only in SELECTED} == SELECTED
    for only, message in SELECTS_NOTHING.items():
        with pytest.raises(SweepError, match=re.escape(message)):
            selected(only)
    (app.folder / "fixed").touch()
    second = app.sweep("lr=0,1,2,3,4", "hydra.sweeper.only=[failed,'lr>2']")
    assert {number: record.attempt for number, record in second.records.items()} == {0: 0, 1: 0, 2: 0, 3: 1}


@pytest.mark.slow
def test_drift_is_mixed_in_only_when_allowed(app: App) -> None:
    app.write(FLAKY)
    app.sweep("lr=1,2", "width=3", code=1)
    (app.folder / "fixed").touch()
    refused = app.sweep("lr=1,2", "width=4", code=1)
    assert "set hydra.sweeper.allow_drift=true" in refused.done.stderr
    mixed = app.sweep("lr=1,2", "width=4", "hydra.sweeper.allow_drift=true")
    assert "Mixing them because hydra.sweeper.allow_drift=true" in mixed.done.stdout
    assert [record.overrides for record in mixed.records.values()] == [("lr=1", "width=3"), ("lr=2", "width=4")]
    assert "0 to run (2 completed before)" in app.sweep("lr=1,2", "width=4").done.stdout


@pytest.mark.parametrize("resume", ["nowhere", "latest"])
def test_there_must_be_something_to_go_on_with(app: App, resume: str) -> None:
    done = app.run("-m", "hydra/sweeper=herd", f"hydra.sweeper.resume={resume}", "lr=1")
    assert done.returncode == 1
    assert "hydra.sweeper.resume: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_dry_run_shows_what_a_resume_would_run(app: App) -> None:
    app.write(FLAKY)
    sweep = app.sweep("lr=1,2,3", code=1)
    before = sorted(path.name for path in sweep.dir.iterdir())
    dry = ["hydra.sweeper.resume=multirun/s", "hydra.sweeper.dry_run=true", "hydra.sweeper.only='lr=3'"]
    told = app.run("-m", "hydra/sweeper=herd", *dry).stdout
    assert "1 trial would run in" in told
    assert "2  lr=3  ->  multirun/s/2" in told
    assert sorted(path.name for path in sweep.dir.iterdir()) == before


@pytest.mark.slow
def test_trials_left_in_the_queue_of_another_launcher_are_left_alone(app: App) -> None:
    """What the books say of a detached sweep is enough for that; nobody is asked."""
    app.write("raise ValueError")
    sweep = app.sweep("lr=1,2", code=1)
    event: dict[str, object] = {"event": "submitting", "number": 1, "attempt": 1, "launcher": "herd_slurm"}
    event["job_name"] = "app-1"
    event |= {"time": time.time(), "seq": 99}
    lines = [event, {**event, "event": "submitted", "job_id": "7_1"}]
    path = SweepPaths(sweep.dir).events / "host-1-abc.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    app.write("pass")
    again = app.sweep("lr=1,2")
    assert again.states == {0: "completed", 1: "failed"}
    assert "left untouched: 1 trial submitted earlier through herd_slurm" in again.done.stdout
    assert "hydra/launcher=herd_slurm" in again.done.stdout


def test_what_a_killed_sweep_of_this_host_left_is_taken_over(app: App) -> None:
    lock = SweepPaths(app.folder / "multirun/s").lock
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"host": os.uname().nodename, "pid": 2**22 + 1, "pid_started": 1, "time": time.time()}))
    note_growth(app.folder / "multirun/s")  # as if it had been a search
    assert app.sweep("lr=1").states == {0: "completed"}
    assert not is_growing(app.folder / "multirun/s")


@pytest.mark.slow
def test_the_same_command_runs_only_what_is_not_done(app: App) -> None:
    app.write("""
        marker = os.path.join(HydraConfig.get().runtime.cwd, "fixed")
        if cfg.lr == 2 and not os.path.exists(marker): raise ValueError("not yet")
    """)
    first = app.sweep("lr=1,2", code=1)
    multirun = SweepPaths(first.dir).multirun.read_bytes()
    started = first.records[0].started
    (app.folder / "fixed").touch()
    second = app.sweep("lr=3,2,1")
    assert {trial.number: trial.params["lr"] for trial in second.planned} == {0: 1, 1: 2, 2: 3}
    assert second.records[0].started == started
    assert second.records[1].attempt == 1
    assert TrialPaths(second.dir / "1").log(0, "out").exists()
    assert SweepPaths(second.dir).multirun.read_bytes() == multirun
    third = app.sweep("lr=1,2")
    assert [trial.orphan for trial in third.planned] == [False, False, True]
    assert "3 trials, 0 to run (3 completed before; 1 no longer in the search space)" in third.done.stdout


def test_two_sweeps_in_the_same_second_get_two_directories(app: App) -> None:
    app.write("""
        from pathlib import Path
        Path(f"runs-{os.getpid()}").touch()
        while len(list(Path(".").glob("runs-*"))) < 2: time.sleep(0.02)
    """)
    stamp = "hydra.sweep.dir=multirun/${now:%Y}"
    first, second = (app.start("-m", "hydra/sweeper=herd", stamp, "lr=1") for _ in range(2))
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    names = sorted(path.name for path in (app.folder / "multirun").iterdir())
    assert len(names) == 2
    assert names[1] == f"{names[0]}_1"


@pytest.mark.slow
def test_a_second_sweep_in_a_directory_that_is_held_is_refused(app: App) -> None:
    app.write("print('STARTED', flush=True); time.sleep(600)")
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=1")
    wait_for(process, "STARTED")
    refused = app.sweep("lr=1", code=1)
    assert "another sweep is running in" in refused.done.stderr
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    app.write("pass")
    assert app.sweep("lr=1").states == {0: "completed"}


def test_another_sweep_is_not_mixed_into_a_directory(app: App) -> None:
    app.sweep("lr=1,2", "width=3")
    sweep = app.sweep("lr=1,2", "width=4", code=1)
    assert "contains a different sweep" in sweep.done.stderr
    assert "with width=3 there" in sweep.done.stderr
    assert "with width=4 here" in sweep.done.stderr


def test_the_lock_of_a_dead_host_is_named(app: App) -> None:
    lock = SweepPaths(app.folder / "multirun/s").lock
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"host": "gone", "pid": 1, "pid_started": 1, "time": time.time()}))
    sweep = app.sweep("lr=1", code=1)
    assert f"If its host no longer exists, delete {lock}" in sweep.done.stderr
    assert Path(lock).exists()


@pytest.mark.slow
def test_a_trial_that_was_killed_before_it_wrote_anything_is_run_again(app: App) -> None:
    sweep = app.sweep("lr=1,2")
    for name in ("trial.json", "provenance.json", "summary.json"):
        (sweep.dir / "1/.hyperherd" / name).unlink(missing_ok=True)
    (sweep.dir / "1/.hydra/overrides.yaml").unlink()
    again = app.sweep("lr=1,2")
    assert again.records[1].attempt == 1


@pytest.mark.slow
def test_a_directory_named_by_the_launcher_is_found_again(app: App) -> None:
    subdir = "hydra.sweep.subdir=job_${hydra.job.id}"
    app.sweep("lr=1,2", subdir)
    assert "2 trials, 0 to run (2 completed before)" in app.sweep("lr=1,2", subdir).done.stdout


@pytest.mark.slow
def test_scattered_trials_are_handed_over_at_once(app: App) -> None:
    app.write("marker = 'fixed'\nif cfg.lr % 2 and not os.path.exists(marker): raise ValueError('not yet')")
    app.sweep("lr=1,2,3,4,5", code=1)
    (app.folder / "fixed").touch()
    again = app.sweep("lr=1,2,3,4,5")
    assert again.done.stdout.count("Launching") == 1
    assert set(again.states.values()) == {"completed"}


def test_of_many_sweeps_that_start_at_once_one_gets_the_directory(app: App) -> None:
    app.write("while not os.path.exists('go'): time.sleep(0.02)")
    started = [app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", "lr=1") for _ in range(4)]
    until(lambda: len([process for process in started if process.poll() is not None]) == 3)
    (app.folder / "go").touch()
    told = [process.communicate(timeout=PATIENCE)[0] for process in started]
    assert sorted(process.returncode for process in started) == [0, 1, 1, 1], told
    assert sum("another sweep is running in" in text for text in told) == 3
