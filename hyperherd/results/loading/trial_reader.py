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
from hyperherd.records.fold import Observer, fold
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.results.files.discover import Place, absolute
from hyperherd.results.files.hydra_job import HydraOrigin, read_job, read_origin
from hyperherd.results.files.index import Entry
from hyperherd.results.files.trainer_files import read_ending, read_series, summaries
from hyperherd.results.files.trial_json import Recorded, decode_final, decode_numbers, read_record
from hyperherd.results.loading.indexed_trial import StoredTrial
from hyperherd.results.loading.sweep_files import Books
from hyperherd.results.trials.trial import Trial


class TrialReader:
    """Reads the trials of one sweep and keeps account of which planned ones it has seen."""

    def __init__(self, books: Books, observer: Observer) -> None:
        self._books = books
        self._observer = observer
        self._by_key = {trial.key: trial for trial in books.planned}
        self._by_dir = {os.path.normpath(trial.dir): trial for trial in books.planned if trial.dir}
        self._seen: set[int] = set()
        self._count = 0
        self.entries: dict[str, Entry] = {}
        """What may be kept of the trials that are done, by their directories below the sweep's."""

    @property
    def is_all_done(self) -> bool:
        """Whether every trial it has read or knows to be planned is done, and may be kept."""
        return self._count == len(self.entries) and not any(
            trial.number not in self._seen for trial in self._books.planned
        )

    def read(self, place: Place) -> Trial:
        """Return the trial in `place`."""
        self._count += 1
        if place.stored is not None:
            return self._stored(place, place.stored)
        try:
            if place.error:
                raise FormatError(place.error)
            found = read_record(place.path)
            if found is not None:
                return self._recorded(found, place)
            planned = self._planned_in(place)
            return self._planned(planned, place.dir) if planned else self._plain(place.dir)
        except (OSError, FormatError) as error:
            return self._unreadable(self._planned_in(place), place.dir, _why(error))

    def _planned_in(self, place: Place) -> PlannedTrial | None:
        return self._by_dir.get(self._below_sweep(place))

    def _below_sweep(self, place: Place) -> str:
        return os.path.relpath(absolute(place.dir), self._books.sweep.dir)

    def _stored(self, place: Place, entry: Entry) -> Trial:
        trial = StoredTrial.of(entry, place.path, self._books.sweep)
        known = self._by_key.get(trial.key)
        if known is not None:
            self._seen.add(known.number)
        self.entries[place.name] = entry
        return trial

    def not_started(self, sweep_dir: Path) -> Iterator[Trial]:
        """Yield the planned trials that no directory was read for; theirs will lie in `sweep_dir`."""
        for planned in self._books.planned:
            if planned.number not in self._seen:
                yield self._planned(planned, sweep_dir / planned.dir if planned.dir else None)

    def _recorded(self, found: Recorded, place: Place) -> Trial:
        record = found.record
        known = self._by_key.get(record.key)
        if known is not None:
            self._seen.add(known.number)
        standing = fold(record, self._books.events.get(record.number, ()), self._observer)
        last_sign = record.heartbeat if record.ended is None else record.ended
        spoke = standing.attempt == record.attempt
        others = {} if record.metrics or record.final else _other_metrics(place.dir)
        trial = Trial(
            number=record.number,
            name=record.name,
            dir=place.dir,
            sweep=self._books.sweep,
            state=standing.state,
            cause=standing.cause,
            reason=standing.reason,
            params=record.params,
            overrides=record.overrides,
            key=record.key,
            script=self._books.sweep.script,
            metrics=others or (decode_numbers(record.metrics) if found.is_odd else record.metrics),
            final=decode_final(record.final) if found.is_odd else record.final,
            objective=record.objective if isinstance(record.objective, dict) else None,
            error=record.error if spoke else None,
            started=record.started,
            ended=record.ended if spoke else None,
            seconds=None if last_sign is None or record.started is None else max(last_sign - record.started, 0.0),
            silent=standing.silent,
            attempt=standing.attempt,
            step=record.step,
            max_step=record.max_step,
            step_seconds=record.step_seconds,
            host=record.host,
            job_id=record.job_id,
        )
        if place.name and not others and (entry := Entry.of(found)):
            self.entries[place.name] = entry
        return trial

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
        ending = read_ending(trial_dir)
        origin = self._origin(trial_dir)
        error = ending.error
        return Trial(
            number=origin.number,
            name=",".join(job.overrides) or trial_dir.name,
            dir=trial_dir,
            sweep=self._books.sweep,
            state=TrialState.UNREADABLE if logged.error else ending.state,
            cause=ending.cause,
            reason=logged.error or (f"{error.type}: {error.message}".strip(": ") if error else ""),
            params=job.params,
            overrides=job.overrides,
            script=origin.script,
            metrics=logged.metrics,
            final={**ending.final, **logged.final},
            error=error,
            started=_began(trial_dir),
            step=max((item["last_step"] for item in logged.metrics.values()), default=None),
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
    """Return the summary of a trial whose own book nobody kept: of its metrics, or else of what its trainer wrote."""
    from hyperherd.metrics.store.reader import has_metrics, read_final, read_summary

    try:
        if not has_metrics(trial_dir):
            return Logged(summaries(read_series(trial_dir)))
        return Logged(decode_numbers(read_summary(trial_dir)["metrics"]), decode_final(read_final(trial_dir)))
    except (OSError, FormatError) as error:
        return Logged(error=_why(error))


def _other_metrics(trial_dir: Path) -> dict[str, dict[str, Any]]:
    """Return what a trainer wrote in a trial that logged nothing to us; nothing if that is broken."""
    try:
        return summaries(read_series(trial_dir))
    except (OSError, FormatError):
        return {}


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _number_of(trial_dir: Path) -> int | None:
    return int(trial_dir.name) if trial_dir.name.isdecimal() else None


def _began(trial_dir: Path) -> float | None:
    """Return when Hydra started a job: it writes the overrides first, and never again."""
    try:
        return (TrialPaths(trial_dir).hydra / "overrides.yaml").stat().st_mtime
    except OSError:
        return None
