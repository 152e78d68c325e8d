"""Code that is edited while jobs wait in the queue of a real Slurm: they run what there was when they were planned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import App, wait_for
from frozen_projects import edit, marks, told, write_project
from real_slurm import Slurm
from waiting import PATIENCE, until

from hyperherd.paths import SweepPaths, TrialPaths

pytestmark = pytest.mark.slow

HELD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "+hydra.launcher.additional_parameters={hold: true}"]
FROZEN = "hydra.sweeper.snapshot=true"


def held(slurm: Slurm) -> list[str]:
    found = slurm.ask("squeue", "-h", "-t", "PD", "-o", "%A %r").splitlines()
    return sorted({line.split()[0] for line in found if "Held" in line})


@pytest.fixture
def project(app: App, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> App:
    shutil.rmtree(app.folder / "conf")
    app.script.unlink()
    app.script = write_project(app.folder)
    monkeypatch.setenv("TOLD", str(app.folder / "told"))
    return app


@pytest.mark.parametrize("workers", ["null", "1"])
def test_what_is_edited_while_jobs_wait_is_not_run(project: App, slurm: Slurm, workers: str) -> None:
    process = project.start(
        "-m", "hydra/sweeper=herd", *HELD, FROZEN, "hydra.sweep.dir=s", "width=1,9", f"hydra.launcher.workers={workers}"
    )
    until(lambda: held(slurm), process)
    edit(project.folder)
    project.script.write_text(project.script.read_text().replace("import hydra\n", "import hydra, nonsense\n"))
    slurm.ask("scontrol", "release", *held(slurm))
    output, _ = process.communicate(timeout=PATIENCE)
    assert "1 completed, 1 failed" in output
    [folder] = SweepPaths(project.folder / "s").snapshots.iterdir()
    for one in told(project.folder):
        assert marks(one) == {"before"}
        assert one["file"] == one["argv"] == str(folder / "train.py")
        assert one["module"] == str(folder / "early.py")
        assert one["cwd"] == str(project.folder)
    kept = json.loads(TrialPaths(project.folder / "s/1").provenance.read_text())
    assert kept["snapshot"] == folder.name
    failed = json.loads(TrialPaths(project.folder / "s/1").trial.read_text())
    assert f'File "{folder}/train.py"' in failed["error"]["traceback"]


def test_workers_by_hand_run_it_too(project: App, slurm: Slurm) -> None:
    left = project.run(
        "-m",
        "hydra/sweeper=herd",
        *HELD,
        FROZEN,
        "hydra.sweep.dir=s",
        "width=1,2",
        "hydra.launcher.workers=1",
        "hydra.launcher.wait=false",
    )
    assert left.returncode == 0, left.stderr
    edit(project.folder)
    command = [sys.executable, "-m", "hyperherd.cli", "work", "s"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=PATIENCE)
    slurm.ask("scancel", *held(slurm))
    assert "ran 2 trials, 2 completed" in done.stdout, done.stderr
    assert [marks(one) for one in told(project.folder)] == [{"before"}] * 2


def test_what_follows_on_awaited_jobs_runs_from_a_snapshot_too(project: App, slurm: Slurm) -> None:
    """The sweep dies, and is started again while all slots are in use: nothing is to be run then, but later."""
    pytest.importorskip("optuna")
    search = [
        "width=int(interval(1,8))",
        "hydra.sweeper.objective={metric: loss, direction: minimize}",
        "hydra.sweeper.sampler={trials: 2}",
        "hydra.launcher.array_parallelism=1",
    ]
    command = ("-m", "hydra/sweeper=herd", *HELD, FROZEN, "hydra.sweep.dir=s", *search)
    process = project.start(*command)
    until(lambda: held(slurm), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    process = project.start(*command)
    wait_for(process, "snapshot")
    edit(project.folder)
    slurm.ask("scontrol", "release", *held(slurm))
    until(lambda: (project.folder / "s/0/.hyperherd/attempts").exists() and held(slurm), process)
    slurm.ask("scontrol", "release", *held(slurm))
    process.communicate(timeout=PATIENCE)
    assert [marks(one) for one in told(project.folder)] == [{"before"}] * 2
