"""The table of a finished sweep: ours beside pandas and OmegaConf, as people do it by hand.

    python benchmarks/results.py                  # 1,000 trials
    python benchmarks/results.py 1000 10000       # both sizes; by hand the larger one takes minutes

Every figure is of a fresh process, imports included, the median of three: seconds on the wall, seconds of CPU, and the
peak of memory in MiB. "First" has no index, "next" has the one that the first one left. What is not installed is left
out. The trials are written through the record classes, each with five metrics and a config of forty values.
"""

from __future__ import annotations

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
CONFIG = "\n".join(f"part{index}: {{a: {index}, b: 1.5e-3, name: text{index}, flag: true}}" for index in range(10))
TABLE = "from hyperherd.cli.main import main; main([folder, *arguments])"
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
TASKS: list[tuple[str, str, list[str], bool, tuple[str, ...]]] = [
    ("pandas and OmegaConf by hand", BY_HAND, [], False, ("pandas", "omegaconf")),
    ("**herd-results, first**", TABLE, ["-f", "table", "-n", "20"], False, ()),
    ("**herd-results, next**", TABLE, ["-f", "table", "-n", "20"], True, ()),
    ("**herd-results -f tsv, first**", TABLE, ["-f", "tsv"], False, ()),
    ("**herd-results -f tsv, next**", TABLE, ["-f", "tsv"], True, ()),
    ("**herd-results -f json, next**", TABLE, ["-f", "json"], True, ()),
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
    """Run a program in a fresh process; return seconds, seconds of CPU and MiB."""
    index = SweepPaths(folder).index
    if not keep:
        index.unlink(missing_ok=True)
    code = f"folder, arguments = {str(folder)!r}, {arguments!r}\n{program}"
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{program} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    for count in [int(argument) for argument in sys.argv[1:]] or [1000]:
        root = Path(tempfile.mkdtemp())
        try:
            folder = root / "sweep"
            make(folder, count)
            time.sleep(2.1)  # Until the files are old enough to be kept.
            print(f"\n| {count:,} trials | s | s of CPU | MiB |\n|---|--:|--:|--:|")
            for name, program, arguments, keep, needed in TASKS:
                if all(map(find_spec, needed)):
                    if keep:
                        measure(folder, program, arguments, keep)
                    runs = [
                        measure(folder, program, arguments, keep) for _ in range(1 if needed and count > 2000 else 3)
                    ]
                    print(
                        "| {} | {:.2f} | {:.2f} | {:.0f} |".format(
                            name, *map(statistics.median, zip(*runs, strict=True))
                        )
                    )
        finally:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
