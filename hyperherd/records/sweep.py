"""`sweep.json` and `trials.jsonl`: what was asked for, and the trials that follow from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import FORMAT, SweepPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import dumps, read_json, read_lines, replace_bytes, replace_json
from hyperherd.records.disk.guarded import LIST_BYTES, lines, open_regular


@dataclass(frozen=True)
class PlannedTrial:
    """One line of `trials.jsonl`: a trial as planned, whether it has run or not."""

    number: int
    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]
    dir: str | None = None
    orphan: bool = False
    resources: dict[str, Any] = field(default_factory=dict)
    trashed: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
    """How a sampler chose it; docs/format.md explains it."""

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> PlannedTrial:
        """Make a planned trial from one line, ignoring keys this version does not know."""
        values = {key: value for key, value in raw.items() if key in _PLANNED}
        if fault := kinds.fault(values, _PLANNED_KINDS):
            raise TypeError(fault)
        return cls(**{**values, "overrides": tuple(values["overrides"])})

    def placed(self, where: str | None) -> PlannedTrial:
        """Return it with its directory; `dataclasses.replace` would take thrice as long."""
        return PlannedTrial(**{**vars(self), "dir": where})


_LEFT_OUT = ("trashed", "asked")
"""Not written where they say nothing."""
_PLANNED = frozenset(item.name for item in fields(PlannedTrial))
_PLANNED_KINDS: dict[str, kinds.Kind] = {
    "number": kinds.whole,
    "key": kinds.text,
    "name": kinds.text,
    "overrides": kinds.texts,
    "params": kinds.mapping,
    "dir": kinds.optional(kinds.path),
    "orphan": kinds.flag,
    "resources": kinds.mapping,
    "trashed": kinds.flag,
    "asked": kinds.mapping,
}
_SWEEP_KINDS: dict[str, kinds.Kind] = {
    "name": kinds.text,
    "created": kinds.moment,
    "script": kinds.path,
    "job_name": kinds.text,
    "space": kinds.mapping,
    "base": kinds.mapping,
    "objective": kinds.optional(kinds.mapping),
    "objectives": kinds.mappings,
    "seed_key": kinds.optional(kinds.text),
    "note": kinds.optional(kinds.text),
    "invocations": kinds.mappings,
    "command": kinds.texts,
    "run_once": kinds.texts,
    "no_command": kinds.optional(kinds.text),
    "decided": kinds.optional(kinds.mapping),
    "pruner": kinds.optional(kinds.mapping),
}


@dataclass(frozen=True)
class SweepRecord:
    """The content of `sweep.json`; docs/format.md explains each field."""

    name: str
    created: float
    script: str
    job_name: str
    space: dict[str, Any]
    base: dict[str, Any]
    objective: dict[str, str] | None = None
    seed_key: str | None = None
    note: str | None = None
    invocations: list[dict[str, Any]] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    run_once: list[str] = field(default_factory=list)
    no_command: str | None = None
    decided: dict[str, Any] | None = None
    pruner: dict[str, Any] | None = None
    objectives: list[dict[str, str]] = field(default_factory=list)

    def write(self, sweep_dir: Path) -> None:
        """Replace the `sweep.json` of `sweep_dir`."""
        replace_json(SweepPaths(sweep_dir).sweep, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, sweep_dir: Path, problems: list[str] | None = None) -> SweepRecord:
        """Read the `sweep.json` of `sweep_dir` as far as it goes; what it lacks is empty.

        Args:
            sweep_dir: of the sweep.
            problems: what it lacks is added here in words.

        Raises:
            FileNotFoundError: there is none.
            FormatError: it is broken, or of a newer format; the message names the file.
        """
        path = SweepPaths(sweep_dir).sweep
        raw = read_json(path)
        known = {item.name for item in fields(cls)}
        empty = {"name": sweep_dir.name, "created": 0.0, "script": "", "job_name": "", "space": {}, "base": {}}
        if problems is not None and (names := sorted(empty.keys() - raw.keys())):
            problems.append(f"{path} lacks {', '.join(names)}")
        values = {**empty, **{key: value for key, value in raw.items() if key in known}}
        if fault := kinds.fault(values, _SWEEP_KINDS):
            raise FormatError(f"{path}: {fault}")
        return cls(**values)


def write_planned(sweep_dir: Path, trials: list[PlannedTrial]) -> None:
    """Replace the `trials.jsonl` of `sweep_dir`."""
    # What the command line had that is not UTF-8 is in overrides as lone surrogates.
    text = "".join(dumps(_line(trial)) + "\n" for trial in trials)
    replace_bytes(SweepPaths(sweep_dir).trials, text.encode("utf-8", "surrogatepass"))


def _line(trial: PlannedTrial) -> dict[str, Any]:
    return {key: value for key, value in vars(trial).items() if key not in _LEFT_OUT or value}


def read_planned(sweep_dir: Path, problems: list[str] | None = None) -> list[PlannedTrial]:
    """Return the planned trials of `sweep_dir` in the order of their numbers; empty if none are recorded.

    Args:
        sweep_dir: of the sweep.
        problems: a line that is not a planned trial is skipped, and described here.
    """
    path = SweepPaths(sweep_dir).trials
    planned = []
    try:
        for count, raw in enumerate(read_lines(path), 1):
            try:
                planned.append(PlannedTrial.from_json(raw))
            except (KeyError, TypeError) as error:
                if problems is not None:
                    problems.append(f"{path}: entry {count} is not a planned trial: {error}")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return planned


def find_planned(sweep_dir: Path, overrides: list[str], likely: int | None = None) -> PlannedTrial:
    """Return the planned trial with these overrides.

    Args:
        sweep_dir: of the sweep.
        overrides: of the trial.
        likely: its number, unless the launcher counts in another way; with it only a few lines are read.

    Raises:
        SweepError: the sweep has no such trial.
    """
    if likely is not None and (trial := _find_number(sweep_dir, likely)) and trial.overrides == tuple(overrides):
        return trial
    # As it stands in the file, so that few lines have to be parsed.
    needle = f'"overrides": {dumps(overrides)}'
    found = _find_line(sweep_dir, needle, lambda trial: trial.overrides == tuple(overrides))
    if found is None:
        raise SweepError(f"{sweep_dir} has no planned trial with the overrides {' '.join(overrides) or '(none)'}")
    return found


def find_planned_number(sweep_dir: Path, number: int) -> PlannedTrial:
    """Return the planned trial with this number.

    Raises:
        SweepError: the sweep has no such trial.
    """
    found = _find_number(sweep_dir, number)
    if found is None:
        found = _find_line(sweep_dir, f'"number": {number},', lambda trial: trial.number == number)
    if found is None:
        raise SweepError(f"{sweep_dir} has no planned trial {number}")
    return found


def _find_number(sweep_dir: Path, number: int) -> PlannedTrial | None:
    """Return the trial with this number, if it is where the order of numbers has it; every job of thousands looks.

    The line is searched for by halving: what begins before `low` has smaller numbers, from `high` on greater ones.
    """
    with open(SweepPaths(sweep_dir).trials, "rb") as stream:
        low, high = 0, stream.seek(0, os.SEEK_END)
        while low < high:
            middle = (low + high) // 2
            # One byte before: else a line that begins at `middle` would be taken for the rest of one, and passed over.
            stream.seek(max(middle - 1, 0))
            if middle:
                stream.readline()
            start, line = stream.tell(), stream.readline()
            raw = _json_object(line)
            if start < high and raw.get("number") == number:
                return PlannedTrial.from_json(raw)
            if start < high and raw.get("number", number) < number:
                low = stream.tell()
            else:
                high = middle
    return None


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(line)
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _find_line(sweep_dir: Path, needle: str, wanted: Callable[[PlannedTrial], bool]) -> PlannedTrial | None:
    """Return the first wanted trial, parsing only lines that hold `needle`: a job looks for one line of thousands."""
    encoded, path = needle.encode("utf-8", "surrogatepass"), SweepPaths(sweep_dir).trials
    try:
        with open_regular(path, LIST_BYTES) as stream:
            for line in lines(stream, path):
                if encoded in line and wanted(trial := PlannedTrial.from_json(json.loads(line))):
                    return trial
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is not a list of trials: {error}") from None
    return None
