"""Sweeps with curves, seeds, failures and times, as large as wanted: every file a real one, every number made up."""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_summary
from hyperherd.metrics.rows.sources import this_host
from hyperherd.paths import TrialPaths
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.records.trial import TrialError, TrialRecord

STEPS = 50
LRS = (1e-4, 1e-3, 1e-2, 1e-1)
NAN = TrialError(
    "ValueError",
    "train/loss is nan at step 10",
    "Traceback (most recent call last):\n"
    '  File "train.py", line 31, in main\n    raise ValueError("train/loss is nan at step 10")\n'
    "ValueError: train/loss is nan at step 10\n",
)
MEMORY = TrialError(
    "torch.cuda.OutOfMemoryError",
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.77 GiB total)",
    "Traceback (most recent call last):\n"
    '  File "train.py", line 32, in main\n    out = model(batch)\n'
    '  File "model.py", line 88, in forward\n    return self.conv(x)\n'
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.77 GiB total)\n",
)


def showcase(root: Path, trials: int = 24, *, seeds: int = 3, parquet: bool = True) -> Path:
    """Write a sweep over lr, model and, if it is large, width, dropout and batch size; return its folder.

    Args:
        root: the sweep's folder.
        trials: how many.
        seeds: of each configuration.
        parquet: whether the metrics are there in full, or in `trial.json` alone.
    """
    dice = random.Random(0)
    script = root.parent / "train.py"
    command = ["python", str(script)]
    objective = {"metric": "val/acc", "direction": "maximize"}
    SweepRecord(root.name, time.time(), str(script), "train", {}, {}, objective, "seed", command=command).write(root)
    began = time.time() - 95.0 * trials - 500
    points = list(itertools.islice(_points(trials, seeds), trials))
    planned = [_planned(number, params) for number, params in enumerate(points)]
    write_planned(root, planned)
    for trial in planned:
        _trial(root, trial, began + 95.0 * trial.number, dice, parquet)
    return root


def _points(trials: int, seeds: int) -> Any:
    if trials <= 24:
        for lr, model, seed in itertools.product(LRS, ("cnn", "mlp"), range(seeds)):
            yield {"lr": lr, "model": model, "seed": seed, "epochs": STEPS, "data": "mnist"}
        return
    axes = (LRS, ("cnn", "mlp", "vit"), (64, 128, 256, 512), (0.0, 0.1, 0.3), (32, 64, 128))
    extra = max(1, math.ceil(trials / (seeds * math.prod(map(len, axes)))))
    for lr, model, width, dropout, batch, decay in itertools.product(*axes, range(extra)):
        for seed in range(seeds):
            yield {
                "lr": lr,
                "model": model,
                "width": width,
                "dropout": dropout,
                "batch_size": batch,
                "weight_decay": round(10 ** (-5 + 3 * decay / extra), 8),
                "seed": seed,
                "epochs": STEPS,
            }


def _planned(number: int, params: dict[str, Any]) -> PlannedTrial:
    overrides = tuple(f"{name}={value}" for name, value in params.items())
    return PlannedTrial(number, f"key{number}", ",".join(overrides), overrides, params, str(number))


def _quality(params: dict[str, Any], dice: random.Random) -> tuple[float, float]:
    """Return the accuracy it will end at, and how fast it gets there."""
    lr = math.log10(params["lr"])
    top = 0.962 - 0.035 * (lr + 2) ** 2 + {"cnn": 0.012, "mlp": 0.0, "vit": 0.006}[params["model"]]
    top += 0.006 * math.log2(params.get("width", 64) / 64) / 3 - 0.02 * abs(params.get("dropout", 0.1) - 0.1)
    return min(0.999, top + dice.gauss(0, 0.004)), 4 + 8 * max(0.0, -lr - 1.5)


