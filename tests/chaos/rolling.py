"""Kill, and read from, processes that log, roll and merge at random instants, for as long as asked.

    python tests/chaos/rolling.py                      300 kills, then a minute of reading: about three minutes
    python tests/chaos/rolling.py --kills 3000 --seconds 600

The checks are those of tests/metrics/test_roll.py, of which a small seeded part runs with the suite. It ends with a
line of counts, or with the assertion that failed; the seed is in the name of the folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from metrics.test_roll import check_kills, check_reading_for

KILLS_OF_A_TRIAL = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0, help="of reading")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hyperherd-chaos-") as folder:
        trials = -(-arguments.kills // KILLS_OF_A_TRIAL)
        for seed in range(arguments.seed, arguments.seed + trials):
            check_kills(Path(folder) / f"seed-{seed}", KILLS_OF_A_TRIAL, seed)
        reads = check_reading_for(Path(folder) / "read", arguments.seconds)
    print(f"{trials * KILLS_OF_A_TRIAL} kills, {reads} reads, nothing lost in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
