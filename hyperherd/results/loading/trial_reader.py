"""Reads one trial from what it, its sweep and Hydra wrote, and derives its state.

A broken directory becomes a trial in state ``unreadable`` with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.masking import masked_name, masked_params, masked_words
from hyperherd.metrics.rows.phases import SYSTEM
from hyperherd.metrics.store.foreign import first_results
from hyperherd.paths import METRICS_FILE, RECORDS
from hyperherd.records.alerts import counted_by_level
from hyperherd.records.config import KeptSettings
from hyperherd.records.events import CONTINUED
from hyperherd.records.places import Outside, is_below, leaves, trial_dir_of
from hyperherd.records.states import TrialState
from hyperherd.records.status import READMITTED, Observer, derive_status
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.results.files.discover import TrialFolder, absolute, is_trial_dir
from hyperherd.results.files.event_files import NoReader
from hyperherd.results.files.hydra_job import HydraOrigin, hydra_folder, read_job, read_origin
from hyperherd.results.files.index.block import Row
from hyperherd.results.files.index.entry import IndexEntry
from hyperherd.results.files.recorded_metrics import recorded_metrics
from hyperherd.results.files.trainer_files import read_outcome, read_series, summaries
from hyperherd.results.files.trial_json import TrialFile, decode_final, decode_numbers, read_record
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.loading.sweep_files import SweepFiles
from hyperherd.results.trials.trial import Trial

_READ = (RECORDS, f"{RECORDS}/trial.json", f"{RECORDS}/metrics", ".hydra", METRICS_FILE)
"""What of a trial is opened by its name."""


class TrialReader:
    """Reads the trials of one sweep and keeps account of which planned ones it has seen."""

    def __init__(self, files: SweepFiles, observer: Observer) -> None:
        self._files = files
        self._observer = replace(observer, is_held=files.may_start)
        self._by_key = {trial.key: trial for trial in files.planned}
        self._by_dir = {os.path.normpath(trial.dir): trial for trial in files.planned if trial.dir}
        self._seen = {trial.number for trial in files.planned if trial.trashed}
        self._continued = {
            number for number, events in files.events.items() if any(event.event == CONTINUED for event in events)
        }
        self._count = 0
        self._kept: dict[str, KeptSettings] = {}
        self._results = first_results(files.sweep.dir)
        saved = files.sweep.objective
        self._spec = saved.spec if saved else None
        self.stored: list[Row] = []
        """What the index rightly had."""
        self.fresh: IndexEntry | None = None
        """What may be kept of the trial that was read last; None if it was stored, is not done, or is not like that."""
        self._to_keep = 0
        self.outside: set[str] = set()
        """The real places of its trials that lie outside of the sweep."""

    @property
    def is_all_done(self) -> bool:
        """Whether every trial it has read or knows to be planned is done whatever events say, and may be kept."""
        return self._count == self._to_keep and not any(trial.number not in self._seen for trial in self._files.planned)

    def read(self, place: TrialFolder) -> Trial:
        """Return the trial in `place`."""
        self._count += 1
        self.fresh = None
        row = place.stored
        if row is not None and not self._may_run_on(row.fact("number"), row.fact("state")):
            return self._stored(place, row)
        try:
            if place.error:
                raise FormatError(place.error)
            self._check_links(place)
            found = read_record(place.path)
            if found is not None:
                return self._recorded(found, place)
            planned = self._planned_in(place)
            return self._planned(planned, place.dir) if planned else self._plain(place.dir)
        except Outside as error:  # without a directory: nobody is to open it later on either
            return replace(self._unreadable(self._planned_in(place), place.dir, str(error)), dir=None)
        except (OSError, FormatError) as error:
            return self._unreadable(self._planned_in(place), place.dir, _why(error))

    def _check_links(self, place: TrialFolder) -> None:
        """Look whether the trial, and what is read of it, is where it seems to be.

        Raises:
            Outside: a link leaves the sweep, to what is not recorded as this trial on both sides.
        """
        if place.outside:
            planned = self._planned_in(place)
            if planned is None:
                raise Outside(f"{place.path} is a link that leaves the sweep, and no trial is planned there")
            trial_dir_of(self._files.sweep.dir, str(planned.dir), planned.number)
        for name in _READ:
            if leaves(f"{place.path}/{name}", place.path):
                raise Outside(f"{place.path}/{name} is a link that leaves the sweep; it is not followed")

    def _kept_by(self, record: TrialRecord) -> KeptSettings | None:
        """Return what a trial kept, the same object for all that kept the same."""
        if not record.config_hash:
            return None
        told = repr((record.config_hash, record.choices, record.versions))
        if told not in self._kept:
            self._kept[told] = KeptSettings(record.choices, record.config_hash, record.versions)
        return self._kept[told]

    def _planned_in(self, place: TrialFolder) -> PlannedTrial | None:
        return self._by_dir.get(self._below_sweep(place))

    def _below_sweep(self, place: TrialFolder) -> str:
        return os.path.relpath(absolute(place.dir), self._files.sweep.dir)

    def _stored(self, place: TrialFolder, row: Row) -> Trial:
        trial = IndexedTrial.of(row, place.path, self._files.sweep)
        if self._by_key and (known := self._by_key.get(trial.key)) is not None:
            self._seen.add(known.number)
        self.stored.append(row)
        self._to_keep += trial.state not in READMITTED
        return trial

    def _may_run_on(self, number: int, state: TrialState) -> bool:
        """Return whether an event may say that a trial which has ended so is to run on: the index has no events."""
        return number in self._continued and state in READMITTED

    def not_found(self, sweep_dir: Path) -> Iterator[Trial]:
        """Yield the planned trials that were not found by looking through `sweep_dir`.

        The plan names their directories: inside another trial's, outside of the sweep, or not there (yet, or any more).
        """
        for planned in self._files.planned:
            if planned.number not in self._seen:
                self.fresh = None
                yield self._elsewhere(planned, sweep_dir) if planned.dir else self._planned(planned, None)

    def _elsewhere(self, planned: PlannedTrial, sweep_dir: Path) -> Trial:
        written = sweep_dir / str(planned.dir)
        try:
            trial_dir = trial_dir_of(self._files.sweep.dir, str(planned.dir), planned.number)
            if not is_below(str(planned.dir)):
                self.outside.add(os.path.realpath(trial_dir))
                return self.read(TrialFolder(str(trial_dir), self._files.sweep.dir))
            if not is_trial_dir(written):
                return self._planned(planned, written)
            place = TrialFolder(str(written), self._files.sweep.dir, name=os.path.normpath(str(planned.dir)))
            return self.read(place) if self._is_of(planned, place) else self._planned(planned, None)
        except FileNotFoundError:
            return self._planned(planned, None)
        except FormatError as error:
            return replace(self._unreadable(planned, written, str(error)), dir=None)

    def _is_of(self, planned: PlannedTrial, place: TrialFolder) -> bool:
        """Return whether a directory is that of the trial which is planned there, and not another one's."""
        try:
            found = read_record(place.path)
        except (OSError, FormatError):  # reading it reports why
            found = None
        return found.record.key == planned.key if found else self._by_dir.get(place.name) is planned

    def _recorded(self, found: TrialFile, place: TrialFolder) -> Trial:
        record = found.record
        known = self._by_key.get(record.key)
        if known is not None:
            self._seen.add(known.number)
        status = derive_status(record, self._files.events.get(record.number, ()), self._observer)
        last_sign = record.heartbeat if record.ended is None else record.ended
        # Events may know of an attempt that has not written its record yet: error and end are then of the one before.
        spoke = status.attempt == record.attempt
        told = recorded_metrics(record, place.path, self._results, self._spec, is_odd=found.is_odd)
        trial = Trial(
            number=record.number,
            name=masked_name(record.name, record.overrides),
            dir=place.dir,
            sweep=self._files.sweep,
            state=status.state,
            cause=status.cause,
            reason=status.reason,
            params=masked_params(record.params),
            overrides=masked_words(record.overrides),
            key=record.key,
            script=self._files.sweep.script,
            metrics=told.metrics,
            phases={name: decode_numbers(some) for name, some in record.phases.items()},
            final=decode_final(record.final) if found.is_odd else record.final,
            objective=told.objective,
            error=record.error if spoke else None,
            started=record.started,
            ended=record.ended if spoke else None,
            seconds=None if last_sign is None or record.started is None else max(last_sign - record.started, 0.0),
            silent=status.silent,
            attempt=status.attempt,
            step=told.step,
            max_step=record.max_step,
            step_seconds=record.step_seconds,
            host=record.host,
            job_id=record.job_id,
            gpus=record.gpus,
            resources=record.resources,
            kept=self._kept_by(record),
            hint=told.hint,
            alert_counts=_alerts(record, place.dir),
        )
        if told.unread:
            trial.__dict__["_unread"] = told.unread
        elif place.name and not (told.is_from_trainer or told.hint or self._may_run_on(record.number, record.state)):
            self.fresh = IndexEntry.of(place.name, found, told, trial.kept)
            self._to_keep += self.fresh is not None and record.state not in READMITTED
        return trial

    def _planned(self, planned: PlannedTrial, trial_dir: Path | None) -> Trial:
        self._seen.add(planned.number)
        status = derive_status(None, self._files.events.get(planned.number, ()), self._observer)
        logged = read_logged(trial_dir) if trial_dir and trial_dir.is_dir() else LoggedMetrics()
        return Trial(
            number=planned.number,
            name=masked_name(planned.name, planned.overrides),
            dir=trial_dir,
            sweep=self._files.sweep,
            state=TrialState.UNREADABLE if logged.error else status.state,
            cause=status.cause,
            reason=logged.error or status.reason,
            params=masked_params(planned.params),
            overrides=masked_words(planned.overrides),
            key=planned.key,
            script=self._files.sweep.script,
            attempt=status.attempt,
            metrics=logged.metrics,
            phases=logged.phases,
            final=logged.final,
        )

    def _plain(self, trial_dir: Path) -> Trial:
        job = read_job(trial_dir)
        logged = read_logged(trial_dir)
        outcome = read_outcome(trial_dir)
        origin = self._origin(trial_dir)
        error = outcome.error
        return Trial(
            number=origin.number,
            name=",".join(job.overrides) or trial_dir.name,
            dir=trial_dir,
            sweep=self._files.sweep,
            state=TrialState.UNREADABLE if logged.error else outcome.state,
            cause=outcome.cause,
            reason=logged.error or (f"{error.type}: {error.message}".strip(": ") if error else ""),
            params=job.params,
            overrides=job.overrides,
            script=origin.script,
            metrics=logged.metrics,
            phases=logged.phases,
            final={**outcome.final, **logged.final},
            error=error,
            started=_began(trial_dir),
            step=_last_step(logged),
            hint=logged.hint,
            alert_counts=counted_by_level(trial_dir),
        )

    def _unreadable(self, planned: PlannedTrial | None, trial_dir: Path, reason: str) -> Trial:
        if planned is not None:
            self._seen.add(planned.number)
        return Trial(
            number=planned.number if planned else _number_of(trial_dir),
            name=masked_name(planned.name, planned.overrides) if planned else trial_dir.name,
            dir=trial_dir,
            sweep=self._files.sweep,
            state=TrialState.UNREADABLE,
            reason=reason,
            params=masked_params(planned.params) if planned else {},
            overrides=masked_words(planned.overrides) if planned else (),
            key=planned.key if planned else "",
            script=self._files.sweep.script,
        )

    def _origin(self, trial_dir: Path) -> HydraOrigin:
        """Return script and number; `hydra.yaml` takes long to read, and a usual sweep records both elsewhere."""
        script, found = self._files.sweep.script, _number_of(trial_dir)
        if found is not None:
            return HydraOrigin(script, found)
        own = read_origin(hydra_folder(trial_dir) / "hydra.yaml")
        return HydraOrigin(script or own.script, own.number)


