"""What other programs leave beside a Hydra job: Lightning's `metrics.csv`, the `trainer_state.json` of transformers,
TensorBoard's event files, and what Hydra's `LogJobReturnCallback` writes into the log.

Nothing is taken for more than it says: without a word on how a job ended, its state stays unknown. What cannot be read
is a reason, not a crash.
"""

from __future__ import annotations

import ast
import csv
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hyperherd.errors import FormatError
from hyperherd.records.disk.guarded import LIST_BYTES, lines, open_regular, read_regular
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.files.event_files import PREFIX, read_events

if TYPE_CHECKING:
    import pyarrow as pa

RETURN_VALUE = "return_value"
"""What we call what a job of Hydra returned: the name is not the user's, so it has no direction."""
_DEPTH = 3
"""How far below a trial its trainer's files are looked for: ``lightning_logs/version_0/metrics.csv``."""
_MOST_FOLDERS = 200
_LONGEST_ROW = 1 << 24
_MOST_STATE = 1 << 28
_LONGEST_RETURNED = 1 << 14
_TAIL = 1 << 18
"""Bytes at the end of a log that are looked through."""
_END = re.compile(
    r"\[(?P<logger>hydra\.[\w.]*LogJobReturnCallback)\]\[(?:INFO|ERROR)\] - "
    r"(?:Succeeded with return value: (?P<value>.*)|(?P<error>\s*Traceback [\s\S]*))"
)
_RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$", re.M)

LoggedSeries = dict[str, list[tuple[int, float]]]
"""Metric -> steps and values, in the order in which they were logged."""


@dataclass(frozen=True)
class LoggedOutcome:
    """The end of a job as its log records it."""

    state: TrialState = TrialState.UNKNOWN
    cause: FailureCause | None = None
    error: TrialError | None = None
    final: dict[str, Any] = field(default_factory=dict)


def read_series(trial_dir: Path) -> LoggedSeries:
    """Return the metrics that a trainer's own files hold; empty if there are none.

    Raises:
        NoReader: there are only files of a kind that takes a package which is not installed.
        FormatError: a file is broken; the message names it.
        OSError: it may not be read.
    """
    tables, states, events = _find(trial_dir)
    if tables:
        return _from_csv(max(tables, key=_version))
    if states:
        return _from_states(states)
    return read_events(events) if events else {}


def summaries(series: LoggedSeries) -> dict[str, dict[str, Any]]:
    """Return count, last, min, max, their steps and nan of each metric, as in `trial.json`."""
    return {name: _summary(dict(points)) for name, points in series.items()}


def table(series: LoggedSeries, names: list[str] | None) -> pa.Table:
    """Return the rows of some metrics, or of all, in the schema of ours."""
    # These import pyarrow; a summary of the same files needs none.
    from hyperherd.metrics.rows.journal import Rows
    from hyperherd.metrics.store.columns import Columns
    from hyperherd.metrics.store.default_view import ordered

    columns, rows = Columns(), Rows()
    for name in series if names is None else names:
        for step, value in dict(series.get(name, ())).items():
            rows.add(step, name, value, None)
    columns.add(rows, 0)
    return ordered(columns.table())


def read_outcome(trial_dir: Path) -> LoggedOutcome:
    """Return what Hydra's own callback logged about the end of a job, if it was asked to."""
    for path in sorted(trial_dir.glob("*.log")):
        found = list(_END.finditer(_tail(path)))
        if found and found[-1]["error"]:
            return LoggedOutcome(TrialState.FAILED, FailureCause.EXCEPTION, _error(found[-1]["error"].strip()))
        if found:
            return LoggedOutcome(TrialState.COMPLETED, final=_returned(found[-1]["value"].strip()))
    return LoggedOutcome()


