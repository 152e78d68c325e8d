"""Workers, their sweep and the controller on a real Slurm, killed at random instants: each trial once per attempt."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import App, Sweep
from faulty import LEDGER, entries
from real_slurm import Slurm
from waiting import PATIENCE, until
from worker_sweeps import living

pytestmark = pytest.mark.slow

TRIALS, WORKERS = 12, 2
RETRY = "hydra.sweeper.retry={exception: 1, signal: 99, exit: 99, lost: 99, node_failure: 99}"
ARGUMENTS = [
    "-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1", "hydra.sweep.dir=s",
    f"width=range({TRIALS})", f"hydra.launcher.workers={WORKERS}", RETRY,
]  # fmt: skip


def kill_something(chance: random.Random, sweep: subprocess.Popen[str], sweep_dir: Path, slurm: Slurm | None) -> str:
    """Kill a worker, the sweep, or the controller; returns which it was."""
    victims = ["worker", "worker", "sweep", "controller" if slurm else "worker"]
    victim = chance.choice(victims)
    if victim == "controller" and slurm is not None:
        slurm.kill_controller()
        slurm.up()
    elif victim == "worker":
        until(lambda: living(sweep_dir) or sweep.poll() is not None)
        if not (workers := living(sweep_dir)):
            return "nothing"
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), chance.choice([signal.SIGKILL, signal.SIGTERM]))
    else:
        sweep.kill()
        sweep.wait()
    return victim


def check_worker_kills(folder: Path, kills: int, seed: int, slurm: Slurm | None) -> Counter[str]:
    """Kill this often while a sweep runs, let it end, and check the ledger; returns what was killed."""
    folder.mkdir(parents=True)
    app = App(folder)
    app.write(LEDGER + "time.sleep(0.5)\nnote('end')\nif cfg.width % 4 == 1 and not tries: raise ValueError('once')")
    chance, killed = random.Random(seed), Counter[str]()
    sweep = app.start(*ARGUMENTS)
    for _ in range(kills):
        time.sleep(chance.uniform(0.5, 5.0))  # the instant is what is random here
        killed[kill_something(chance, sweep, folder / "s", slurm)] += 1
        if sweep.poll() is not None:
            sweep.communicate()
            sweep = app.start(*ARGUMENTS)
    sweep.communicate(timeout=PATIENCE)
    told, _ = app.start(*ARGUMENTS).communicate(timeout=PATIENCE)
    ended = Sweep(None, folder / "s")  # type: ignore[arg-type]
    assert ended.states == dict.fromkeys(range(TRIALS), "completed"), told
    began = Counter(entries(folder))
    for record in ended.records.values():
        # An attempt that was claimed in the moment of a kill may never have begun.
        assert 1 <= began[record.params["width"]] <= record.attempt + 1, told
    return killed


def test_workers_that_are_killed_again_and_again_run_each_trial_once_per_attempt(slurm: Slurm, tmp_path: Path) -> None:
    killed = check_worker_kills(tmp_path / "app", 3, seed=3, slurm=None)
    assert killed["worker"]
