"""Two clusters on one file system, which give the same ids to different jobs."""

from __future__ import annotations

import sys

import pytest
import starting
from conftest import App
from real_slurm import Slurm, own_slurm
from waiting import until

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1"]

pytestmark = pytest.mark.slow


def test_a_sweep_of_one_cluster_is_refused_on_another_and_no_job_there_is_touched(
    app: App, own: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.write("""
        from pathlib import Path
        with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
        while not Path("go").exists(): time.sleep(0.1)
    """)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    until(lambda: len(left.records) == 2)
    job = str(left.records[0].job_id)
    name = own.ask("squeue", "-h", "-r", "-j", job, "-o", "%j").strip()
    with own_slurm(SLURM_UP_NAME="other", SLURM_UP_DBD="0") as other:
        for variable, value in other.environment.items():
            monkeypatch.setenv(variable, value)
        strangers = set()
        for _ in range(int(job.partition("_")[0])):  # until one has the id of the sweep's, and the name too
            strangers.add(other.ask("sbatch", "--parsable", "--hold", f"--job-name={name}", "--wrap=true").strip())
        assert job.partition("_")[0] in strangers
        refused = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2", code=1)
        assert "trials 0, 1 were submitted to the cluster 'hyp'" in refused.done.stderr
        assert "commands here are those of the cluster 'other'" in refused.done.stderr
        command = [sys.executable, "-m", "hyperherd.cli", "cancel", str(left.dir)]
        done = starting.run(command, text=True)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "were submitted to the cluster 'hyp'" in done.stderr
        assert set(other.ask("squeue", "-h", "-o", "%i").split()) == strangers
    for variable, value in own.environment.items():
        monkeypatch.setenv(variable, value)
    (app.folder / "go").touch()
    assert "2 completed" in app.sweep(*HERD, "width=1,2").done.stdout
    assert sorted((app.folder / "ran").read_text().splitlines()) == ["1 0", "2 0"]


def test_a_comma_in_the_name_of_jobs_names_no_other_jobs(app: App, slurm: Slurm) -> None:
    stranger = slurm.ask("sbatch", "--parsable", "--hold", "--job-name=a", "--wrap=true").strip()
    app.write("""
        import subprocess
        command = ["squeue", "-h", "-j", os.environ["SLURM_JOB_ID"], "-o", "%j"]
        print("name", subprocess.check_output(command, text=True))
    """)
    try:
        for sweeper in ("basic", "herd"):
            done = app.run(
                "-m",
                f"hydra/sweeper={sweeper}",
                *HERD,
                "hydra.launcher.name='a,b'",
                "width=1",
                f"hydra.sweep.dir=s/{sweeper}",
            )
            assert done.returncode == 0, done.stderr
        assert slurm.state(stranger) == "PENDING"
    finally:
        slurm.ask("scancel", stranger)
    logs = "".join(path.read_text() for path in (app.folder / "s").rglob("*_log.out"))
    assert logs.count("name a_b-") == 2, logs
