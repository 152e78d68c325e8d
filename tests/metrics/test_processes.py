"""Real processes that write, merge, die and read at the same time: each acknowledged row is read exactly once."""

import random
import subprocess
import sys
import time
from collections import Counter

import pytest

from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_metrics, skipped
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.paths import TrialPaths

LOG_FOR_EVER = """
import itertools, os, sys
from pathlib import Path
from hyperherd.metrics.writer import MetricWriter
writer = MetricWriter(Path(sys.argv[1]), int(sys.argv[2]))
for step in itertools.count(int(sys.argv[3])):
    writer.log({"m": float(step), "n": -1.0}, step)
    os.write(1, b"%d\\n" % step)
"""

LOG_AND_MERGE = """
import sys, time
from pathlib import Path
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.writer import MetricWriter
writer = MetricWriter(Path(sys.argv[1]), 0)
end, step = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    for _ in range(200):
        writer.log({"merged": float(step)}, step)
        step += 1
    writer.close()
    merge(Path(sys.argv[1]))
"""


def start(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE)


def last_step(acknowledged: bytes) -> int:
    """Return the last step whose line is complete; -1 if none is."""
    return int(([b"-1", *acknowledged[: acknowledged.rfind(b"\n") + 1].split()])[-1])


def kill_after_some_rows(writer: subprocess.Popen, generator: random.Random) -> int:
    """Kill the writer at a random instant; return the last step it acknowledged."""
    told = b"".join(writer.stdout.readline() for _ in range(generator.choice([1, 2, 50])))
    time.sleep(generator.uniform(0, 0.004))
    writer.kill()
    told += writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    return last_step(told)


@pytest.mark.slow
def test_kill_at_random_instants_loses_nothing_acknowledged(tmp_path):
    generator = random.Random(0)
    for kill in range(24):
        trial = tmp_path / f"{kill // 4}"
        attempt = kill % 4
        first = 0 if attempt == 0 else read_metrics(trial)["step"].to_pylist()[-1] + 1
        if attempt % 2:
            merge(trial)  # What an attempt does at its start.
        last = kill_after_some_rows(start(LOG_FOR_EVER, trial, attempt, first), generator)
        table = read_metrics(trial, raw=True)
        for metric in ("m", "n"):
            steps = [row["step"] for row in table.to_pylist() if row["metric"] == metric]
            assert steps == list(range(len(steps)))
            assert last <= steps[-1]
        # A kill may end a write at the border of two pages: a torn line, and one that was never acknowledged.
        assert skipped(table) <= attempt + 1


@pytest.mark.slow
def test_reading_while_others_write_and_merge(tmp_path):
    logging, merging = start(LOG_FOR_EVER, tmp_path, 0, 0), start(LOG_AND_MERGE, tmp_path, 2.5)
    running, reads = RunningSummary(tmp_path, {"metric": "m", "direction": "maximize"}), 0
    least, told = Counter(merged=0), logging.stdout.readline()
    while merging.poll() is None:
        told = told[-40:] + logging.stdout.read1(1 << 20)
        least["m"] = last_step(told) + 1
        rows = read_metrics(tmp_path, raw=True).select(["metric", "step"]).to_pylist()
        running.refresh()
        for metric in ("m", "merged"):
            steps = [row["step"] for row in rows if row["metric"] == metric]
            assert steps == list(range(len(steps)))
            assert least[metric] <= len(steps) <= running.metrics.get(metric, {"count": 0})["count"]
            least[metric] = len(steps)
        reads += 1
    logging.kill()
    logging.stdout.close()
    merging.stdout.close()
    assert (logging.wait(), merging.returncode) == (-9, 0)
    assert reads
    merge(tmp_path)
    running.refresh()
    table = read_metrics(tmp_path)
    assert Counter(table["metric"].to_pylist()) == {name: item["count"] for name, item in running.metrics.items()}
    assert not list(TrialPaths(tmp_path).metrics.glob("*"))
