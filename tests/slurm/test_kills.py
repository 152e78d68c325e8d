"""A sweep on a real Slurm that is killed at random instants, with retries and a cap: each trial once per attempt."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import App, Sweep
from faulty import LEDGER, entries, most_at_once
from real_slurm import Slurm
from waiting import PATIENCE

pytestmark = pytest.mark.slow

TRIALS, CAP = 6, 2
ARGUMENTS = [
    "-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1", "hydra.sweep.dir=s",
    f"width=range({TRIALS})", "hydra.sweeper.retry=3", f"hydra.launcher.array_parallelism={CAP}",
]  # fmt: skip


def check_kills(folder: Path, kills: int, seed: int) -> int:
    """Kill a sweep this often, let it end, and check the ledger; returns how many kills found it alive."""
    folder.mkdir(parents=True)
    app = App(folder)
    app.write(LEDGER + "time.sleep(0.5)\nnote('end')\nif cfg.width % 2 and not tries: raise ValueError('once')")
    chance, killed = random.Random(seed), 0
    for _ in range(kills):
        sweep = app.start(*ARGUMENTS)
        time.sleep(chance.uniform(0.5, 8.0))  # the instant is what is random here
        killed += sweep.poll() is None
        sweep.send_signal(signal.SIGKILL)
        sweep.communicate()
    told, _ = app.start(*ARGUMENTS).communicate(timeout=PATIENCE)
    ended = Sweep(None, folder / "s")  # type: ignore[arg-type]
    assert ended.states == dict.fromkeys(range(TRIALS), "completed"), told
    attempts = {record.params["width"]: record.attempt + 1 for record in ended.records.values()}
    assert Counter(entries(folder)) == attempts, told
    assert most_at_once(folder) <= CAP
    return killed


def test_a_sweep_that_is_killed_again_and_again_runs_each_trial_once_per_attempt(slurm: Slurm, tmp_path: Path) -> None:
    assert check_kills(tmp_path / "app", 2, seed=1) >= 1