def _find(trial_dir: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the `metrics.csv`, the `trainer_state.json` and the event files not far below a trial."""
    tables, states, events = [], [], []
    start = len(trial_dir.parts)
    for count, (folder, inner, names) in enumerate(os.walk(trial_dir)):
        if count >= _MOST_FOLDERS:
            break
        here = Path(folder)
        deep = len(here.parts) - start >= _DEPTH
        inner[:] = [] if deep else sorted(name for name in inner if not name.startswith((".", "__pycache__")))
        tables += [here / name for name in names if name == "metrics.csv"]
        states += [here / name for name in names if name == "trainer_state.json"]
        events += [here / name for name in names if name.startswith(PREFIX)]
    return tables, states, events


def _version(path: Path) -> tuple[int, float]:
    """Return a sort key that puts the newest of Lightning's ``version_N`` last."""
    number = path.parent.name.rpartition("_")[2]
    return int(number) if number.isdecimal() and len(number) < 19 else -1, path.stat().st_mtime


def _from_csv(path: Path) -> LoggedSeries:
    """Read a table with a column ``step`` and a column per metric, where most cells are empty."""
    series: LoggedSeries = {}
    try:
        with open_regular(path, LIST_BYTES) as stream:
            for place, row in enumerate(csv.DictReader(_text_lines(stream, path))):
                step = _whole(row.get("step") or row.get("epoch"), place)
                for name, text in row.items():
                    value = _number(text)
                    if isinstance(name, str) and name != "step" and value is not None:
                        series.setdefault(name, []).append((step, value))
    except csv.Error as error:
        raise FormatError(f"{path} is not a CSV table: {error}") from None
    return series


def _text_lines(stream: BinaryIO, path: Path) -> Iterator[str]:
    for line in lines(stream, path, _LONGEST_ROW):
        yield line.decode("utf-8", "replace")


def _from_states(paths: list[Path]) -> LoggedSeries:
    """Read the newest of a trainer's states; each checkpoint has one with all that was logged until then."""
    newest: list[dict[str, Any]] = []
    for path in paths:
        newest = max(newest, _history(path), key=len)
    series: LoggedSeries = {}
    for place, row in enumerate(newest):
        step = _whole(row.get("step"), place)
        for name, value in row.items():
            if name != "step" and (number := _number(value)) is not None:
                series.setdefault(str(name), []).append((step, number))
    return series


def _history(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(read_regular(path, _MOST_STATE))["log_history"]
        return [row for row in rows if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} is not a trainer state: {error}") from None


def _summary(values: dict[int, float]) -> dict[str, Any]:
    known = {step: value for step, value in values.items() if not math.isnan(value)}
    steps = sorted(values)
    least = min(sorted(known), key=known.__getitem__, default=None)
    most = max(sorted(known), key=known.__getitem__, default=None)
    return {
        "count": len(values),
        "last": values[steps[-1]],
        "last_step": steps[-1],
        "min": None if least is None else known[least],
        "min_step": least,
        "max": None if most is None else known[most],
        "max_step": most,
        "nan": len(values) - len(known),
    }


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _whole(value: Any, otherwise: int) -> int:
    found = _number(value)
    return int(found) if found is not None and math.isfinite(found) and abs(found) < 2**63 else otherwise


def _tail(path: Path) -> str:
    try:
        with open_regular(path) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except (OSError, FormatError):
        return ""


def _error(traceback: str) -> TrialError:
    raised = [*_RAISED.finditer(traceback)]
    if not raised:
        return TrialError("Exception", "", traceback)
    return TrialError(raised[-1]["type"].rpartition(".")[2], raised[-1]["message"] or "", traceback)


def _returned(text: str) -> dict[str, Any]:
    """Return the numbers a job returned: one, a dict of some, or the values of several objectives in their order."""
    value = _number(text)
    if value is not None:
        return {RETURN_VALUE: int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else value}
    try:
        found = ast.literal_eval(text) if len(text) <= _LONGEST_RETURNED else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    if isinstance(found, list | tuple):
        found = {f"{RETURN_VALUE}.{place}": value for place, value in enumerate(found)}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in _numbers(found)}


def _numbers(found: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for name, value in found.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value
