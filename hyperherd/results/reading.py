"""Reads one trial from what it, its sweep and Hydra wrote, and says in which state it is.

Whatever is wrong with a directory becomes a trial that says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import TrialPaths
from hyperherd.records.files import number
from hyperherd.records.fold import Observer, fold
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.results.books import Books
from hyperherd.results.checks import check_record
from hyperherd.results.discover import Place, absolute
from hyperherd.results.plain import HydraOrigin, read_job, read_origin
from hyperherd.results.trial import Trial


class TrialReader:
    """Reads the trials of one sweep and keeps account of which planned ones it has seen."""

    def __init__(self, books: Books, observer: Observer) -> None:
        self._books = books
        self._observer = observer
        self._by_key = {trial.key: trial for trial in books.planned}
        self._by_dir = {os.path.normpath(trial.dir): trial for trial in books.planned if trial.dir}
        self._seen: set[int] = set()

    def read(self, place: Place) -> Trial:
        """Return the trial in `place`."""
        planned = self._by_dir.get(os.path.relpath(absolute(place.dir), self._books.sweep.dir))
        try:
            if place.error:
                raise FormatError(place.error)
            record = _record(place.dir)
            if record is not None:
                return self._recorded(record, place.dir)
            return self._planned(planned, place.dir) if planned else self._plain(place.dir)
        except (OSError, FormatError) as error:
            return self._unreadable(planned, place.dir, _why(error))

    def not_started(self, sweep_dir: Path) -> Iterator[Trial]:
        """Yield the planned trials that no directory was read for; theirs will lie in `sweep_dir`."""
        for planned in self._books.planned:
            if planned.number not in self._seen:
                yield self._planned(planned, sweep_dir / planned.dir if planned.dir else None)

    def _recorded(self, record: TrialRecord, trial_dir: Path) -> Trial:
        known = self._by_key.get(record.key)
        if known is not None:
            self._seen.add(known.number)
        standing = fold(record, self._books.events.get(record.number, ()), self._observer)
        last_sign = record.heartbeat if record.ended is None else record.ended
        spoke = standing.attempt == record.attempt
        return Trial(
            number=record.number,
            name=record.name,
            dir=trial_dir,
            sweep=self._books.sweep,
            state=standing.state,
            cause=standing.cause,
            reason=standing.reason,
            params=record.params,
            overrides=record.overrides,
            key=record.key,
            script=self._books.sweep.script,
            metrics=_numbers(record.metrics),
            final=_final(record.final),
            objective=record.objective if isinstance(record.objective, dict) else None,
            error=record.error if spoke else None,
            started=record.started,
            ended=record.ended if spoke else None,
            seconds=None if last_sign is None or record.started is None else last_sign - record.started,
            silent=standing.silent,
            attempt=standing.attempt,
            step=record.step,
            max_step=record.max_step,
            step_seconds=record.step_seconds,
            host=record.host,
            job_id=record.job_id,
        )

    def _planned(self, planned: PlannedTrial, trial_dir: Path | None) -> Trial:
        self._seen.add(planned.number)
        standing = fold(None, self._books.events.get(planned.number, ()), self._observer)
        logged = read_logged(trial_dir) if trial_dir else Logged()
        return Trial(
            number=planned.number,
            name=planned.name,
            dir=trial_dir,
            sweep=self._books.sweep,
            state=TrialState.UNREADABLE if logged.error else standing.state,
            cause=standing.cause,
            reason=logged.error or standing.reason,
            params=planned.params,
            overrides=planned.overrides,
            key=planned.key,
            script=self._books.sweep.script,
            attempt=standing.attempt,
            metrics=logged.metrics,
            final=logged.final,
        )

    def _plain(self, trial_dir: Path) -> Trial:
        job = read_job(trial_dir)
        logged = read_logged(trial_dir)
        origin = self._origin(trial_dir)
        return Trial(
            number=origin.number,
            name=",".join(job.overrides) or trial_dir.name,
            dir=trial_dir,
            sweep=self._books.sweep,
            state=TrialState.UNREADABLE if logged.error else TrialState.UNKNOWN,
            reason=logged.error,
            params=job.params,
            overrides=job.overrides,
            script=origin.script,
            metrics=logged.metrics,
            final=logged.final,
        )

    def _unreadable(self, planned: PlannedTrial | None, trial_dir: Path, reason: str) -> Trial:
        if planned is not None:
            self._seen.add(planned.number)
        return Trial(
            number=planned.number if planned else _number_of(trial_dir),
            name=planned.name if planned else trial_dir.name,
            dir=trial_dir,
            sweep=self._books.sweep,
            state=TrialState.UNREADABLE,
            reason=reason,
            params=planned.params if planned else {},
            overrides=planned.overrides if planned else (),
            key=planned.key if planned else "",
            script=self._books.sweep.script,
        )

    def _origin(self, trial_dir: Path) -> HydraOrigin:
        """Return script and number; `hydra.yaml` takes long to read, and a usual sweep tells both without it."""
        script, found = self._books.sweep.script, _number_of(trial_dir)
        if found is not None:
            return HydraOrigin(script, found)
        own = read_origin(TrialPaths(trial_dir).hydra / "hydra.yaml")
        return HydraOrigin(script or own.script, own.number)


@dataclass(frozen=True)
class Logged:
    """What a trial without a `trial.json` logged, or why that cannot be told."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def read_logged(trial_dir: Path) -> Logged:
    """Return the summary of a trial that wrote metrics, but whose own book nobody kept."""
    from hyperherd.metrics.reader import has_metrics, read_final, read_summary

    if not has_metrics(trial_dir):
        return Logged()
    try:
        return Logged(_numbers(read_summary(trial_dir)["metrics"]), _final(read_final(trial_dir)))
    except (OSError, FormatError) as error:
        return Logged(error=_why(error))


def _record(trial_dir: Path) -> TrialRecord | None:
    try:
        return check_record(TrialRecord.read(trial_dir), trial_dir)
    except FileNotFoundError:
        return None


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _number_of(trial_dir: Path) -> int | None:
    return int(trial_dir.name) if trial_dir.name.isdecimal() else None


def _numbers(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {key: _decoded(value) for key, value in summary.items()} for name, summary in metrics.items()}


def _final(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _decoded(value) for name, value in values.items()}


def _decoded(value: Any) -> Any:
    """Return a number that JSON has no word for as that number (docs/format.md), anything else as it is."""
    if isinstance(value, dict) and value.keys() == {"$number"}:
        value = value["$number"]
    if isinstance(value, str):
        token = number(value)
        return value if token is None else token
    return value
