"""Kill workers, their sweep and Slurm's controller at random instants, and count how often each trial began.

    python tests/chaos/workers.py                    60 kills: some ten minutes
    python tests/chaos/workers.py --kills 300 --seed 7

The checks are those of tests/slurm/test_worker_kills.py, of which a small seeded part runs with the suite. It ends with
a line of counts, or with the assertion that failed; the seed is in the name of the folder.
"""

from __future__ import annotations

from killed_sweeps import kill_sweeps
from slurm.test_worker_kills import check_worker_kills

KILLS_OF_A_SWEEP = 6


if __name__ == "__main__":
    kill_sweeps(
        __doc__,
        KILLS_OF_A_SWEEP,
        lambda folder, seed, slurm: check_worker_kills(folder, KILLS_OF_A_SWEEP, seed, slurm),
    )
