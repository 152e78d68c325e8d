"""`herd-results work`: workers that are started by hand, and what they may run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import App, Sweep
from waiting import PATIENCE, until
from worker_sweeps import ran

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import NotTrusted
from hyperherd.records.events import SUBMITTING, Event, EventLog
from hyperherd.records.lock import SweepLock
from hyperherd.records.sweep import SweepRecord
from hyperherd.records.workers.queue import Attempt, ask_to_end, put_in_queue
from hyperherd.sweep.working.order import VARIABLE, Order, take_order
from hyperherd.sweep.working.start import WorkCommand, work_command

NOTES = """
    from pathlib import Path
    GO = Path(os.environ["NOTES"], "go")
    with open(os.path.join(os.environ["NOTES"], "ran"), "a") as file:
        file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
"""


def waiting(app: App, *arguments: str) -> Sweep:
    """Return a sweep of which trial 0 has run, and all others wait as those of a sweep that was killed early do."""
    (app.folder / "go").touch()
    sweep = app.sweep(*arguments, "hydra.sweeper.validate=full")
    for trial in sweep.planned[1:]:
        shutil.rmtree(sweep.dir / str(trial.dir))
    shutil.rmtree(SweepPaths(sweep.dir).events)
    (app.folder / "go").unlink()
    (app.folder / "ran").write_text("0 0\n")
    return sweep


def worker(folder: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hyperherd.cli", "work", str(folder), *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def told_by(process: subprocess.Popen[str], code: int = 0) -> str:
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    return told


@pytest.fixture
def noting(app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """An app whose trials note that they run."""
    monkeypatch.setenv("NOTES", str(app.folder))
    return app.write(NOTES)


@pytest.mark.slow
def test_two_workers_share_a_sweep_that_was_moved(noting: App) -> None:
    sweep = waiting(noting, "width=range(9)", "model=rnn", "hydra.job.chdir=true")
    moved = noting.folder / "else where"
    sweep.dir.rename(moved)
    told = [told_by(one) for one in [worker(moved), worker(moved, "--trials-at-once", "2")]]
    assert ran(noting) == [f"{width} 0" for width in range(9)]
    sweep = Sweep(sweep.done, moved)
    assert sweep.states == dict.fromkeys(range(9), "completed")
    assert {record.sweep for record in sweep.records.values()} == {str(noting.folder / "multirun/s"), str(moved)}
    assert all("model=rnn" in record.overrides for record in sweep.records.values())
    for text in (f"script: {noting.script}", f"Python: {sys.executable}", f"folder: {moved}"):
        assert text in told[0]
    assert "ran 0 trials" in told_by(worker(moved))


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_costs_its_trial_an_attempt_and_nothing_else(noting: App) -> None:
    noting.write(NOTES + "    while cfg.width == 1 and not GO.exists(): time.sleep(0.05)\n")
    sweep = waiting(noting, "width=range(3)")
    first = worker(sweep.dir)
    until(lambda: len(ran(noting)) == 2, first)
    first.send_signal(signal.SIGTERM)
    told_by(first, 128 + signal.SIGTERM)
    assert sweep.records[1].attempt == 0
    (noting.folder / "go").touch()
    assert "ran 2 trials" in told_by(worker(sweep.dir))
    assert ran(noting) == ["0 0", "1 0", "1 1", "2 0"]
    assert sweep.states == dict.fromkeys(range(3), "completed")


@pytest.mark.slow
def test_a_worker_that_was_killed_leaves_its_trials_to_the_next(noting: App) -> None:
    noting.write(NOTES + "    while cfg.width and not GO.exists(): time.sleep(0.05)\n")
    sweep = waiting(noting, "width=range(4)")
    first = worker(sweep.dir, "--trials-at-once", "2")
    until(lambda: len(ran(noting)) == 3, first)
    first.kill()
    first.communicate()
    until(lambda: {sweep.states.get(1), sweep.states.get(2)} == {"cancelled"})
    (noting.folder / "go").touch()
    assert "ran 3 trials" in told_by(worker(sweep.dir))
    assert ran(noting) == ["0 0", "1 0", "1 1", "2 0", "2 1", "3 0"]


@pytest.mark.slow
def test_a_request_ends_a_trial_and_not_its_worker(noting: App) -> None:
    noting.write(NOTES + "    while cfg.width in (1, 2) and not GO.exists(): time.sleep(0.05)\n")
    sweep = waiting(noting, "width=range(5)")
    process = worker(sweep.dir, "--trials-at-once", "2")
    until(lambda: len(ran(noting)) == 3, process)
    ask_to_end(sweep.dir, Attempt(1, 0))
    ask_to_end(sweep.dir, Attempt(4, 0))
    until(lambda: sweep.states.get(3) == "completed", process)
    assert sweep.states[1] == "cancelled"
    (noting.folder / "go").touch()
    told_by(process)
    assert sweep.states == {0: "completed", 1: "cancelled", 2: "completed", 3: "completed"}
    assert "ran 0 trials" in told_by(worker(sweep.dir))


@pytest.mark.slow
def test_what_others_run_or_enforce_is_left_to_them(noting: App) -> None:
    sweep = waiting(noting, "width=range(3)", "hydra.sweeper.retry=2")
    assert "nobody would enforce hydra.sweeper.retry" in told_by(worker(sweep.dir), 1)
    lock = SweepLock(sweep.dir)
    lock.take()
    assert "hands out its trials itself" in told_by(worker(sweep.dir), 1)
    lock.release()
    queued = Event(SUBMITTING, 1, 0, launcher="herd_slurm", job_name="a-1")
    EventLog(sweep.dir).write([queued, replace(queued, event="submitted", job_id="77")])
    told = told_by(worker(sweep.dir, "--ignore-policy"))
    assert "left untouched: 1 trial submitted through herd_slurm" in told
    assert ran(noting) == ["0 0", "2 0"]


@pytest.mark.slow
def test_a_worker_starts_nothing_more_when_the_sweep_that_judges_failures_is_gone(noting: App) -> None:
    noting.write(NOTES + "    while cfg.width == 1 and not GO.exists(): time.sleep(0.05)\n")
    sweep = waiting(noting, "width=range(4)", "hydra.sweeper.stop_after_failures=2")
    lock = SweepLock(sweep.dir)
    lock.take()
    put_in_queue(sweep.dir, "a", "", [Attempt(number, 0) for number in (1, 2, 3)])
    process = worker(sweep.dir)
    until(lambda: len(ran(noting)) == 2, process)
    lock.release()
    (noting.folder / "go").touch()
    assert "ran 1 trial, 1 completed" in told_by(process)
    assert ran(noting) == ["0 0", "1 0"]


# What may run, in this process


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return App(tmp_path_factory.mktemp("made")).sweep("width=range(2)", "flag=true", "hydra.job.chdir=true")


@pytest.fixture
def plain(app: App, made: Sweep) -> Sweep:
    """A sweep of `app` as if it had run there: only its records count here."""
    folder = made.dir.parent.parent
    shutil.copytree(folder, app.folder, dirs_exist_ok=True)
    path = SweepPaths(app.folder / "multirun/s").sweep
    path.write_text(path.read_text().replace(str(folder), str(app.folder)))
    return Sweep(made.done, app.folder / "multirun/s")


def started(sweep: Sweep, script: Path | None = None, *, allow_changes: bool = False) -> WorkCommand:
    return work_command(sweep.dir, Order(str(sweep.dir), 1, False), script, allow_changes=allow_changes)


def changed(sweep: Sweep, **fields: Any) -> None:
    """Write something else into the record of the last invocation."""
    record = SweepRecord.read(sweep.dir)
    replace(record, invocations=[{**record.invocations[-1], **fields}]).write(sweep.dir)


def test_the_command_is_that_of_the_sweep(app: App, plain: Sweep) -> None:
    work = started(plain)
    assert work.command[:3] == (sys.executable, str(app.script), "--multirun")
    assert set(work.command[3:]) == {"flag=true", "hydra/sweeper=herd", "hydra.job.chdir=true"}
    assert (work.cwd, work.notes) == (app.folder, ())


def test_an_order_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order("/s", 2, True)
    assert take_order() is None
    for name, value in order.environment.items():
        monkeypatch.setenv(name, value)
    assert (take_order(), take_order()) == (order, None)
    monkeypatch.setenv(VARIABLE, "{}")
    with pytest.raises(SweepError, match=VARIABLE):
        take_order()


def test_a_folder_that_another_user_could_write_is_refused(plain: Sweep, nobody: int) -> None:
    for path in (plain.dir, SweepPaths(plain.dir).trials, SweepPaths(plain.dir).multirun):
        before = path.stat().st_mode
        path.chmod(before | 0o002)
        with pytest.raises(NotTrusted, match="everybody can write to"):
            started(plain)
        path.chmod(before)
    os.chown(plain.dir, nobody, -1)
    with pytest.raises(NotTrusted, match="belongs to nobody"):
        started(plain)


def test_a_script_that_is_missing_or_another_one_is_refused(app: App, plain: Sweep, tmp_path: Path) -> None:
    elsewhere = tmp_path / "app.py"
    elsewhere.write_bytes(app.script.read_bytes())
    assert started(plain, elsewhere).command[1] == str(elsewhere)
    elsewhere.write_text("print('another')\n")
    with pytest.raises(SweepError, match="is not the script that the sweep ran: its text differs"):
        started(plain, elsewhere)
    assert "its text differs" in started(plain, elsewhere, allow_changes=True).notes[0]
    app.script.unlink()
    with pytest.raises(SweepError, match=r"app\.py does not exist here; give its path on this machine with --script"):
        started(plain)


def test_another_python_is_refused_and_another_patch_of_it_is_not(plain: Sweep) -> None:
    here = "{}.{}".format(*sys.version_info[:2])
    changed(plain, python=f"{here}.99")
    assert started(plain).notes == ()
    changed(plain, python="3.8.1")
    with pytest.raises(SweepError, match=r"the sweep runs in Python 3\.8\.1, and this is Python"):
        started(plain)


def test_a_sweep_without_a_command_is_refused(plain: Sweep) -> None:
    record = SweepRecord.read(plain.dir)
    replace(record, no_command="it was started from a notebook").write(plain.dir)
    with pytest.raises(SweepError, match="because it was started from a notebook"):
        started(plain)
    replace(record, command=[], base={}).write(plain.dir)
    with pytest.raises(SweepError, match="not on record"):
        started(plain)


def test_a_module_is_started_by_its_name(plain: Sweep) -> None:
    replace(SweepRecord.read(plain.dir), command=["python", "-m", "pack.age"]).write(plain.dir)
    assert started(plain).command[1:3] == ("-m", "pack.age")
    with pytest.raises(SweepError, match=r"--script: the sweep runs the module pack\.age"):
        started(plain, Path("x.py"))


def test_a_working_directory_that_is_not_here_is_named(plain: Sweep) -> None:
    changed(plain, cwd="/nowhere/at/all")
    work = started(plain)
    assert (work.cwd, "/nowhere/at/all does not exist here" in work.notes[0]) == (Path.cwd(), True)


@pytest.mark.slow
def test_other_packages_and_changed_modules_are_named(app: App, plain: Sweep) -> None:
    record = SweepRecord.read(plain.dir).invocations[-1]
    changed(plain, packages={**record["packages"], "omegaconf": "0.1"}, code={**record["code"], "helper.py": "0"})
    told = told_by(worker(plain.dir))
    assert "package versions differ from those of the sweep: omegaconf 0.1 there, " in told
    assert "the code differs from that of the sweep: helper.py" in told
    assert "ran 0 trials" in told
