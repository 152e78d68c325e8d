"""Sweeps for tests of results, written file by file as docs/format.md says, through the record classes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperherd.records.config import KeptConfig, config_hash
from hyperherd.records.events import Event, EventLog
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.records.trial import TrialError, TrialRecord


def stats(last: float, **others: Any) -> dict[str, Any]:
    """A metric's summary whose last value is the given one."""
    plain = {"count": 3, "last": last, "last_step": 2, "min": last, "min_step": 2, "max": last, "max_step": 2, "nan": 0}
    return {**plain, **others}


class SweepBuilder:
    """Plans trials one by one and writes what each left behind."""

    def __init__(
        self,
        root: Path,
        objective: tuple[str, str] | Sequence[tuple[str, str]] | None = ("val/acc", "maximize"),
        seed_key: str | None = None,
    ) -> None:
        self.dir = root
        self.planned: list[PlannedTrial] = []
        self.script = root.parent / "train.py"
        pairs = [objective] if isinstance(objective, tuple) else objective or []
        asked: list[Any] = [{"metric": metric, "direction": direction} for metric, direction in pairs]
        one, several = (asked[0], []) if len(asked) == 1 else (None, asked)
        record = SweepRecord(root.name, 1_700_000_000.0, str(self.script), "train", {}, {}, one, seed_key)
        replace(record, objectives=several).write(root)

    def plan(self, **params: Any) -> PlannedTrial:
        """Plan a trial; it is waiting until something else is written about it."""
        number = len(self.planned)
        overrides = tuple(f"{name}={value}" for name, value in params.items())
        trial = PlannedTrial(number, f"key{number}", ",".join(overrides), overrides, params, str(number))
        self.planned.append(trial)
        write_planned(self.dir, self.planned)
        return trial

    def trial(
        self,
        metrics: dict[str, Any] | None = None,
        final: dict[str, Any] | None = None,
        *,
        params: dict[str, Any] | None = None,
        **fields: Any,
    ) -> TrialRecord:
        """Plan a trial and write its `trial.json`; completed after a minute unless told otherwise."""
        planned = self.plan(**(params or {}))
        summaries = {name: last if isinstance(last, dict) else stats(last) for name, last in (metrics or {}).items()}
        values = {"state": TrialState.COMPLETED, "attempt": 0, "started": 100.0, "ended": 160.0, **fields}
        record = TrialRecord(
            number=planned.number,
            key=planned.key,
            name=planned.name,
            overrides=planned.overrides,
            params=planned.params,
            metrics=summaries,
            final=final or {},
            host="elsewhere",
            **values,
        )
        record.write(self.dir / str(planned.number), durable=False)
        return record

    def failed(self, metrics: dict[str, Any] | None = None, error: str = "boom", **fields: Any) -> TrialRecord:
        """Write a trial that raised ValueError."""
        what = TrialError("ValueError", error, "Traceback ...")
        return self.trial(metrics, state=TrialState.FAILED, cause=FailureCause.EXCEPTION, error=what, **fields)

    def running(self, metrics: dict[str, Any] | None = None, silent: float = 0.0, **fields: Any) -> TrialRecord:
        """Write a trial that has been silent for some seconds."""
        now = time.time() - silent
        return self.trial(metrics, state=TrialState.RUNNING, started=now - 60, ended=None, heartbeat=now, **fields)

    def event(self, number: int, event: str, attempt: int = 0, **about: Any) -> None:
        """Append an event."""
        EventLog(self.dir).write([Event(event, number, attempt, **about)])

    def file(self, number: int) -> Path:
        """The `trial.json` of a trial."""
        return self.dir / str(number) / ".hyperherd" / "trial.json"


def kept_trial(
    sweep: SweepBuilder, acc: float | None, params: dict[str, Any], config: dict[str, Any], **choices: str
) -> None:
    """Write a trial with the config it kept; interpolations are those of its texts."""
    texts = {name: value for name, value in config.items() if isinstance(value, str) and "${" in value}
    names = [name for name in params if name not in choices]
    record = sweep.trial(
        {} if acc is None else {"val/acc": acc},
        params=params,
        choices=choices,
        config_hash=config_hash(config, names, (str(sweep.dir),)),
    )
    resolved = {name: 0 if name in texts else value for name, value in config.items()}
    KeptConfig(choices, {**resolved, **{name: params[name] for name in names}}, texts).write(
        sweep.dir / str(record.number)
    )


