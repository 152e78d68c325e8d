"""Kill searches at random instants, and check that each is whole in the end: no trial twice, none lost.

    python tests/chaos/searches.py                            20 kills in the pool: some three minutes
    python tests/chaos/searches.py --kills 100 --seed 7
    python tests/chaos/searches.py --launcher herd_slurm      on a Slurm of its own, as root; herd_lsf: an emulated LSF
    python tests/chaos/searches.py --launcher herd_slurm --workers     and workers are killed, too

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from lsf.emulator.cluster import Cluster
from real_slurm import own_slurm
from search_sweeps import check_search_kills

KILLS_OF_A_SEARCH = 4
SLOTS = {
    "herd_local": "hydra.launcher.max_parallel=3",
    "herd_slurm": "hydra.launcher.array_parallelism=3",
    "herd_lsf": "hydra.launcher.array_parallelism=3",
}
RETRY = "hydra.sweeper.retry={signal: 99, exit: 99, lost: 99}"


@contextmanager
def cluster_of(launcher: str, folder: Path) -> Iterator[None]:
    """Have the cluster that a launcher submits to."""
    if launcher == "herd_slurm":
        with own_slurm() as slurm:
            os.environ.update(slurm.environment)
            yield
    elif launcher == "herd_lsf":
        with Cluster(folder / "lsf") as cluster:
            os.environ.update(cluster.environ)
            yield
    else:
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first search")
    parser.add_argument("--launcher", choices=SLOTS, default="herd_local")
    parser.add_argument("--workers", action="store_true", help="two workers that are jobs, in place of a job per trial")
    arguments = parser.parse_args()
    began, killed, searches = time.monotonic(), Counter[str](), 0
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="hyperherd-chaos-"))  # kept, to be looked into
    has_queue = arguments.launcher != "herd_local"
    given = ["hydra.launcher.workers=2", RETRY] if arguments.workers else [SLOTS[arguments.launcher]]
    given += ["hydra.launcher.poll_s=1"] if has_queue else []
    with cluster_of(arguments.launcher, folder):
        while killed.total() < arguments.kills:
            seed = arguments.seed + searches
            killed += check_search_kills(
                folder / f"seed-{seed}",
                KILLS_OF_A_SEARCH,
                seed,
                f"hydra/launcher={arguments.launcher}",
                *given,
                longest=10.0 if has_queue else 4.0,
                workers=arguments.workers,
            )
            searches += 1
            print(f"seed {seed}: {dict(killed)} killed so far", flush=True)
    print(f"{searches} searches, {dict(killed)} killed, each whole in the end, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
