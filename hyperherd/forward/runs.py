"""A trial as trackers see it: a run with a stable id, its configuration, its history, and how it stands.

Invariant: everything here comes from a `Trial`, which masks what looks like a secret, so no tracker gets more.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.journal import as_number
from hyperherd.metrics.rows.values import as_name, logged
from hyperherd.records.disk.files import dumps
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import flat

PREFIX = "hyperherd"
"""Leads the names under which trackers keep what is ours, such as `hyperherd.id`."""
_NOT_IN_FILES = re.compile(r"[^A-Za-z0-9._-]+")
_UNFINISHED = frozenset({TrialState.RUNNING, TrialState.SUBMITTED, TrialState.REQUEUED, TrialState.STALLED})
"""The states after which more may come."""


@dataclass(frozen=True)
class Row:
    """What was logged at one step and one time."""

    step: int
    time: float | None
    """Seconds since 1970; None where nobody noted it."""
    metrics: Mapping[str, float]
    others: Mapping[str, Any] = field(default_factory=dict)
    """Values that are not numbers."""

    def identities(self) -> dict[str, bytes]:
        """Return metric -> eight bytes that stand for this value at this step and time.

        For each value and not for the row: rows without a time are put together by their step, so what else belongs
        to one may come later.
        """
        return {name: identity(name, self.step, self.time, value) for name, value in self.metrics.items()}


@dataclass(frozen=True)
class Run:
    """One trial, ready to be sent."""

    id: str
    """Stable: the same wherever the sweep is moved, and however often the trial is run again."""
    name: str
    sweep: str
    sweep_id: str
    number: int | None
    sweep_dir: Path
    state: TrialState
    config: dict[str, Any]
    """The whole config, nested; only the parameters if the trial kept none."""
    params: dict[str, Any]
    rows: list[Row] = field(repr=False, default_factory=list)
    """In the order in which they were logged."""
    final: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    reason: str = ""
    started: float | None = None
    ended: float | None = None
    links: dict[str, str] = field(default_factory=dict)
    """Where to look: the trial's directory, the sweep's, the command, the commit."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.state not in _UNFINISHED

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration by dotted name."""
        return {**flat(self.config), **self.params}

    @property
    def folder(self) -> str:
        """A name that any file system takes, and that no other run has."""
        words = f"{self.sweep}-{self.name if self.number is None else self.number}"
        return f"{_NOT_IN_FILES.sub('_', words).strip('._-')[:80]}-{self.id[-8:]}"

    @cached_property
    def closing(self) -> Row | None:
        """The final values that are numbers, as a last row of a run that has ended; None if there are none.

        One that shares its name with a metric of the history is called ``final/NAME``: it would stand in a curve.
        """
        numbers = {name: as_number(value) for name, value in self.final.items() if name not in self.other_finals}
        named = {self.final_name(name): value for name, value in numbers.items() if value is not None}
        if not self.has_ended or not named:
            return None
        return Row(max((row.step for row in self.rows), default=0), self.ended or self.started, named)

    @cached_property
    def other_finals(self) -> dict[str, Any]:
        """The final values that are not numbers."""
        return {name: value for name, value in self.final.items() if isinstance(value, str) or as_number(value) is None}

    @cached_property
    def _series(self) -> frozenset[str]:
        return frozenset(name for row in self.rows for name in row.metrics)

    def final_name(self, name: str) -> str:
        """Return the name of a final value among the metrics of the history."""
        return f"final/{name}" if name in self._series else name

    def all_rows(self) -> Iterator[Row]:
        """Yield the history, and the final values behind it."""
        yield from self.rows
        if self.closing is not None:
            yield self.closing

    def facts(self) -> dict[str, Any]:
        """Return all but the history, as JSON has it."""
        facts = {
            "id": self.id,
            "name": self.name,
            "sweep": self.sweep,
            "number": self.number,
            "state": self.state.value,
            "reason": self.reason or None,
            "started": self.started,
            "ended": self.ended,
            "config": self.config,
            "params": self.params,
            "final": self.final,
            "tags": list(self.tags),
            "note": self.note or None,
            "links": self.links,
        }
        return _as_json(facts)


def identity(*parts: Any) -> bytes:
    """Return eight bytes that stand for some values; of a million two are the same with a chance of 1 in 37 million."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def run_of(trial: Trial) -> Run:
    """Return a trial as a run.

    Raises:
        FormatError: its metrics cannot be read.
        OSError: a file may not be read.
    """
    sweep_id = _sweep_id(trial.sweep)
    commit = trial.provenance.get("git", {})
    links = {
        "directory": "" if trial.dir is None else str(trial.dir.absolute()),
        "sweep": str(trial.sweep.dir),
        "command": shlex.join(trial.command),
        "commit": str(commit.get("commit") or "") if isinstance(commit, dict) else "",
    }
    return Run(
        id=f"hh-{identity(sweep_id, trial.number, trial.key or _place(trial)).hex()}",
        name=as_name(trial.name or trial.label),
        sweep=as_name(trial.sweep.name),
        sweep_id=sweep_id,
        number=trial.number,
        sweep_dir=trial.sweep.dir,
        state=trial.state,
        config=_as_json(trial.config or trial.params),
        params=_as_json(trial.params),
        rows=rows_of(trial),
        final=dict(trial.final),
        tags=trial.tags,
        note=as_name(trial.note),
        reason=as_name(trial.reason),
        started=trial.started,
        ended=trial.ended,
        links={name: as_name(text) for name, text in links.items() if text},
    )


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in JSON's own types: a config from YAML has dates, and texts that are not UTF-8."""
    found: dict[str, Any] = json.loads(dumps(values).encode("utf-8", "replace"))
    return found


def _sweep_id(sweep: Sweep) -> str:
    """Return what a sweep of ours keeps when it is moved; its place, for others."""
    try:
        created = SweepRecord.read(sweep.dir).created
    except (OSError, FormatError):
        created = 0.0
    return identity(sweep.name, created or str(sweep.dir)).hex()


def _place(trial: Trial) -> str:
    return "" if trial.dir is None else trial.dir.name


def rows_of(trial: Trial) -> list[Row]:
    """Return the rows that stand of a trial, in the order in which they were logged.

    Raises:
        FormatError: they cannot be read.
        OSError: a file may not be read.
    """
    table = trial.history()
    phases = table["phase"].to_pylist() if "phase" in table.column_names else [None] * len(table)
    columns = [table[name].to_pylist() for name in ("step", "attempt", "metric", "value", "json")]
    times = table["time"].cast("int64").to_pylist()
    found: dict[tuple[Any, ...], Row] = {}
    for step, attempt, metric, value, text, phase, time in zip(*columns, phases, times, strict=True):
        row = found.get((attempt, time, step, phase))
        if row is None:
            row = Row(step, None if time is None else time / 1e6, {}, {})
            found[attempt, time, step, phase] = row
        # As herd-results names a metric of a phase.
        name = metric if phase is None else f"{metric}:{phase}"
        if value is None:
            row.others[name] = logged(None, text)  # type: ignore[index]
        else:
            row.metrics[name] = value  # type: ignore[index]
    return [found[place] for place in sorted(found, key=_order)]


def _order(place: tuple[Any, ...]) -> tuple[Any, ...]:
    attempt, time, step, phase = place
    return attempt, time is None, time or 0, step, phase or ""


def as_text(value: Any) -> str:
    """Return a setting as a tracker shows it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else dumps(value)
