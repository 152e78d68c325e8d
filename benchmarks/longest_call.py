"""The longest log call while a part is rolled, beside the longest one without a roll in the same run.

    python benchmarks/longest_call.py                 # ten runs of half a million calls each; a minute

The loop does nothing but log, so the thread that rolls competes with every call. On a machine that others use as well a
call is long whenever its process has to wait for a core: only the ratio of the two columns says something there.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CALLS = 500_000
RUNS = 10
ROLLS = "hyperherd-roll"


def one_run() -> tuple[float, float, float]:
    """Return the longest call without a roll and during one, in milliseconds, and the share of calls during one."""
    from hyperherd.metrics.writer import MetricWriter

    with tempfile.TemporaryDirectory() as folder:
        writer = MetricWriter(Path(folder), 0)
        longest, calls = [0.0, 0.0], [0, 0]
        is_rolling, known = False, 0
        for step in range(CALLS):
            if threading.active_count() != known:  # to list all threads at every call would take longer than the call
                known = threading.active_count()
                is_rolling = any(thread.name == ROLLS for thread in threading.enumerate())
            start = time.perf_counter()
            writer.log({"loss": 0.123456789 * step}, step)
            took = time.perf_counter() - start
            longest[is_rolling] = max(longest[is_rolling], took)
            calls[is_rolling] += 1
        writer.close()
    return longest[False] * 1e3, longest[True] * 1e3, calls[True] / CALLS


def main() -> None:
    runs = []
    for _ in range(RUNS):
        found = subprocess.run([sys.executable, __file__, "--one"], check=True, capture_output=True, text=True)
        runs.append([float(word) for word in found.stdout.split()])
    without, during, share = (statistics.median(column) for column in zip(*runs, strict=True))
    ratio = statistics.median(run[1] / run[0] for run in runs)
    print(f"ms without a roll {without:.2f}, during one {during:.2f}, ratio {ratio:.1f}; {share:.0%} of the calls")


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(*one_run())
    else:
        main()
