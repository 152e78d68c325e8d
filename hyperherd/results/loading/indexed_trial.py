"""Trials made of their entries in the index; values that few tables need are read from `trial.json` on demand."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.masking import masked_name, masked_params, masked_words
from hyperherd.metrics.store.foreign import first_results
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd.results.files.index import FACTS, STATISTICS, IndexEntry
from hyperherd.results.files.recorded_metrics import recorded_metrics
from hyperherd.results.files.trial_json import decode_final, decode_numbers, read_record
from hyperherd.results.trials.trial import Sweep, Trial

_IN_INDEX = frozenset({"metrics", "final", "choices", "config_hash", "versions"})
"""What of a `trial.json` the index has as well."""
_STATES = {state.value: state for state in TrialState}
_WIDTH = len(STATISTICS)


_PLACES = {None: 1, "last": 1, "min": 3, "max": 5}
"""Aggregate -> its place among `STATISTICS`."""


@lru_cache(maxsize=1024)
def _starts(metrics: tuple[str, ...]) -> dict[str, int]:
    """Return where the statistics of each metric begin."""
    return {name: place * _WIDTH for place, name in enumerate(metrics)}


class IndexedTrial(Trial):
    """A trial that is done, as the index has it."""

    @classmethod
    def of(cls, entry: IndexEntry, path: str, sweep: Sweep) -> IndexedTrial:
        """Return the trial in the directory `path`."""
        trial = cls.__new__(cls)
        told = trial.__dict__
        told.update(zip(FACTS, entry.facts))  # noqa: B905 - the index has compared the lengths; it is done so often
        told["state"] = _STATES[told["state"]]
        told["params"] = masked_params(dict(zip(entry.shape[0], entry.params)))  # noqa: B905
        final = dict(zip(entry.shape[1], entry.final))  # noqa: B905
        told["final"] = decode_final(final) if entry.is_odd else final
        told["kept"] = entry.kept
        told["alert_counts"] = {}  # a trial with alerts has no entry
        told["sweep"], told["script"], told["_path"], told["_entry"] = sweep, sweep.script, path, entry
        return trial

    @cached_property
    def dir(self) -> Path:
        """Its directory."""
        return Path(self.__dict__["_path"])

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric -> count, last, min, max, their steps and nan."""
        return {name: self.summary(name) for name in self.metric_names}

    @cached_property
    def phases(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Phase -> metric -> count, last, min, max, their steps and nan there."""
        found = self._record.phases if self._record and self.phase_names else {}
        return {name: decode_numbers(some) for name, some in found.items()}

    @cached_property
    def phase_names(self) -> dict[str, tuple[str, ...]]:
        """Phase -> its metrics, in the order of the phases."""
        entry: IndexEntry = self.__dict__["_entry"]
        return dict(entry.shape[3])

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics it has logged."""
        entry: IndexEntry = self.__dict__["_entry"]
        return entry.shape[2]

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of a metric (see :class:`Trial`)."""
        entry: IndexEntry = self.__dict__["_entry"]
        start = _starts(entry.shape[2]).get(name)
        place = _PLACES.get(aggregate)
        if start is None or place is None or entry.is_odd or name in self.final:
            return super().value(name, aggregate)
        return entry.statistics[start + place]

    def summary(self, name: str) -> dict[str, Any]:
        """Return count, last, min, max, their steps and nan of a metric; empty if it has not logged it."""
        entry: IndexEntry = self.__dict__["_entry"]
        start = _starts(entry.shape[2]).get(name)
        if start is None:
            return self._summary_of_phase(name) if ":" in name else {}
        summary = dict(zip(STATISTICS, entry.statistics[start : start + _WIDTH], strict=True))
        return decode_numbers({name: summary})[name] if entry.is_odd else summary

    @cached_property
    def _record(self) -> TrialRecord | None:
        """Its `trial.json` but for what the index has; None if that has gone since."""
        return self._read(_IN_INDEX)

    def _read(self, without: Collection[str] = ()) -> TrialRecord | None:
        try:
            found = read_record(self.__dict__["_path"], without)
        except (OSError, FormatError):
            return None
        return found.record if found else None

    def forget(self) -> None:
        """Let go of its `trial.json`."""
        for name in ("_record", "metrics", "phases", "objective", "overrides", "resources"):
            self.__dict__.pop(name, None)

    @cached_property
    def name(self) -> str:
        """For people."""
        return masked_name(self._record.name, self._record.overrides) if self._record else self.label

    @cached_property
    def overrides(self) -> tuple[str, ...]:
        """Its overrides."""
        return masked_words(self._record.overrides) if self._record else ()

    @property
    def fixed_overrides(self) -> tuple[str, ...]:
        """The overrides of what is not a parameter, but for those of Hydra's own config."""
        entry: IndexEntry = self.__dict__["_entry"]
        return entry.shape.fixed

    @cached_property
    def objective(self) -> dict[str, Any] | None:
        """How the sweep's objective stands."""
        if self._record is None:
            return None
        entry: IndexEntry = self.__dict__["_entry"]
        if not entry.others:
            return self._record.objective
        saved, record = self.sweep.objective, self._read()
        if record is None:
            return None
        spec = saved.spec if saved else None
        return recorded_metrics(record, self.__dict__["_path"], first_results(self.sweep.dir), spec).objective

    @cached_property
    def reason(self) -> str:
        """Why it is not simply done."""
        error = self._record.error if self._record else None
        return f"{error.type}: {error.message}".strip(": ") if error else ""

    @cached_property
    def step_seconds(self) -> float | None:
        """The usual time between two logged steps."""
        return self._record.step_seconds if self._record else None

    @cached_property
    def resources(self) -> dict[str, Any]:
        """What it has taken of its machine."""
        return self._record.resources if self._record else {}

    @cached_property
    def host(self) -> str:
        """Where it ran."""
        return self._record.host if self._record else ""

    @cached_property
    def job_id(self) -> str | None:
        """The scheduler's number of its job."""
        return self._record.job_id if self._record else None
