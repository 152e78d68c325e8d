"""A trial to log to, and what it has kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperherd.metrics.reader import read_metrics
from hyperherd.trial import log as trial_log

Kept = dict[str, list[tuple[int, float]]]


@pytest.fixture
def trial_dir(tmp_path: Path) -> Iterator[Path]:
    trial = trial_log.enter(tmp_path / "trial", 0)
    yield trial.trial_dir
    trial_log.leave()


@pytest.fixture
def kept(trial_dir: Path) -> Callable[[], Kept]:
    """Return every row on disk, also one that another of the same step replaces: metric -> [(step, value)]."""

    def read() -> Kept:
        rows: Kept = {}
        for row in read_metrics(trial_dir, raw=True).to_pylist():
            rows.setdefault(row["metric"], []).append((row["step"], row["value"]))
        return rows

    return read
