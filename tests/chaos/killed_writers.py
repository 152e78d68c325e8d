"""Kill the writers of the event log and of a trial's last state at each operation on files, and fill the disk there.

    python tests/chaos/killed_writers.py             each operation once: about two minutes
    python tests/chaos/killed_writers.py --times 20

The checks are those of tests/records/test_killed_writers.py, of which the suite takes a part. It ends with a line of
counts, or with the assertion that failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from records.test_killed_writers import check_events, check_last_state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1, help="how often each operation is taken")
    times, began, counts = parser.parse_args().times, time.monotonic(), {"kill": 0, "full": 0}
    with tempfile.TemporaryDirectory(prefix="hyperherd-chaos-") as folder:
        for place in range(times):
            for kind in counts:
                counts[kind] += check_events(Path(folder) / f"events-{kind}-{place}", kind)
                counts[kind] += check_last_state(Path(folder) / f"last-state-{kind}-{place}", kind)
    seconds = time.monotonic() - began
    print(f"{counts['kill']} kills and {counts['full']} full disks, nothing lost in {seconds:.0f} s")


if __name__ == "__main__":
    main()
