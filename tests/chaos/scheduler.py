"""Kill sweeps on a real Slurm of their own at random instants, resume them, and count how often each trial began.

    python tests/chaos/scheduler.py                    60 kills: some twenty minutes
    python tests/chaos/scheduler.py --kills 300 --seed 7

The checks are those of tests/slurm/test_kills.py, of which a small seeded part runs with the suite. It ends with a line
of counts, or with the assertion that failed; the seed is in the name of the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from real_slurm import own_slurm, reason_to_skip
from slurm.test_kills import check_kills

KILLS_OF_A_SWEEP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first sweep")
    arguments = parser.parse_args()
    if reason := reason_to_skip():
        sys.exit(reason)
    began, alive = time.monotonic(), 0
    sweeps = -(-arguments.kills // KILLS_OF_A_SWEEP)
    with own_slurm() as slurm, tempfile.TemporaryDirectory(prefix="hyperherd-chaos-") as folder:
        os.environ.update(slurm.environment, OMP_NUM_THREADS="1")
        for seed in range(arguments.seed, arguments.seed + sweeps):
            alive += check_kills(Path(folder) / f"seed-{seed}", KILLS_OF_A_SWEEP, seed)
            print(f"seed {seed}: {alive} kills so far", flush=True)
    print(f"{sweeps} sweeps, {alive} killed alive, each trial once per attempt, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
