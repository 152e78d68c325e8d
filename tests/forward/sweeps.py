"""Sweeps with metrics, and what trackers must have of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.forward import Sent, forward, tracker
from hyperherd.forward.runs import run_of
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.writer import MetricWriter

SECRET = "hf_a-secret-that-nobody-may-see"
START = 1_700_000_000.0


def write_sweep(root: Path, trials: int = 2, steps: int = 20) -> SweepBuilder:
    """Write trials that have ended, each with two metrics, one of a phase, a text, final values and a secret."""
    sweep = SweepBuilder(root)
    for number in range(trials):
        params = {"lr": 0.1 * (number + 1), "hub.token": SECRET}
        sweep.trial(
            {"loss": 0.5}, {"acc": 0.9, "loss": 0.4, "best": "a"}, params=params, started=START, ended=START + 99
        )
        log(root / str(number), range(steps), number)
        merge(root / str(number))
    return sweep


def log(trial_dir: Path, steps: range, number: int = 0, attempt: int = 0) -> None:
    """Log as a trial does, at times that are told."""
    writer = MetricWriter(trial_dir, attempt)
    for step in steps:
        at = START + step
        writer.log_rows([({"loss": 1.0 / (step + 1 + number), "odd (name)": float(step)}, step, at)])
        writer.log_rows([({"loss": -1.0 - step}, step, at + 0.5)], phase="test")
    writer.log_rows([({"text": "a text", "nan": float("nan")}, 0, START)])
    writer.close()


def expected(root: Path, *, closing: bool = True) -> dict[str, list[tuple[str, int, float, float]]]:
    """Return run id -> metric, step, time and value of all that a tracker gets, sorted."""
    found = {}
    for run in map(run_of, load(root)):
        rows = list(run.all_rows()) if closing else run.rows
        found[run.id] = sorted(
            (name, row.step, row.time or 0.0, value) for row in rows for name, value in row.metrics.items()
        )
    return found


def send(sweep: Path, to: str, place: Path | str, project: str | None = None) -> Sent:
    """Send a sweep to one of the trackers."""
    with tracker(to, place, project) as target:
        return forward(load(sweep), target)


class Rows:
    """A store that keeps what it is given, and fails as it is told."""

    identity = ""

    def __init__(self, fail: Any = lambda step: False) -> None:
        self.rows: list[tuple[str, int, dict[str, float]]] = []
        self.calls = 0
        self.fail = fail

    def log_metrics(self, *, run_id: str, step: int, metrics: dict[str, float]) -> None:
        self.calls += 1
        if self.fail(step):
            raise ConnectionError(f"no answer at step {step}")
        self.rows.append((run_id, step, dict(metrics)))
