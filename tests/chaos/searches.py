"""Kill searches at random instants, and check that each is whole in the end: no trial twice, none lost.

    python tests/chaos/searches.py                   20 kills: some three minutes
    python tests/chaos/searches.py --kills 100 --seed 7

A small seeded part runs with the suite (tests/sweep/test_search_runs.py). It ends with a line of counts, or with the
assertion that failed; the seed is in the name of the folder.
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
from search_sweeps import check_search_kills

KILLS_OF_A_SEARCH = 4
POOL = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=3")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first search")
    arguments = parser.parse_args()
    began, killed, searches = time.monotonic(), Counter[str](), 0
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="hyperherd-chaos-"))  # kept, to be looked into
    while killed["sweep"] < arguments.kills:
        seed = arguments.seed + searches
        killed += check_search_kills(folder / f"seed-{seed}", KILLS_OF_A_SEARCH, seed, *POOL)
        searches += 1
        print(f"seed {seed}: {killed['sweep']} kills so far", flush=True)
    print(f"{searches} searches, {killed['sweep']} kills, each whole in the end, in {time.monotonic() - began:.0f} s")
