"""What other programs' JSONL says, as a trial's own rows are summarised, without pyarrow: a table asks every trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hyperherd.metrics.rows.stats import ObjectiveResult, Stream
from hyperherd.metrics.store.foreign import Foreign, read_foreign


@dataclass(frozen=True)
class ForeignSummary:
    """The summary of some files."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> count, last, min, max, their steps and nan, in the order of `trial.json`; NaN is a number here."""
    objective: ObjectiveResult | None = None
    """None unless the objective is one of these metrics."""
    step: int | None = None
    """The last step of all."""


def summarize_foreign(files: Iterable[Foreign], objective: Mapping[str, Any] | None = None) -> ForeignSummary:
    """Return what `files` say.

    Args:
        files: of one trial.
        objective: ``{"metric", "direction"}``; None if none is known.

    Raises:
        OSError: a file has gone, or may not be read.
        FormatError: it is not a file of lines.
    """
    stream = Stream(objective)
    for (step, metric), (_, value) in sorted(_standing(files).items()):  # It is exact only for steps that do not fall.
        stream.add(step, metric, value, None)
    metrics = {name: asdict(stats) for name, stats in stream.stats().items()}
    return ForeignSummary(metrics, stream.objective(), stream.step)


def _standing(files: Iterable[Foreign]) -> dict[tuple[int, str], tuple[float, float]]:
    """Return time and value of each step and metric; of several values the latest stands, one without a time last."""
    found: dict[tuple[int, str], tuple[float, float]] = {}
    for file in files:
        for rows in read_foreign(file):
            for step, metric, value, time in zip(rows.step, rows.metric, rows.value, rows.time, strict=True):
                moment = math.inf if time is None else time
                if value is not None and moment >= found.get((step, metric), (-math.inf, 0.0))[0]:
                    found[step, metric] = (moment, value)
    return found
