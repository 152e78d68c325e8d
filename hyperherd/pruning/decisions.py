"""What was decided about a trial at its rungs, with the arithmetic: `rungs.jsonl` in the trial's own directory."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import TrialPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import append, dumps, number, read_lines
from hyperherd.records.disk.ownership import file_mode

CONTINUED, PRUNED, PAUSED, NOT_JUDGED = "continued", "pruned", "paused", "not judged"
_MOST = 10_000
"""Decisions that are read of a trial; the file may be of anybody's making."""
_MOST_TRIALS = 10**6
_MOST_RANGES = 200
"""A list of trials is kept as ranges of numbers; one that takes more of them is left out."""


@dataclass(frozen=True)
class Decision:
    """One line of `rungs.jsonl`.

    Attributes:
        verdict: ``continued``, ``pruned``, ``paused`` or ``not judged``.
        reason: the arithmetic in words, or why it was not judged.
        rule: that decided.
        metric: that was judged.
        phase: in which.
        attempt: of the trial.
        rung: its position, in `unit`; None if a single value decided.
        unit: ``step`` or ``epoch``.
        step: at which the value was logged.
        time: seconds since 1970, by the clock of the trial's host.
        value: that was judged; of a configuration the mean over its seeds.
        own: what the trial itself has shown: the value, the best and the mean up to there, and of how many.
        rank: 1 is the best; None for a rule that has none.
        cohort: how many were compared, the trial itself included.
        keep: how many of these go on.
        threshold: the worst value with which one goes on.
        arrived: numbers of the trials that had come to the rung, as ranges: ``0-3,7``.
    """

    verdict: str
    reason: str
    rule: str
    metric: str
    attempt: int
    step: int
    time: float
    unit: str = "step"
    phase: str = ""
    rung: int | None = None
    value: float | None = None
    own: dict[str, Any] | None = None
    rank: int | None = None
    cohort: int | None = None
    keep: int | None = None
    threshold: float | None = None
    arrived: str | None = None

    @property
    def short(self) -> str:
        """It in a few words: ``rung 15: 3 of 8``."""
        where = f"step {self.step}" if self.rung is None else f"rung {self.rung}"
        placed = f"{self.rank} of {self.cohort}" if self.rank is not None else self.verdict
        return f"{where}: {placed}"

    @property
    def line(self) -> str:
        """It in one line."""
        where = f"step {self.step}" if self.rung is None else f"rung {self.rung}"
        if self.rung is not None and self.unit != "step":
            where += f" (in {self.unit}s, step {self.step})"
        elif self.rung not in (None, self.step):
            where += f" (step {self.step})"
        return f"{where}: {self.metric} {self.reason}"


_KINDS: dict[str, kinds.Kind] = {
    **dict.fromkeys(("verdict", "reason", "rule", "metric", "unit", "phase"), kinds.text),
    "attempt": kinds.count,
    "step": kinds.whole,
    "time": kinds.moment,
    **dict.fromkeys(("rung", "rank", "cohort", "keep"), kinds.optional(kinds.whole)),
    "arrived": kinds.optional(kinds.text),
    "own": kinds.optional(kinds.mapping),
}


def append_decision(trial_dir: Path, decision: Decision) -> None:
    """Append a decision to those of a trial.

    Raises:
        OSError: the disk does not take it.
    """
    values = {key: value for key, value in vars(decision).items() if value is not None}
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(TrialPaths(trial_dir).rungs, flags, file_mode())
    try:
        # What a loss of power takes away is decided anew by the next attempt.
        append(descriptor, (dumps(values) + "\n").encode("utf-8", "surrogatepass"), durable=False)
    finally:
        os.close(descriptor)


def read_decisions(trial_dir: Path) -> list[Decision]:
    """Return the decisions about a trial in their order; empty if there are none, or none that can be read."""
    try:
        return list(islice(_read(TrialPaths(trial_dir).rungs), _MOST))
    except (OSError, FormatError):
        return []


def _read(path: Path) -> Iterator[Decision]:
    known = {item.name for item in fields(Decision)}
    for raw in read_lines(path):
        values = {key: value for key, value in raw.items() if key in known}
        values |= {key: number(values[key]) for key in ("value", "threshold") if key in values}
        if kinds.fault(values, _KINDS):
            continue
        try:
            yield Decision(**values)
        except TypeError:  # A key is missing.
            continue


def as_ranges(numbers: Collection[int]) -> str | None:
    """Return numbers as ``0-3,7``; None if that takes too many ranges."""
    parts: list[list[int]] = []
    for one in sorted(numbers):
        if parts and one == parts[-1][1] + 1:
            parts[-1][1] = one
        else:
            parts.append([one, one])
    if len(parts) > _MOST_RANGES:
        return None
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def from_ranges(text: str) -> set[int]:
    """Return the numbers of ``0-3,7``, as far as they can be read and are as many as a sweep may have."""
    found: set[int] = set()
    for part in text.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        first, _, last = part.partition("-")
        if len(part) < 30 and first.isdecimal() and (last or first).isdecimal() and len(found) < _MOST_TRIALS:
            low = int(first)
            found.update(range(low, min(int(last or first), low + _MOST_TRIALS) + 1))
    return found
