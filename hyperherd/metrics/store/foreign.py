"""JSONL that other programs write: read in place, never merged away (docs/format.md, Other programs' files).

Invariant: a line that has none of the three shapes costs itself and no other; it is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.journal import Rows, add_record, as_number, as_time, blocks, load
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.rows.values import as_name, as_step, dumps, wrap
from hyperherd.paths import RECORDS, SweepPaths, TrialPaths
from hyperherd.records.disk.files import read_json
from hyperherd.records.disk.guarded import open_regular
from hyperherd.records.places import leaves

_ONE_VALUE = frozenset({"step", "epoch", "value", "ts"})
_PLACES = (f"{RECORDS}/metrics", "metrics.jsonl", "logs/metrics.jsonl")


class Foreign(NamedTuple):
    """A file of another program, and the metric of rows that name none."""

    path: Path
    metric: str


def first_results(sweep_dir: Path) -> str:
    """Return the folder of the first HyperHerd's results in a sweep's directory; empty if there is none."""
    folder = SweepPaths(sweep_dir).records / "results"
    return str(folder) if folder.is_dir() else ""


def may_have_foreign(trial_dir: str, number: int | None, results: str) -> bool:
    """Return whether :func:`list_foreign` may find something: one look at each place, since a table asks every trial.

    Args:
        trial_dir: the directory of the trial.
        number: of the trial.
        results: what :func:`first_results` returned.
    """
    # `access` raises nothing where nothing is, as is usual, and takes half as long as `exists`.
    for place in _PLACES:
        if os.access(f"{trial_dir}/{place}", os.F_OK):
            return True
    return bool(results) and os.access(f"{results}/{number}/stream", os.F_OK)


def list_foreign(paths: TrialPaths) -> list[Foreign]:
    """Return the JSONL files of a trial that are not journals, sorted; those below a folder are named by their path."""
    found = _below(paths.metrics, paths.root)
    for path in (paths.root / "metrics.jsonl", paths.root / "logs" / "metrics.jsonl"):
        if path.is_file() and not leaves(path, paths.root) and not leaves(path.parent, paths.root):
            found.append(Foreign(path, "metrics"))
    return found + _of_first_hyperherd(paths)


def foreign_signature(files: list[Foreign]) -> list[int]:
    """Return numbers that change when one of the files does: modification time in nanoseconds, size, inode of each.

    Raises:
        OSError: one has gone.
    """
    found = [file.path.stat() for file in files]
    return [number for status in found for number in (status.st_mtime_ns, status.st_size, status.st_ino)]


def _below(folder: Path, trial_dir: Path) -> list[Foreign]:
    if not folder.is_dir() or leaves(folder, trial_dir):
        return []
    files = (path for path in folder.rglob("*.jsonl") if path.is_file() and not leaves(path, trial_dir))
    found = [path.relative_to(folder) for path in files]
    return [
        Foreign(folder / path, as_name(path.with_suffix("").as_posix())) for path in sorted(found) if not _is_ours(path)
    ]


def _is_ours(path: Path) -> bool:
    """Return whether a path below the folder is a journal, or hidden: temporary, or a ghost of NFS."""
    is_journal = len(path.parts) == 1 and SourceName.parse(path.name) is not None
    return is_journal or any(part.startswith(".") for part in path.parts)


def _of_first_hyperherd(paths: TrialPaths) -> list[Foreign]:
    """Return the streams that its `log_result` wrote for this trial, in the workspace that is our sweep directory."""
    results = results_above(paths.root)
    number = _number(paths) if results is not None else None
    return [] if results is None or number is None else _below(results / str(number) / "stream", paths.root)


def results_above(trial_dir: Path) -> Path | None:
    """Return the folder of the first HyperHerd's results for trials that lie beside a trial; None if there is none."""
    for parent in trial_dir.absolute().parents:
        results = parent / RECORDS / "results"
        if results.is_dir():
            return results
        if SweepPaths(parent).sweep.exists():
            break
    return None


def _number(paths: TrialPaths) -> int | None:
    """Return the trial's number, as its own book has it."""
    try:
        number = read_json(paths.trial).get("number")
    except (OSError, FormatError):
        return None
    return number if isinstance(number, int) else None


def read_foreign(file: Foreign) -> Iterator[Rows]:
    """Yield the rows of one such file, block by block."""
    with open_regular(file.path) as stream:
        for block in blocks(stream):
            rows = Rows()
            for line in block.split(b"\n"):
                if line.strip() and not add_foreign(rows, load(line), file.metric):
                    rows.skipped += 1
            yield rows


def add_foreign(rows: Rows, record: dict[str, Any] | None, metric: str) -> bool:
    """Add a record of any of the three shapes; return whether it is one."""
    if record is None:
        return False
    counter = "epoch" if record.get("step") is None else "step"
    # A dict: in the flat shape a metric may be called so, and is a number.
    if isinstance(record.get("metrics"), dict):
        return add_record(rows, record if counter == "step" else {**record, "step": record.get(counter)})
    try:
        step = as_step(record.get(counter))
    except TypeError:
        return False
    # Before the flat shape, in which `value` would be the name of a metric.
    if "value" in record and record.keys() <= _ONE_VALUE:
        value = as_number(record["value"])
        text = None if value is not None else dumps(wrap(record["value"])).decode()
        rows.add(step, metric, value, as_time(record.get("ts")), text)
        return True
    return _add_flat(rows, step, {name: value for name, value in record.items() if name != counter})


def _add_flat(rows: Rows, step: int, record: dict[str, Any]) -> bool:
    """Add the numbers of ``{"name": number, ...}``; return whether there is one."""
    numbers = {name: as_number(value) for name, value in record.items() if name != "ts"}
    for name, value in numbers.items():
        if value is not None:
            rows.add(step, as_name(name), value, as_time(record.get("ts")))
    return any(value is not None for value in numbers.values())
