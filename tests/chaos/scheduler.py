"""Kill sweeps on a real Slurm of their own at random instants, resume them, and count how often each trial began.

    python tests/chaos/scheduler.py                    60 kills: some twenty minutes
    python tests/chaos/scheduler.py --kills 300 --seed 7

The checks are those of tests/slurm/test_kills.py, of which a small seeded part runs with the suite. It ends with a line
of counts, or with the assertion that failed; the seed is in the name of the folder.
"""

from __future__ import annotations

from collections import Counter

from killed_sweeps import kill_sweeps
from slurm.test_kills import check_kills

KILLS_OF_A_SWEEP = 5


if __name__ == "__main__":
    kill_sweeps(
        __doc__,
        KILLS_OF_A_SWEEP,
        lambda folder, seed, slurm: Counter(alive=check_kills(folder, KILLS_OF_A_SWEEP, seed)),
    )
