"""The table of a finished sweep: ours beside pandas and OmegaConf by hand, TensorBoard's reader, MLflow's search_runs.

    python benchmarks/results.py                             # 1,000 trials
    python benchmarks/results.py 1000 10000                  # both sizes; by hand the larger one takes minutes
    python benchmarks/results.py 100000                      # no peers; 20 minutes
    python benchmarks/results.py --peers venv/bin/python     # a Python with tensorboard, mlflow, sqlalchemy, pandas

Every figure is of a fresh process, imports included, the median of three: seconds on the wall, seconds of CPU, and the
peak of memory in MiB. "First" has no index, "next" has the one that the first one left. What is not installed is left
out. The trials are written through the record classes, each with five metrics and a config of forty values. The same
five metrics of 50 steps are in TensorBoard's event files, written by its own writer, and the last value of each and the
parameters are in MLflow's SQLite store, written by its own client; the time to write is not counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from hyperherd.paths import SweepPaths
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.records.trial import TrialRecord

METRICS = ("val/acc", "val/loss", "train/acc", "train/loss", "lr")
MOST_BY_HAND = 10_000
CONFIG = "\n".join(f"part{index}: {{a: {index}, b: 1.5e-3, name: text{index}, flag: true}}" for index in range(10))
TABLE = "from hyperherd.cli.main import main; main([folder, *arguments])"
COMMAND = "from hyperherd.cli.main import main; main([arguments[0], folder, *arguments[1:]])"
BY_HAND = """
import glob, json, os
import pandas as pd
from omegaconf import OmegaConf
rows = []
for path in glob.glob(os.path.join(folder, "*", ".hydra", "config.yaml")):
    config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    overrides = OmegaConf.load(os.path.join(os.path.dirname(path), "overrides.yaml"))
    trial = json.load(open(os.path.join(os.path.dirname(path), "..", ".hyperherd", "trial.json")))
    swept = {item.split("=")[0]: config[item.split("=")[0]] for item in overrides}
    rows.append({**swept, **{name: stats["last"] for name, stats in trial["metrics"].items()}})
frame = pd.DataFrame(rows)
print(frame.groupby(["lr", "width", "model"])["val/acc"].agg(["mean", "std", "count"]).sort_values("mean"))
"""
PYTHON = """
import hyperherd
trials = hyperherd.load(folder)
print(len(trials.filter("val/acc>0.5")), trials.seeds().best().settings)
"""
TENSORBOARD_WRITE = """
import os
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
for number in range(count):
    writer = EventFileWriter(os.path.join(folder, "tensorboard", str(number)))
    for step in range(50):
        values = [Summary.Value(tag=name, simple_value=number * 7919 % 10007 / 10007 * step / 49) for name in METRICS]
        writer.add_event(Event(wall_time=float(step), step=step, summary=Summary(value=values)))
    writer.close()
"""
TENSORBOARD_READ = """
import os
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
rows = []
for name in os.listdir(os.path.join(folder, "tensorboard")):
    events = EventAccumulator(os.path.join(folder, "tensorboard", name))
    events.Reload()
    rows.append({tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]})
