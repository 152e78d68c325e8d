"""JSONL: a folder for each run, with `metrics.jsonl` (one row a line, as trials log them) and `run.json` (all else)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, ResultsError
from hyperherd.forward.ledger import alone
from hyperherd.forward.runs import Run
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker
from hyperherd.forward.trackers.growing import Record, grow
from hyperherd.metrics.rows.values import dumps, wrap
from hyperherd.records.disk.files import read_json, replace_json, strict


class JsonlTracker(Tracker):
    """Writes below a folder. Its rows can be read by `herd-results import` and by whatever reads the nested form.

    Args:
        folder: made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, run: Run) -> Sent:
        """Write what is not there yet; see `Tracker.send`."""
        place = self._folder / run.folder
        with alone(self._folder / ".hyperherd.lock"):
            _check_ours(place, run)
            if _read(place / "run.json") != strict(run.facts()):
                replace_json(place / "run.json", run.facts())
            new = grow(place / "metrics.jsonl", lambda: _lines(run))
        total = sum(len(row.metrics) + len(row.others) for row in run.rows)
        return Sent(runs=1, delivered=new, already=total - new)


def _check_ours(place: Path, run: Run) -> None:
    """Refuse a folder with metrics of which nothing says that they are this run's."""
    if (place / "metrics.jsonl").exists() and _read(place / "run.json").get("id") != run.id:
        raise ResultsError(f"{place / 'metrics.jsonl'} is not of {run.name}; choose another folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, FormatError):
        return {}


def _lines(run: Run) -> Iterator[Record]:
    for row in run.rows:
        numbers = {name: strict(value) for name, value in row.metrics.items()}
        record: dict[str, Any] = {"ts": row.time, "step": row.step, "metrics": numbers}
        if row.others:
            record["json"] = {name: wrap(value) for name, value in row.others.items()}
        yield dumps(record) + b"\n", len(row.metrics) + len(row.others)
