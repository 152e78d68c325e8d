"""Reading the metrics of many finished trials: ours beside pandas over JSONL, DuckDB, and the sweep compacted.

    python benchmarks/read_trials.py                  # 1,000 trials of 200 steps and 5 metrics
    python benchmarks/read_trials.py 10000            # 10,000: 5 minutes, most of it making them

Every figure is seconds of CPU in a fresh process, the median of three, imports included. "One metric" is all rows of
one of the five of every trial, as one Arrow table with the trial's number; "the summaries" is one row a trial, which
`trial.json` alone tells. Ours reads with the index that an earlier look left, but where it says "first look".
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METRICS = [f"metric{index}" for index in range(5)]
STEPS = 200

TASKS = {
    "one metric: pandas over JSONL": """
import glob, os
import pandas as pd
frames = []
for path in glob.glob(os.path.join(folder, "*", "stream.jsonl")):
    frame = pd.read_json(path, lines=True)
    frames.append(frame.assign(number=int(os.path.basename(os.path.dirname(path))))[["number", "step", "metric0"]])
rows = len(pd.concat(frames))
""",
    "one metric: DuckDB over each metrics.parquet": """
import duckdb
rows = duckdb.sql(
    f"select filename, step, value from read_parquet('{folder}/*/metrics.parquet', filename = true) "
    "where metric = 'metric0'"
).to_arrow_table().num_rows
""",
    "**one metric: ours, first look**": """
import hyperherd
(Path(folder) / ".hyperherd" / "index.bin").unlink(missing_ok=True)
rows = hyperherd.load(folder).metrics(["metric0"]).num_rows
""",
    "**one metric: ours**": """
import hyperherd
rows = hyperherd.load(folder).metrics(["metric0"]).num_rows
""",
    "**one metric: ours, compacted**": """
import hyperherd
rows = hyperherd.load(folder + "-compacted").metrics(["metric0"]).num_rows
""",
    "one metric: DuckDB over the compacted file": """
import duckdb
rows = duckdb.sql(
    f"select number, step, value from '{folder}-compacted/.hyperherd/metrics.parquet' where metric = 'metric0'"
).to_arrow_table().num_rows
""",
    "**the curves of one metric: ours**": """
import hyperherd
from hyperherd.results.curves.reading import read_curves
curves, notes = read_curves(hyperherd.load(folder), ["metric0"])
rows = sum(len(curve.xs) for curve in curves.values())
""",
    "the summaries: pandas over JSONL": """
import glob, os
import pandas as pd
rows = 0
for path in glob.glob(os.path.join(folder, "*", "stream.jsonl")):
    rows += int(pd.read_json(path, lines=True).iloc[-1].notna().any()) * steps
""",
    "**the summaries: ours, footers**": """
from hyperherd.metrics.reader import read_summary
trials = [path for path in Path(folder).iterdir() if path.name.isdecimal()]
rows = sum(read_summary(path)["metrics"]["metric0"]["count"] for path in trials)
""",
    "**the summaries: ours, trial.json**": """
import json
rows = sum(
    json.loads((path / ".hyperherd/trial.json").read_bytes())["metrics"]["metric0"]["count"]
    for path in Path(folder).iterdir() if path.name.isdecimal()
)
""",
}


def make(folder: Path, count: int) -> None:
    """Write one trial as ours and as JSONL, and copy it."""
    from hyperherd.metrics.consolidate.merge import merge
    from hyperherd.metrics.reader import read_summary
    from hyperherd.metrics.writer import MetricWriter
    from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned

    objective = {"metric": METRICS[0], "direction": "maximize"}
    SweepRecord(folder.name, 0.0, "train.py", "train", {}, {}, objective).write(folder)
    write_planned(folder, [PlannedTrial(number, str(number), "", (), {}, str(number)) for number in range(count)])
    first = folder / "0"
    writer = MetricWriter(first, 0)
    lines = []
    for step in range(STEPS):
        values = {name: 0.123456789 * step + index for index, name in enumerate(METRICS)}
        writer.log(values, step)
        lines.append(json.dumps({"step": step, **values}))
    writer.close()
    merge(first)
    (first / "stream.jsonl").write_text("\n".join(lines) + "\n")
    for number in range(count):
        trial = folder / str(number)
        if number:
            shutil.copytree(first, trial)
        book = {"format": 1, "number": number, "key": str(number), "name": "", "overrides": [], "params": {}}
        book |= {
            "attempt": 0,
            "state": "completed",
            "started": 1.0,
            "ended": 2.0,
            "metrics": read_summary(first)["metrics"],
        }
        (trial / ".hyperherd" / "trial.json").write_text(json.dumps(book))


def compacted(folder: Path) -> None:
    from hyperherd.metrics.consolidate.compact import compact

    copy = Path(f"{folder}-compacted")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("stream.jsonl"))
    compact(copy, delete=True)


def seconds(code: str, folder: Path, expected: int) -> float:
    """Return seconds of CPU of a fresh process that reads as many rows as it should."""
    head = f"from pathlib import Path\nfolder, steps = {str(folder)!r}, {STEPS}\n"
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = [sys.executable, "-c", f"{head}{code}\nassert rows == {expected}, rows"]
        subprocess.run(run, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(costs)


def files_in(folder: Path) -> int:
    return sum(path.is_file() and path.suffix == ".parquet" for path in folder.rglob("*"))


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sweep"
        make(folder, count)
        compacted(folder)
        time.sleep(2.5)  # an index keeps nothing that was written in the last two seconds
        print(f"| {count:,} trials of {STEPS} steps and {len(METRICS)} metrics | s of CPU |\n|---|--:|")
        for title, code in TASKS.items():
            if "pandas" in title and count > 2000:
                continue
            print(f"| {title} | {seconds(code, folder, count * STEPS):.2f} |", flush=True)
        print(f"\nParquet files: {files_in(folder):,}, compacted {files_in(Path(f'{folder}-compacted')):,}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
