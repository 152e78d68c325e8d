"""Launching trials that do nothing: the local pool beside Hydra's basic, joblib and submitit_local launchers.

    python benchmarks/launching.py                                  # an app that imports and logs little: a few minutes
    python benchmarks/launching.py --app logs                       # one that logs three values
    python benchmarks/launching.py --app torch --trials 16          # one that imports torch
    python benchmarks/launching.py --launchers herd_local basic --repetitions 5

Each command is a whole sweep of one app (about 60 values, 4 config groups), run turn by turn; figures are medians. `ms`
is the wall time of a trial: what the sweep takes over one of a single trial, shared out. `CPU ms` is that of CPU time,
which other programs on the machine disturb less. `processes` is how many there were at once below the sweep, and how
many of them were Python's.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from planning import write_app

from hyperherd.trial.system.processes import descendants

APP = """{imports}
import hydra
@hydra.main(version_base=None, config_path='.', config_name='config')
def main(config):
    {body}
main()
"""
APPS = {
    "light": ("", "pass"),
    "returns": ("", "return config.lr"),
    "logs": ("import hyperherd", "hyperherd.log_metrics({'loss': config.lr, 'acc': 0.5, 'norm': 2.0}, step=1)"),
    "torch": ("import torch", "pass"),
}
"""What an app imports, and what it does."""
LAUNCHERS = {
    "basic": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
    "herd_local": ["hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.launcher.max_parallel=2"],
    "herd_local, Hydra's sweeper": ["hydra/launcher=herd_local", "hydra.launcher.max_parallel=2"],
    "basic, our sweeper": ["hydra/sweeper=herd"],
}


@dataclass(frozen=True)
class Run:
    """What one sweep cost."""

    wall: float
    cpu: float
    processes: int
    pythons: int


def sweep(folder: Path, launcher: str, trials: int) -> Run:
    with tempfile.TemporaryDirectory() as where:
        command = [sys.executable, str(folder / "app.py"), "-m", f"hydra.sweep.dir={where}/s", f"seed=range({trials})"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(
            [*command, *LAUNCHERS[launcher]], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        most = pythons = 0
        while process.poll() is None:
            below = descendants(process.pid)
            most, pythons = max(most, len(below)), max(pythons, sum(map(is_python, below)))
            time.sleep(0.05)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, command
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, most, pythons)


def is_python(pid: int) -> bool:
    try:
        return "python" in str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return False


def median(runs: list[Run]) -> Run:
    return Run(
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.processes for run in runs),
        max(run.pythons for run in runs),
    )


def compare(folder: Path, launchers: list[str], counts: list[int], repetitions: int) -> None:
    runs: dict[tuple[str, int], list[Run]] = {}
    for _ in range(repetitions):
        for launcher in launchers:
            for trials in (1, *counts):
                runs.setdefault((launcher, trials), []).append(sweep(folder, launcher, trials))
    print(f"{'launcher':<28} {'trials':>6} {'wall, s':>8} {'ms':>7} {'CPU ms':>7} {'processes':>10}")
    for launcher in launchers:
        one = median(runs[launcher, 1])
        for trials in counts:
            many = median(runs[launcher, trials])
            wall, cpu = ((many.wall - one.wall), (many.cpu - one.cpu))
            each = f"{1000 * wall / (trials - 1):>7.0f} {1000 * cpu / (trials - 1):>7.0f}"
            print(f"{launcher:<28} {trials:>6} {many.wall:>8.2f} {each} {many.processes:>6} ({many.pythons})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--app", choices=APPS, default="light", help="what the app imports and does")
    parser.add_argument("--launchers", nargs="+", choices=LAUNCHERS, default=list(LAUNCHERS))
    parser.add_argument("--trials", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_app(folder)
        imports, body = APPS[arguments.app]
        (folder / "app.py").write_text(APP.format(imports=imports, body=body))
        compare(folder, arguments.launchers, arguments.trials, arguments.repetitions)


if __name__ == "__main__":
    main()
