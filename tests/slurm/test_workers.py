"""Workers on a real Slurm: jobs that claim trials one after another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import App
from real_slurm import Slurm

from hyperherd.paths import SweepPaths

pytestmark = pytest.mark.slow

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2"]

NOTES = """
    from pathlib import Path
    job = os.environ.get("SLURM_ARRAY_JOB_ID", os.environ.get("SLURM_JOB_ID"))
    with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
"""


def ran(app: App) -> list[str]:
    """Return ``width attempt`` of every execution."""
    return sorted((app.folder / "ran").read_text().splitlines())


def jobs_of(sweep_dir: Path) -> int:
    """Return how many jobs of workers were submitted."""
    found = (SweepPaths(sweep_dir).workers / "jobs").glob("*.json")
    return sum(json.loads(path.read_text())["count"] for path in found)


def test_workers_share_the_trials(app: App, slurm: Slurm) -> None:
    app.write(NOTES)
    sweep = app.sweep(*HERD, "width=range(9)", "hydra.launcher.workers=2", "hydra.launcher.trials_per_worker=2")
    assert ran(app) == [f"{width} 0" for width in range(9)]
    assert sweep.states == dict.fromkeys(range(9), "completed")
    assert jobs_of(sweep.dir) == 2
    assert len({record.job_id for record in sweep.records.values()}) <= 2
    assert "9 completed" in sweep.done.stdout
    print(sweep.done.stdout)
