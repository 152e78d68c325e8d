"""End the controller of a real Slurm of their own for an hour, at a poll, a retry, a resume and a cancel of sweeps.

    python tests/chaos/outage.py                  an hour
    python tests/chaos/outage.py --minutes 3

Three sweeps run when the controller goes: one that has trials to retry, one that is resumed, one that is cancelled by
`herd-results cancel`. Each must say so in one line, wait, and go on when the controller is back; every trial runs once
per attempt. It ends with a line of counts, or with the assertion that failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import App
from faulty import LEDGER, ended, entries
from real_slurm import own_slurm, reason_to_skip
from waiting import until

TRIALS = 3
HERD = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.sweep.dir=s"]
HERD += [f"width=range({TRIALS})"]
WAITS = LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\nnote('end')\n"
SILENCE = "Unable to contact slurm controller"


def app_in(folder: Path, body: str) -> App:
    folder.mkdir()
    return App(folder).write(body)


def left_by_a_sweep(folder: Path) -> App:
    app = app_in(folder, WAITS)
    done = app.run(*HERD, "hydra.launcher.wait=false")
    assert done.returncode == 0, done.stdout + done.stderr
    return app


def begun(app: App) -> bool:
    return len(entries(app.folder)) == TRIALS


def told_once(name: str, process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, f"{name}: {told}"
    assert told.count(SILENCE) == 1, f"{name}: {told}"
    return told


def check(app: App) -> int:
    attempts = {record.params["width"]: record.attempt + 1 for record in ended(app).records.values()}
    assert Counter(entries(app.folder)) == attempts
    return sum(attempts.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    if reason := reason_to_skip():
        sys.exit(reason)
    with own_slurm() as slurm, tempfile.TemporaryDirectory(prefix="hyperherd-outage-") as folder:
        os.environ.update(slurm.environment, OMP_NUM_THREADS="1")
        retrying = app_in(Path(folder) / "retrying", WAITS + "if not tries: raise ValueError('once')")
        resumed, cancelled = left_by_a_sweep(Path(folder) / "resumed"), left_by_a_sweep(Path(folder) / "cancelled")
        sweep = retrying.start(*HERD, "hydra.sweeper.retry=1")
        until(lambda: all(map(begun, (retrying, resumed, cancelled))))
        slurm.kill_controller()
        command = [sys.executable, "-m", "hyperherd.cli", "cancel", "s"]
        resume = resumed.start(*HERD)
        cancel = subprocess.Popen(
            command, cwd=cancelled.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        (retrying.folder / "go").touch()
        time.sleep(60 * arguments.minutes)
        for process in (sweep, resume, cancel):
            assert process.poll() is None, process.communicate()[0]
        slurm.up()
        (resumed.folder / "go").touch()
        assert f"cancelled {TRIALS} trials" in told_once("cancel", cancel)
        assert f"{TRIALS} completed" in told_once("resume", resume)
        assert f"{TRIALS} completed" in told_once("retry", sweep)
        starts = sum(map(check, (retrying, resumed, cancelled)))
    print(f"{arguments.minutes:g} minutes without a controller: {starts} starts of {3 * TRIALS} trials, as recorded")


if __name__ == "__main__":
    main()
