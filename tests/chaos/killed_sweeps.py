"""Sweeps on a real Slurm of their own that are killed at random instants: what the scripts beside this one share."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from real_slurm import Slurm, own_slurm, reason_to_skip


def kill_sweeps(
    description: str | None, kills_of_a_sweep: int, check: Callable[[Path, int, Slurm], Counter[str]]
) -> None:
    """Kill as often as the command line says, and print what was killed.

    Args:
        description: of the script.
        kills_of_a_sweep: of one call of `check`.
        check: runs a sweep in a folder, with a seed, and returns how often it has killed what.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first sweep")
    arguments = parser.parse_args()
    if reason := reason_to_skip():
        sys.exit(reason)
    began, killed = time.monotonic(), Counter[str]()
    sweeps = -(-arguments.kills // kills_of_a_sweep)
    with own_slurm() as slurm:
        folder = tempfile.mkdtemp(prefix="hyperherd-chaos-")  # kept, to be looked into
        os.environ.update(slurm.environment, OMP_NUM_THREADS="1")
        for seed in range(arguments.seed, arguments.seed + sweeps):
            killed += check(Path(folder) / f"seed-{seed}", seed, slurm)
            print(f"seed {seed}: {dict(killed)} killed so far", flush=True)
    print(f"{sweeps} sweeps, {dict(killed)} killed, each trial once per attempt, in {time.monotonic() - began:.0f} s")
