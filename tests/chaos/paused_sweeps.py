"""Sweeps whose pruner pauses trials, killed at random moments with all their processes, and started again.

    python tests/chaos/paused_sweeps.py [ROUNDS]

Each sweep is a real one in the local pool, killed some times and then left to its end. Then every trial must have stood
at each rung once, in order, with one decision for each; nobody may have run twice at once, or taken a step twice that
was saved; and whoever is among the best half of a rung must have gone on from it, so that nobody was lost to having
come early.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hyperherd import load
from hyperherd.pruning.arrivals import RungFolder
from hyperherd.pruning.decisions import read_decisions

TRIALS, RUNGS, KILLS = 10, (2, 4, 8), 4
SCRIPT = """
import os, random, time
from pathlib import Path
import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hyperherd import log_metrics
ConfigStore.instance().store("config", {"trial": 0})
@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg):
    folder = Path(HydraConfig.get().runtime.output_dir)
    holder = folder / "runs"
    try:
        assert not os.path.exists(f"/proc/{holder.read_text()}"), "runs twice"
    except FileNotFoundError:
        pass
    holder.write_text(str(os.getpid()))
    state = folder / "state.ckpt"
    best, slow = random.Random(cfg.trial).random(), random.Random(-1 - cfg.trial).uniform(0, 4)
    for step in range(int(state.read_text()) + 1 if state.exists() else 1, 13):
        (folder / "next").write_text(str(step))
        (folder / "next").rename(state)
        with open(folder / "steps", "a") as steps:
            steps.write(f"{step}\\n")
        log_metrics({"acc": best * step / (step + slow)}, step=step)
        time.sleep(0.01)
    holder.unlink()
main()
"""
WORDS = (
    "-m",
    f"trial=range({TRIALS})",
    "hydra/sweeper=herd",
    "hydra/launcher=herd_local",
    "hydra.launcher.max_parallel=2",
    "hydra.sweep.dir=s",
    "hydra.sweeper.objective={metric: acc, direction: maximize}",
    f"hydra.sweeper.pruner={{name: asha, min_steps: {RUNGS[0]}, max_steps: 12, eta: 2, when: pause}}",
)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the sweep, or go on with it."""
    command = [sys.executable, "train.py", *WORDS]
    with open(folder / "told", "a", encoding="utf-8") as told:
        return subprocess.Popen(command, cwd=folder, stdout=told, stderr=told, text=True, start_new_session=True)


def play(folder: Path, seed: int) -> None:
    """Kill a sweep some times, and check what it has left in the end."""
    rng = random.Random(seed)
    (folder / "train.py").write_text(SCRIPT, "utf-8")
    for _ in range(KILLS):
        process = start(folder)
        begun = len(list(folder.glob("s/*/steps")))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and len(list(folder.glob("s/*/steps"))) <= begun:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process = start(folder)
    assert process.wait() == 0, (folder / "told").read_text()
    check(folder)


def check(folder: Path) -> None:
    """Check a sweep that has ended."""
    told = (folder / "told").read_text()
    assert "runs twice" not in told, told
    reached: dict[int, list[int]] = {}
    for trial in load(folder / "s"):
        assert trial.number is not None
        assert trial.dir is not None
        assert str(trial.state) in ("completed", "paused"), (trial.number, trial.state)
        decided = read_decisions(trial.dir)
        reached[trial.number] = [one.rung or 0 for one in decided]
        assert reached[trial.number] == list(RUNGS[: len(decided)]), reached
        assert (str(trial.state) == "completed") == (trial.step == 12), trial.number
        steps = (trial.dir / "steps").read_text().split()
        assert len(steps) == len(set(steps)), (trial.number, steps)
        if str(trial.state) == "paused":
            assert decided[-1].verdict == "paused", trial.number
    [metric] = (folder / "s/.hyperherd/rungs").iterdir()
    rungs = RungFolder(metric.parent, "acc", None, "step")
    for rung, following in zip(RUNGS, (*RUNGS[1:], 12), strict=True):
        arrivals = rungs.arrivals(rung)
        best = sorted(arrivals, key=lambda one: -one.value)[: max(len(arrivals) // 2, 1)]
        for one in best:
            state = next(trial for trial in load(folder / "s") if trial.number == one.number).state
            assert following in reached[one.number] or str(state) == "completed", (rung, one)


def main() -> None:
    """Play some rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    os.environ["OMP_NUM_THREADS"] = "1"
    for seed in range(rounds):
        with tempfile.TemporaryDirectory(prefix="hyperherd-paused-") as folder:
            play(Path(folder), seed)
        print(f"seed {seed}: each rung once, nobody lost", flush=True)


if __name__ == "__main__":
    main()
