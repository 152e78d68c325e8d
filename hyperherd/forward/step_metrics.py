"""One call that sends the `metrics.jsonl` of a run to a store: every row of it once, over all calls."""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.forward.json_rows import SOME_NOT_NUMBERS, JsonRow, JsonRows
from hyperherd.forward.ledger import Ledger, alone
from hyperherd.forward.runs import identity
from hyperherd.forward.trackers.store import name_of
from hyperherd.records.disk.ownership import is_own

METRICS_FILE = "metrics.jsonl"

logger = logging.getLogger("hyperherd")


class RowCount(int):
    """How many rows a call delivered, and what became of the others."""

    already: int
    """Rows that an earlier call delivered."""
    skipped: int
    """Lines that are not rows."""
    failed: int
    """Rows that the store refused; the next call offers them again."""

    def __new__(cls, delivered: int = 0, *, already: int = 0, skipped: int = 0, failed: int = 0) -> RowCount:
        """Make the count of `delivered` rows."""
        made = super().__new__(cls, delivered)
        made.already, made.skipped, made.failed = already, skipped, failed
        return made

    def __repr__(self) -> str:
        others = f"already={self.already}, skipped={self.skipped}, failed={self.failed}"
        return f"RowCount({int(self)}, {others})"


def forward_step_metrics(
    store: Any | None,
    run_id: str | None,
    run_dir: str | os.PathLike[str] | None,
    *,
    metrics_file: str = METRICS_FILE,
) -> int:
    """Send the rows of a run's metrics file to a store, and return how many it took now.

    A row is ``{"ts", "step", "metrics": {...}}`` or ``{"step", "loss": 0.4, ...}``. Each is sent once over all calls:
    what a store has acknowledged is noted beside the file (`.metrics.jsonl.forwarded-...`), for each run id and each
    class of store (and its ``identity``, if it has one).

    Args:
        store: has ``log_metrics(run_id=, step=, metrics=)``.
        run_id: what the store calls the run.
        run_dir: holds the file, or `logs/` with it, which is preferred.
        metrics_file: the file's name.

    Returns:
        a `RowCount`: the number of rows delivered, with ``already``, ``skipped`` and ``failed``. It is 0 if there is no
        store, no run id, no directory or no file. A row that the store refuses is logged, and costs no other.
    """
    path = None if store is None or run_id is None or run_dir is None else located(Path(run_dir), metrics_file)
    if path is None or run_id is None:
        return RowCount()
    beside = path.with_name(f".{path.name}.forwarded-{identity(name_of(store), run_id).hex()}")
    try:
        if not is_own(path.parent):
            raise PermissionError(f"{path.parent} belongs to another user")
        with alone(beside):
            ledger = Ledger(beside)
            try:
                return _sent(store, run_id, path, ledger)
            finally:
                ledger.close()
    except OSError as error:
        logger.warning("what is delivered of %s cannot be noted beside it (%s): it is all sent again", path, error)
        return _sent(store, run_id, path, Ledger(None))


def located(run_dir: Path, metrics_file: str) -> Path | None:
    """Return the metrics file of a run; the one in `logs/` comes first."""
    found = [path for path in (run_dir / "logs" / metrics_file, run_dir / metrics_file) if path.is_file()]
    return found[0] if found else None


def _sent(store: Any, run_id: str, path: Path, ledger: Ledger) -> RowCount:
    rows, delivered, already, failed = JsonRows(path, "value"), 0, 0, 0
    try:
        for row in rows:
            mark = _mark(row)
            if mark in ledger:
                already += 1
            elif _took(store, run_id, row, is_first=not failed):
                ledger.add([mark])
                delivered += 1
            else:
                failed += 1
    except (OSError, FormatError) as error:
        logger.warning("%s cannot be read to its end: %s", path, error)
    skipped = sum(count for kind, count in rows.malformed.items() if kind != SOME_NOT_NUMBERS)
    if skipped or failed:
        logger.warning("%s: %d rows delivered, %d lines skipped, %d rows failed", path, delivered, skipped, failed)
    return RowCount(delivered, already=already, skipped=skipped, failed=failed)


def _took(store: Any, run_id: str, row: JsonRow, *, is_first: bool) -> bool:
    try:
        store.log_metrics(run_id=run_id, step=row.step, metrics=dict(row.metrics))
    except Exception as error:  # noqa: BLE001 - another program's store, which may raise anything
        level = logging.WARNING if is_first else logging.DEBUG
        logger.log(level, "step %d of %s was not taken: %s: %s", row.step, run_id, type(error).__name__, error)
        return False
    return True


def _mark(row: JsonRow) -> bytes:
    """Return eight bytes for a row at its place: a line may stand twice, and a file may be written anew."""
    return blake2b(row.line.strip(), digest_size=8, salt=row.offset.to_bytes(8, "big")).digest()
