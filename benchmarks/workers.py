"""Many short trials on a Slurm of its own: workers, one job per trial, and hydra-submitit-launcher.

    python benchmarks/workers.py                         # as root, with Slurm installed (tests/real_slurm.py says what)
    python benchmarks/workers.py --trials 50 --seconds 0.1

Wall time of the whole command, and processor time (user and system) of the command and of the jobs' processes with all
their children; that of Slurm's own daemons is not counted. Figures are medians; the ways take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from real_slurm import own_slurm
from waiting import until

APP = """import atexit, os, resource, time
import hydra
def note():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with open(os.path.join({cpu!r}, str(os.getpid())), "w") as file:
        file.write(str(sum(one.ru_utime + one.ru_stime for one in used)))
if "SLURM_JOB_ID" in os.environ:
    atexit.register(note)
@hydra.main(version_base=None, config_path=None)
def main(config):
    if "HYPERHERD_TRIAL_ID" not in os.environ:
        atexit.register(note)  # a job of submitit_slurm does not import the script
    time.sleep({seconds})
if __name__ == "__main__":
    main()
"""
SLURM = ["hydra/sweeper=herd", "hydra/launcher=herd_slurm"]
WAYS = {
    "submitit_slurm": ["hydra/launcher=submitit_slurm"],
    "herd_slurm, one job per trial": SLURM,
    "herd_slurm, 2 workers": [*SLURM, "hydra.launcher.workers=2"],
    "herd_slurm, 2 workers of 4": [*SLURM, "hydra.launcher.workers=2", "hydra.launcher.trials_per_worker=4"],
}


def measured(folder: Path, way: str, trials: int, environment: dict[str, str], count: int) -> tuple[float, float]:
    """Return seconds of the whole command, and of processors for it and its jobs."""
    used = folder / "cpu"
    for path in used.iterdir():
        path.unlink()
    command = [sys.executable, "app.py", "-m", f"hydra.sweep.dir=s{count}", *WAYS[way], f"+x=range({trials})"]
    begun = time.perf_counter()
    with open(folder / f"log{count}", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = status
    assert status == 0, (folder / f"log{count}").read_text()
    until(lambda: not subprocess.run(["squeue", "-h"], env=environment, capture_output=True).stdout)
    jobs = sum(float(path.read_text()) for path in used.iterdir())
    return seconds, usage.ru_utime + usage.ru_stime + jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=0.1, help="that a trial sleeps")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    with own_slurm() as slurm, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cpu").mkdir()
        (folder / "app.py").write_text(APP.format(seconds=arguments.seconds, cpu=str(folder / "cpu")))
        environment = {**os.environ, **slurm.environment, "OMP_NUM_THREADS": "1"}
        runs: dict[str, list[tuple[float, float]]] = {way: [] for way in arguments.ways}
        for _ in range(arguments.repetitions):
            for way, found in runs.items():
                found.append(measured(folder, way, arguments.trials, environment, sum(map(len, runs.values()))))
                print(f"{way:<32} {found[-1][0]:>7.1f} s {found[-1][1]:>7.1f} s of CPU", flush=True)
        print(f"\n{'':<32} {'wall s':>8} {'CPU s':>8} {'ms a trial':>11}")
        for way, found in runs.items():
            wall, cpu = (statistics.median(values) for values in zip(*found, strict=True))
            print(f"{way:<32} {wall:>8.1f} {cpu:>8.1f} {1000 * cpu / arguments.trials:>11.0f}")


if __name__ == "__main__":
    main()