def every_state(root: Path) -> SweepBuilder:
    """Write a sweep with a trial in each state that can be had from files, and NaN among the completed ones."""
    sweep = SweepBuilder(root)
    for number, (lr, acc) in enumerate([(1e-4, 0.7131), (0.01, 0.9871234), (0.1, 0.95)]):
        sweep.trial({"val/acc": acc, "train/loss": 1 - acc}, params={"lr": lr, "seed": number, "epochs": 50})
    sweep.trial({"val/acc": float("nan")}, params={"lr": 1.0, "seed": 3, "epochs": 50})
    sweep.failed({"val/acc": 0.9999}, "train/loss is nan", params={"lr": 0.3, "seed": 4, "epochs": 50})
    sweep.running({"val/acc": 0.9998}, silent=900, params={"lr": 0.3, "seed": 5, "epochs": 50})
    sweep.running({"val/acc": 0.9997}, step=31, max_step=50, params={"lr": 0.3, "seed": 6, "epochs": 50})
    sweep.running({"val/acc": 0.9996}, params={"lr": 0.3, "seed": 7, "epochs": 50})
    sweep.event(7, "lost", message="job 12_7 left the queue")
    sweep.plan(lr=0.3, seed=8, epochs=50)
    sweep.plan(lr=0.3, seed=9, epochs=50)
    sweep.event(9, "submitted", job_id="12_9")
    sweep.trial({"val/acc": 0.9995}, params={"lr": 0.3, "seed": 10, "epochs": 50}, state=TrialState.PRUNED)
    sweep.trial(params={"lr": 0.3, "seed": 11, "epochs": 50}, state=TrialState.CANCELLED)
    sweep.trial(params={"lr": 0.3, "seed": 12, "epochs": 50})
    sweep.file(12).write_text('{"format": 1, "numb')
    return sweep


def sweep24(root: Path) -> SweepBuilder:
    """Write a sweep of lr (4) x model (2) x seed (3): 20 completed, one running, one stalled, two failed."""
    sweep = SweepBuilder(root, seed_key="seed")
    number = 0
    for lr in (1e-4, 1e-3, 1e-2, 1e-1):
        for model in ("cnn", "mlp"):
            for seed in range(3):
                params = {"lr": lr, "model": model, "seed": seed, "epochs": 50}
                acc = {1e-4: 0.7, 1e-3: 0.94, 1e-2: 0.975, 1e-1: 0.94}[lr] + 0.015 * (model == "cnn")
                acc += (0.0052, -0.0031, 0.0007)[(seed + number) % 3]
                curve = [[10 * step, acc * (1 - 0.5 ** (1 + step))] for step in range(6)]
                judged = {"metric": "val/acc", "direction": "maximize", "best": acc, "best_step": 48, "curve": curve}
                judged["at_best"] = {"val/acc": acc, "train/loss": 1.25 - acc}
                metrics = {
                    "val/acc": stats(acc, last_step=49, max=acc + 0.001, max_step=48),
                    "train/loss": stats(1.25 - acc, last_step=49, min_step=49),
                }
                told = {"params": params, "objective": judged, "step": 49, "max_step": 49, "step_seconds": 8.0}
                times = {"started": 1000.0 * number, "ended": 1000.0 * number + 360 + number}
                if lr == 0.1 and model == "cnn" and seed:
                    errors = ("", "train/loss is nan at step 10", "CUDA out of memory. Tried to allocate 2.00 GiB")
                    kind = ("", "ValueError", "OutOfMemoryError")[seed]
                    error = TrialError(kind, errors[seed], f"Traceback ...\n{kind}: {errors[seed]}")
                    failed = {"state": TrialState.FAILED, "cause": FailureCause.EXCEPTION, "error": error}
                    sweep.trial(metrics, **{**told, **times, **failed, "step": 11 - 7 * (seed == 2)})
                elif lr == 0.1 and model == "cnn":
                    sweep.running(metrics, silent=7205, **{**told, "step": 18})
                elif number == 23:
                    sweep.running(metrics, **{**told, "step": 31})
                else:
                    sweep.trial(metrics, **told, **times)
                number += 1
    return sweep
