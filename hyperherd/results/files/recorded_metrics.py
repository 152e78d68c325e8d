"""The metrics of a trial that has a `trial.json`: what that says, and what other programs wrote beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.metrics.store.foreign import Foreign, foreign_signature, list_foreign, may_have_foreign
from hyperherd.metrics.summary.of_foreign import summarize_foreign
from hyperherd.paths import TrialPaths
from hyperherd.records.trial import TrialRecord
from hyperherd.results.files.event_files import NoReader
from hyperherd.results.files.trainer_files import read_series, summaries
from hyperherd.results.files.trial_json import decode_numbers


@dataclass(frozen=True)
class RecordedMetrics:
    """What a table needs of them."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> its summary, as in `trial.json`."""
    objective: dict[str, Any] | None = None
    step: int | None = None
    signature: list[int] = field(default_factory=list)
    """Of the JSONL among which some of them were found; empty if none was."""
    is_from_trainer: bool = False
    """Whether they are of a trainer's own files, because the trial logged nothing to us."""
    unread: str = ""
    """Why a file of another program could not be read."""
    hint: str = ""
    """What it takes to read what lies beside it."""


def recorded_metrics(
    record: TrialRecord,
    trial_dir: str,
    results: str = "",
    spec: Mapping[str, Any] | None = None,
    *,
    is_odd: bool = True,
) -> RecordedMetrics:
    """Return the metrics of a trial.

    Args:
        record: its `trial.json`.
        trial_dir: its directory.
        results: what :func:`hyperherd.metrics.store.foreign.first_results` returned for its sweep.
        spec: the sweep's objective, ``{"metric", "direction"}``.
        is_odd: whether the record may have numbers that JSON cannot express.
    """
    metrics = decode_numbers(record.metrics) if is_odd else record.metrics
    own = RecordedMetrics(metrics, record.objective if isinstance(record.objective, dict) else None, record.step)
    try:
        if may_have_foreign(trial_dir, record.number, results):
            files = list_foreign(TrialPaths(Path(trial_dir)))
            if files:
                return _with_foreign(own, Path(trial_dir), files, spec)
    except (OSError, FormatError) as error:
        return replace(own, unread=str(error))
    return own if own.metrics else _of_trainer(own, Path(trial_dir))


def _with_foreign(
    own: RecordedMetrics, trial_dir: Path, files: list[Foreign], spec: Mapping[str, Any] | None
) -> RecordedMetrics:
    signature = foreign_signature(files)  # Before they are read, so that it is never that of newer ones.
    found = summarize_foreign(files, spec)
    step = max((step for step in (own.step, found.step) if step is not None), default=None)
    if found.metrics.keys() & own.metrics.keys():
        # A step that both logged counts once: only all rows together show which of them stands.
        from hyperherd.metrics.reader import read_summary  # imports pyarrow, which few tables need

        whole = read_summary(trial_dir, spec)
        metrics = {**own.metrics, **decode_numbers(whole["metrics"])}
        return RecordedMetrics(metrics, whole["objective"] or own.objective, step, signature)
    objective = found.objective.as_json() if found.objective else own.objective
    return RecordedMetrics({**own.metrics, **found.metrics}, objective, step, signature)


def _of_trainer(own: RecordedMetrics, trial_dir: Path) -> RecordedMetrics:
    """Return what a trainer wrote in a trial that logged nothing to us; nothing if that is broken."""
    try:
        found = summaries(read_series(trial_dir))
    except NoReader as error:
        return replace(own, hint=str(error))
    except (OSError, FormatError):
        return own
    if not found:
        return own
    step = max(summary["last_step"] for summary in found.values()) if own.step is None else own.step
    return replace(own, metrics=found, step=step, is_from_trainer=True)