@dataclass(frozen=True)
class LoggedMetrics:
    """What a trial without a `trial.json` logged, or why it cannot be read."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    hint: str = ""
    phases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def read_logged(trial_dir: Path) -> LoggedMetrics:
    """Return the summary of a trial without a `trial.json`: of its metrics, or else of what its trainer wrote."""
    # It imports pyarrow, which a sweep with a `trial.json` for every trial does not need.
    from hyperherd.metrics.reader import has_metrics, read_final, read_summary

    final: dict[str, Any] = {}
    try:
        if has_metrics(trial_dir):
            summary = read_summary(trial_dir)
            metrics, final = decode_numbers(summary["metrics"]), decode_final(read_final(trial_dir))
            if metrics:
                phases = {name: decode_numbers(some) for name, some in summary.get("phases", {}).items()}
                return LoggedMetrics(metrics, final, phases=phases)
        return LoggedMetrics(summaries(read_series(trial_dir)), final)
    except NoReader as error:
        return LoggedMetrics(final=final, hint=str(error))
    except (OSError, FormatError) as error:
        return LoggedMetrics(error=_why(error))


def _alerts(record: TrialRecord, trial_dir: Path) -> dict[str, int]:
    """Return how many alerts of each level there are; one that was killed may have raised some after its last word."""
    return record.alerts if record.state.done else counted_by_level(trial_dir)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _last_step(logged: LoggedMetrics) -> int | None:
    """Return the greatest step of what was logged; what a trial takes of its machine counts seconds instead."""
    others = (item for name, item in logged.metrics.items() if name not in logged.phases.get(SYSTEM, ()))
    return max((item["last_step"] for item in others), default=None)


def _number_of(trial_dir: Path) -> int | None:
    return int(trial_dir.name) if trial_dir.name.isdecimal() and len(trial_dir.name) < 19 else None


def _began(trial_dir: Path) -> float | None:
    """Return when Hydra started a job: it writes the overrides first, and never again."""
    try:
        return (hydra_folder(trial_dir) / "overrides.yaml").stat().st_mtime
    except OSError:
        return None
