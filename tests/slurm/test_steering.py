"""`herd-results prune`, `stop` and `continue` where nobody waits for the jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import starting
from conftest import App
from waiting import until

import hyperherd

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "lr=1,2,3", "hydra.launcher.array_parallelism=2"]
LOOP = """
    import hyperherd
    step = 0
    while not (step > 5 and os.path.exists("go")):
        hyperherd.log_result("loss", cfg.lr, step)
        step += 1
        time.sleep(0.05)
"""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]


def herd_results(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyperherd.cli", *map(str, arguments)]
    return starting.run(command, text=True)


def states(sweep_dir: Path) -> list[str]:
    return [str(trial.state) for trial in hyperherd.load(sweep_dir)]


def test_jobs_end_at_their_next_log_call_and_the_slot_goes_to_the_next(app: App) -> None:
    app.write(LOOP)
    left = app.sweep(*HERD, "hydra.launcher.wait=false").dir
    until(lambda: states(left)[:2] == ["running", "running"])
    assert herd_results("prune", left, "0").returncode == 0
    until(lambda: states(left) == ["pruned", "running", "running"])
    done = herd_results("stop", left)
    assert done.returncode == 0, done.stderr
    until(lambda: states(left) == ["pruned", "cancelled", "cancelled"])
    assert "when the same sweep command is run again: trial 0" in herd_results("continue", left, "0").stdout
    (app.folder / "go").touch()
    assert "3 completed" in app.sweep(*HERD).done.stdout
    assert {trial.attempt for trial in hyperherd.load(left)} == {1}


def test_what_waits_in_the_queue_is_taken_out_when_a_sweep_stops(app: App) -> None:
    app.write(LOOP)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "hydra.launcher.array_parallelism=1").dir
    until(lambda: states(left)[0] == "running")
    done = herd_results("stop", left)
    assert "cancelled 2 trials that waited in a queue: 1, 2" in done.stdout, done.stderr
    until(lambda: states(left) == ["cancelled"] * 3)
