"""JSONL that other programs write in a trial's metrics folder: read in place, never merged away (docs/format.md).

Invariant: a line that has none of the three shapes costs itself and no other; it is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperherd.metrics.journal import JournalName, Rows, add_record, as_number, as_time, blocks, load
from hyperherd.metrics.values import as_name, as_step, dumps

_ONE_VALUE = frozenset({"step", "value", "ts"})


def list_foreign(folder: Path) -> list[Path]:
    """Return the JSONL files below a trial's metrics folder that are no journals, sorted."""
    found = [path for path in folder.rglob("*.jsonl") if path.is_file()]
    return sorted(path for path in found if not _is_ours(path.relative_to(folder)))


def _is_ours(path: Path) -> bool:
    """Return whether a path below the folder is a journal, or hidden: temporary, or a ghost of NFS."""
    is_journal = len(path.parts) == 1 and JournalName.parse(path.name) is not None
    return is_journal or any(part.startswith(".") for part in path.parts)


def read_foreign(path: Path, folder: Path) -> Iterator[Rows]:
    """Yield the rows of one such file, block by block; its path below `folder` names a metric that has no name."""
    metric = as_name(path.relative_to(folder).with_suffix("").as_posix())
    with open(path, "rb") as stream:
        for block in blocks(stream):
            rows = Rows()
            for line in block.split(b"\n"):
                if line.strip() and not _add(rows, load(line), metric):
                    rows.skipped += 1
            yield rows


def _add(rows: Rows, record: dict[str, Any] | None, metric: str) -> bool:
    """Add a record of any of the three shapes; return whether it is one."""
    if record is None:
        return False
    if isinstance(record.get("metrics"), dict):
        return add_record(rows, record)
    try:
        step = as_step(record.get("step"))
    except TypeError:
        return False
    if "value" in record and record.keys() <= _ONE_VALUE:
        value = as_number(record["value"])
        text = None if value is not None else dumps(record["value"]).decode()
        rows.add(step, metric, value, as_time(record.get("ts")), text)
        return True
    return _add_flat(rows, step, record)


def _add_flat(rows: Rows, step: int, record: dict[str, Any]) -> bool:
    """Add the numbers of ``{"step", "name": number, ...}``; return whether there is one."""
    numbers = {name: as_number(value) for name, value in record.items() if name not in ("step", "ts")}
    for name, value in numbers.items():
        if value is not None:
            rows.add(step, as_name(name), value, as_time(record.get("ts")))
    return any(value is not None for value in numbers.values())
