"""Trials as jobs of Slurm: herd_slurm beside hydra-submitit-launcher's submitit_slurm, on a Slurm of its own.

    python benchmarks/slurm.py                         # as root, with Slurm installed (tests/real_slurm.py says what)
    python benchmarks/slurm.py --trials 20 --repetitions 1 --measures submission death

`submission` is the time from the start of the command until Slurm has all jobs, of which none may start before; `whole`
is the whole sweep of trials that do nothing. `death` is the time from a SIGKILL of the only job's process until the
command has ended. The launchers take turns; figures are medians, ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from real_slurm import Slurm, own_slurm
from waiting import until

APP = """import os, time
import hydra
@hydra.main(version_base=None, config_path=None)
def main(config):
    if config.get("waits"):
        open("pid", "w").write(str(os.getpid()))
        time.sleep(600)
main()
"""
MEASURES = ("submission", "whole", "death")
LAUNCHERS = {
    "submitit_slurm": ["hydra/launcher=submitit_slurm"],
    "herd_slurm, Hydra's sweeper": ["hydra/launcher=herd_slurm"],
    "herd_slurm": ["hydra/sweeper=herd", "hydra/launcher=herd_slurm"],
}


class Bench:
    """One app in a folder of its own, on one cluster."""

    def __init__(self, slurm: Slurm, folder: Path, trials: int) -> None:
        self._slurm = slurm
        self._folder = folder
        self._trials = trials
        self._count = 0
        (folder / "app.py").write_text(APP)

    def start(self, launcher: str, *arguments: str) -> subprocess.Popen[bytes]:
        self._count += 1
        command = [sys.executable, "app.py", "-m", f"hydra.sweep.dir=s{self._count}", *LAUNCHERS[launcher], *arguments]
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={**os.environ, **self._slurm.environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def submission(self, launcher: str) -> float:
        begun = time.perf_counter()
        held = "+hydra.launcher.additional_parameters.hold=true"
        process = self.start(launcher, f"+x=range({self._trials})", held)
        until(lambda: len(self._slurm.ask("squeue", "-hr", "-t", "PENDING").splitlines()) == self._trials, seconds=300)
        seconds = time.perf_counter() - begun
        process.kill()
        process.wait()
        self._slurm.ask("scancel", "--user=root")
        until(lambda: not self._slurm.ask("squeue", "-h"))
        return seconds

    def whole(self, launcher: str) -> float:
        begun = time.perf_counter()
        process = self.start(launcher, f"+x=range({self._trials})")
        assert process.wait() == 0, launcher
        return time.perf_counter() - begun

    def death(self, launcher: str) -> float:
        pid = self._folder / "pid"
        pid.unlink(missing_ok=True)
        process = self.start(launcher, "+waits=true")
        until(lambda: pid.exists() and pid.read_text())
        time.sleep(5)  # a job dies at any time of a launcher's round of questions; this is an early one
        begun = time.perf_counter()
        os.kill(int(pid.read_text()), 9)
        process.wait()
        return time.perf_counter() - begun


def compare(bench: Bench, chosen: Sequence[str], repetitions: int) -> None:
    measures: dict[str, Callable[[str], float]] = {
        "submission": bench.submission,
        "whole": bench.whole,
        "death": bench.death,
    }
    print(f"{'':<12} {'launcher':<28} {'s':>7} {'ratio':>6}")
    for name in chosen:
        runs: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
        for _ in range(repetitions):
            for launcher, seconds in runs.items():
                seconds.append(measures[name](launcher))
        peer = statistics.median(runs["submitit_slurm"])
        for launcher, seconds in runs.items():
            median = statistics.median(seconds)
            print(f"{name:<12} {launcher:<28} {median:>7.2f} {median / peer:>6.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    arguments = parser.parse_args()
    with own_slurm() as slurm, tempfile.TemporaryDirectory() as folder:
        compare(Bench(slurm, Path(folder), arguments.trials), arguments.measures, arguments.repetitions)


if __name__ == "__main__":
    main()