def _trial(root: Path, trial: PlannedTrial, began: float, dice: random.Random, parquet: bool) -> None:
    params, number = trial.params, trial.number
    top, pace = _quality(params, dice)
    # The highest learning rate ends badly, and so does a trial of a hundred.
    fate = "ok"
    if params["lr"] == LRS[-1] and params["model"] == "cnn":
        fate = ("silent", "nan", "memory")[params["seed"] % 3]
    elif params["lr"] == LRS[-1] and params["seed"] == 2:
        fate = "running" if number < 30 else "pruned"
    done = {"ok": STEPS, "nan": 10, "memory": 4, "silent": 18, "running": 31, "pruned": 20}[fate]
    started = began + dice.uniform(0, 40)
    seconds = dice.uniform(6.8, 8.2)
    rows = []
    for step in range(done):
        accuracy = min(1.0, top * (1 - 0.75 * math.exp(-step / pace)) + dice.gauss(0, 0.003))
        values = {
            "val/acc": accuracy,
            "train/loss": max(1e-3, 2.4 * max(0.0, 1 - accuracy) ** 1.2 + abs(dice.gauss(0, 0.01))),
        }
        rows.append((step, started + seconds * (step + 1), values))
    folder = root / str(number)
    _write(folder, trial, fate, rows, started, seconds, parquet)


def _write(
    folder: Path,
    trial: PlannedTrial,
    fate: str,
    rows: list[tuple[int, float, dict[str, float]]],
    started: float,
    seconds: float,
    parquet: bool,
) -> None:
    paths = TrialPaths(folder)
    if parquet:
        paths.metrics.mkdir(parents=True)
        lines = [json.dumps({"ts": ts, "step": step, "metrics": values}) for step, ts, values in rows]
        (paths.metrics / f"journal-0-{this_host()}-4194303-abcd.jsonl").write_text("\n".join(lines) + "\n")
        summary = read_summary(folder, {"metric": "val/acc", "direction": "maximize"})
        metrics, objective = summary["metrics"], summary["objective"]
        merge(folder)
    else:
        metrics, objective = _summary(rows)
    state = {"running": TrialState.RUNNING, "silent": TrialState.RUNNING, "ok": TrialState.COMPLETED}
    error = {"nan": NAN, "memory": MEMORY}.get(fate)
    ended = rows[-1][1] if fate in ("ok", "nan", "memory", "pruned") else None
    TrialRecord(
        number=trial.number,
        key=trial.key,
        name=trial.name,
        overrides=trial.overrides,
        params=trial.params,
        attempt=0,
        state=TrialState.PRUNED if fate == "pruned" else TrialState.FAILED if error else state[fate],
        cause=FailureCause.EXCEPTION if error else None,
        started=started,
        ended=ended,
        heartbeat=time.time() if fate == "running" else rows[-1][1],
        host="elsewhere",
        error=error,
        step=rows[-1][0],
        max_step=STEPS,
        step_seconds=seconds,
        metrics=metrics,
        final={},
        objective=objective,
    ).write(folder, durable=False)
    git = {"commit": "3f9c2d1e8b7a6054c1d2e3f4a5b6c7d8e9f00112", "dirty": trial.number % 24 == 5}
    told = {"host": f"node-{trial.number % 4}", "python": "3.11.9", "git": git, "packages": {"torch": "2.13.0"}}
    paths.provenance.write_text(json.dumps(told))


def _summary(rows: list[tuple[int, float, dict[str, float]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    from hyperherd.metrics.rows.stats import Stats

    found: dict[str, Stats] = {}
    for step, _, values in rows:
        for name, value in values.items():
            found.setdefault(name, Stats()).add(step, value)
    best = found["val/acc"]
    curve = [[step, values["val/acc"]] for step, _, values in rows][:: max(1, math.ceil(len(rows) / 32))]
    objective = {"metric": "val/acc", "direction": "maximize", "best": best.max, "best_step": best.max_step}
    return {name: asdict(stats) for name, stats in found.items()}, {**objective, "at_best": {}, "curve": curve}


if __name__ == "__main__":
    showcase(Path(sys.argv[1]), int(sys.argv[2]), parquet=len(sys.argv) < 4)
