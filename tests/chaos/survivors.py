"""The MNIST example with a pruner under four launchers: who survives follows from the order of arrival alone.

    python tests/chaos/survivors.py [LAUNCHER ...]

Each launcher (basic, local, slurm, lsf; all without arguments) runs one trial at a time, so that trials arrive in one
order: once with trials that end at a rung they lose, and once with trials that are paused there. At each rung every
trial must have had the same rank among as many, and the same end; a paused one that runs on must have done so from its
checkpoint. Slurm is a real one of its own, LSF the tests' emulator.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lsf.emulator.cluster import Cluster
from real_slurm import own_slurm, reason_to_skip

from hyperherd import load
from hyperherd.metrics.reader import read_metrics
from hyperherd.pruning.decisions import read_decisions

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist"
ONE_BY_ONE = ("hydra.launcher.array_parallelism=1", "hydra.launcher.poll_s=2", "hydra.launcher.mem_gb=3")
LAUNCHERS = {
    "basic": (),
    "local": ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=1"),
    "slurm": ("hydra/launcher=herd_slurm", *ONE_BY_ONE),
    "lsf": ("hydra/launcher=herd_lsf", *ONE_BY_ONE),
}
STEPS = 19
"""Of an epoch."""
SWEEP = ("epochs=4", "lr=0.03,0.02,0.0001,0.05,0.001,0.01", "hydra/sweeper=herd")
OBJECTIVE = "hydra.sweeper.objective={metric: val/acc, direction: maximize}"
PRUNER = "{{name: asha, min_steps: {first}, max_steps: {most}, eta: 2, when: {when}}}"
Fate = tuple[str, tuple[tuple[int | None, int | None, int | None, str], ...]]


def fates(folder: Path, launcher: str, when: str) -> dict[int, Fate]:
    """Run the sweep, and return the end of each trial with what was decided about it."""
    pruner = PRUNER.format(first=STEPS, most=4 * STEPS, when=when)
    places = (f"hydra.sweep.dir={folder}", f"data.root={folder}/none")
    words = ("-m", *SWEEP, OBJECTIVE, f"hydra.sweeper.pruner={pruner}", *LAUNCHERS[launcher], *places)
    done = subprocess.run([sys.executable, "train.py", *words], cwd=EXAMPLE, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{launcher}: {done.stdout}{done.stderr}")
    found: dict[int, Fate] = {}
    for trial in load(folder):
        assert trial.number is not None
        assert trial.dir is not None
        decided = [(one.rung, one.rank, one.cohort, one.verdict) for one in read_decisions(trial.dir)]
        found[trial.number] = str(trial.state), tuple(decided)
        rungs = [rung for rung, *_ in decided]
        assert len(rungs) == len(set(rungs)), (trial.number, decided)
        steps = read_metrics(trial.dir, ["train/loss"], raw=True)["step"].to_pylist()
        assert sorted(steps) == sorted(set(steps)), f"trial {trial.number} has taken steps twice"
    return found


def clusters(wanted: list[str], stack: ExitStack, folder: Path) -> Iterator[str]:
    """Yield the launchers that can be tried, with their scheduler around."""
    for launcher in wanted:
        if launcher == "slurm":
            if reason := reason_to_skip():
                print(f"slurm: not tried: {reason}")
                continue
            os.environ.update(stack.enter_context(own_slurm()).environment)
        if launcher == "lsf":
            os.environ.update(stack.enter_context(Cluster(folder / "lsf")).environ)
        yield launcher


def main() -> None:
    """Run all, and compare."""
    os.environ["OMP_NUM_THREADS"] = "1"
    wanted = sys.argv[1:] or list(LAUNCHERS)
    with tempfile.TemporaryDirectory(prefix="hyperherd-survivors-") as name, ExitStack() as stack:
        folder = Path(name)
        known: dict[str, dict[int, Fate]] = {}
        for launcher in clusters(wanted, stack, folder):
            for when in ("end", "pause"):
                found = fates(folder / f"{launcher}-{when}", launcher, when)
                print(f"{launcher}, when: {when}", *(f"  {number}: {fate}" for number, fate in found.items()), sep="\n")
                if when == "pause" and launcher == "basic":
                    continue  # the whole block has come to the first rung before anybody runs on
                before = known.setdefault(when, found)
                if found != before:
                    sys.exit(f"{launcher} differs from {before}")
        print(f"the same under {', '.join(wanted)}")


if __name__ == "__main__":
    main()
