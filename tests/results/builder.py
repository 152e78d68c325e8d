"""Sweeps for tests of results, written file by file as docs/format.md says, through the record classes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

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

    def __init__(self, root: Path, objective: tuple[str, str] | None = ("val/acc", "maximize")) -> None:
        self.dir = root
        self.planned: list[PlannedTrial] = []
        self.script = root.parent / "train.py"
        asked = {"metric": objective[0], "direction": objective[1]} if objective else None
        SweepRecord(root.name, 1_700_000_000.0, str(self.script), "train", {}, {}, asked).write(root)

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
