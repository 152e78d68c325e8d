"""Kill workers, their sweep and Slurm's controller at random instants, and count how often each trial began.

    python tests/chaos/workers.py                    60 kills: some ten minutes
    python tests/chaos/workers.py --kills 300 --seed 7

The checks are those of tests/slurm/test_worker_kills.py, of which a small seeded part runs with the suite. It ends with
a line of counts, or with the assertion that failed; the seed is in the name of the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from real_slurm import own_slurm, reason_to_skip
from slurm.test_worker_kills import check_worker_kills

KILLS_OF_A_SWEEP = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first sweep")
    arguments = parser.parse_args()
    if reason := reason_to_skip():
        sys.exit(reason)
    began, killed = time.monotonic(), Counter[str]()
    sweeps = -(-arguments.kills // KILLS_OF_A_SWEEP)
    with own_slurm() as slurm:
        folder = tempfile.mkdtemp(prefix="hyperherd-chaos-")  # kept, to be looked into
        os.environ.update(slurm.environment, OMP_NUM_THREADS="1")
        for seed in range(arguments.seed, arguments.seed + sweeps):
            killed += check_worker_kills(Path(folder) / f"seed-{seed}", KILLS_OF_A_SWEEP, seed, slurm)
            print(f"seed {seed}: {dict(killed)} killed so far", flush=True)
    print(f"{sweeps} sweeps, {dict(killed)} killed, each trial once per attempt, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