assert len(rows) == count and all(len(row) == 5 for row in rows), len(rows)
print(sorted(row["val/acc"] for row in rows)[-1])
"""
MLFLOW_WRITE = """
import os
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
client = MlflowClient("sqlite:///" + os.path.join(folder, "mlflow.db"))
sweep = client.create_experiment("sweep", artifact_location=folder)
for number in range(count):
    params = {"lr": 10.0 ** -(1 + number % 4), "width": 2 ** (4 + number // 4 % 5), "model": "cnn"}
    params["seed"] = number // 60
    metrics = [Metric(name, number * 7919 % 10007 / 10007, 0, 49) for name in METRICS]
    run = client.create_run(sweep).info.run_id
    client.log_batch(run, metrics=metrics, params=[Param(name, str(value)) for name, value in params.items()])
    client.set_terminated(run)
"""
MLFLOW_READ = """
import os, mlflow
mlflow.set_tracking_uri("sqlite:///" + os.path.join(folder, "mlflow.db"))
frame = mlflow.search_runs(experiment_names=["sweep"], max_results=50000, order_by=["metrics.`val/acc` DESC"])
assert len(frame) == count, len(frame)
print(frame.head(20))
"""
PEERS: list[tuple[str, str, str, tuple[str, ...]]] = [
    (
        "TensorBoard's EventAccumulator, last value of each metric",
        TENSORBOARD_WRITE,
        TENSORBOARD_READ,
        ("tensorboard",),
    ),
    ("MLflow's search_runs (SQLite)", MLFLOW_WRITE, MLFLOW_READ, ("mlflow", "sqlalchemy", "pandas")),
]
TASKS: list[tuple[str, str, list[str], bool, tuple[str, ...]]] = [
    ("pandas and OmegaConf by hand", BY_HAND, [], False, ("pandas", "omegaconf")),
    ("**herd-results, first**", TABLE, ["-f", "table", "-n", "20"], False, ()),
    ("**herd-results, next**", TABLE, ["-f", "table", "-n", "20"], True, ()),
    ("**herd-results -f tsv, first**", TABLE, ["-f", "tsv"], False, ()),
    ("**herd-results -f tsv, next**", TABLE, ["-f", "tsv"], True, ()),
    ("**herd-results -f json, next**", TABLE, ["-f", "json"], True, ()),
    ("**herd-results -f jsonl, next**", TABLE, ["-f", "jsonl"], True, ()),
    ("**herd-results effects, next**", COMMAND, ["effects"], True, ()),
    ("**herd-results failures, next**", COMMAND, ["failures"], True, ()),
    ("**herd-results best, next**", COMMAND, ["best"], True, ()),
    ("**hyperherd.load, filter, seeds, next**", PYTHON, [], True, ()),
    ("herd-results --help", TABLE, ["--help"], True, ()),
]


def make(folder: Path, count: int) -> None:
    SweepRecord(folder.name, 0.0, "train.py", "train", {}, {}, {"metric": "val/acc", "direction": "maximize"}).write(
        folder
    )
    planned = []
    for number in range(count):
        params = {
            "lr": 10.0 ** -(1 + number % 4),
            "width": 2 ** (4 + number // 4 % 5),
            "model": "cnn" if number % 3 else "mlp",
        }
        params["seed"] = number // 60
        overrides = tuple(f"{name}={value}" for name, value in params.items())
        plan = PlannedTrial(number, f"k{number}", ",".join(overrides), overrides, params, str(number))
        value = (number * 7919 % 10007) / 10007
        stats = {
            "count": 50,
            "last": value,
            "last_step": 49,
            "min": 0.0,
            "min_step": 0,
            "max": value,
            "max_step": 49,
            "nan": 0,
        }
        curve = [[step, value * step / 32] for step in range(32)]
        judged = {
            "metric": "val/acc",
            "direction": "maximize",
            "best": value,
            "best_step": 49,
            "at_best": {},
            "curve": curve,
        }
        record = TrialRecord(
            *(number, plan.key, plan.name, overrides, params, 0, TrialState.COMPLETED),
            started=1.0,
            ended=61.0,
            step=49,
            metrics=dict.fromkeys(METRICS, stats),
            objective=judged,
        )
        record.write(folder / str(number), durable=False)
        hydra = folder / str(number) / ".hydra"
        hydra.mkdir()
        values = "\n".join(f"{name}: {value}" for name, value in params.items())
        (hydra / "config.yaml").write_text(f"{values}\n{CONFIG}\n")
        (hydra / "overrides.yaml").write_text("".join(f"- {override}\n" for override in overrides))
        planned.append(plan)
    write_planned(folder, planned)


def measure(folder: Path, program: str, arguments: list[str], keep: bool) -> tuple[float, float, float]:
    """Run a program of ours in a fresh process; return seconds, seconds of CPU and MiB."""
    index = SweepPaths(folder).index
    if not keep:
        index.unlink(missing_ok=True)
    return run(sys.executable, f"folder, arguments = {str(folder)!r}, {arguments!r}\n{program}")


def run(python: str, program: str) -> tuple[float, float, float]:
    """Run a program in a fresh process; return seconds, seconds of CPU and MiB."""
    started = time.perf_counter()
    process = subprocess.Popen([python, "-c", program], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{program} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peers(folder: Path, count: int, python: str) -> None:
    """Show what the peers need that `python` has; each writes its own files first."""
    start = f"folder, count, METRICS = {str(folder)!r}, {count}, {METRICS!r}\n"
    for name, write, read, needed in PEERS:
        find = f"import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, {needed!r})))"
        if subprocess.run([python, "-c", find], check=False).returncode:
            print(f"| {name}: not installed | | | |")
            continue
        run(python, start + write)
        show(name, [run(python, start + read) for _ in range(1 if count > 2000 else 3)])


def show(name: str, runs: list[tuple[float, float, float]]) -> None:
    """Print a row of medians."""
    print(
        "| {} | {:.2f} | {:.2f} | {:.0f} |".format(name, *map(statistics.median, zip(*runs, strict=True))), flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[1000])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has TensorBoard and MLflow")
    arguments = parser.parse_args()
    for count in arguments.counts:
        root = Path(tempfile.mkdtemp())
        try:
            folder = root / "sweep"
            make(folder, count)
            time.sleep(2.1)  # Until the files are old enough to be kept.
            print(f"\n| {count:,} trials | s | s of CPU | MiB |\n|---|--:|--:|--:|")
            for name, program, asked, keep, needed in TASKS:
                if all(map(find_spec, needed)) and not (needed and count > MOST_BY_HAND):
                    if keep:
                        measure(folder, program, asked, keep)
                    times = 1 if needed and count > 2000 else 3
                    show(name, [measure(folder, program, asked, keep) for _ in range(times)])
            if count <= MOST_BY_HAND:
                peers(root, count, arguments.peers)
        finally:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
