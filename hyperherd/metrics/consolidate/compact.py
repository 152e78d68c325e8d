"""Compacting a finished sweep: the metric files of its trials become one (docs/format.md, Compacted sweeps).

Invariant: the one file is complete and on disk before it has its name, and no original is deleted before that, nor
unless asked for; whatever is interrupted can be started again, and loses and doubles no row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hyperherd.errors import FormatError, SweepError
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.rows.sources import list_sources
from hyperherd.paths import FORMAT, METRICS_FILE, RECORDS, TrialPaths
from hyperherd.records.disk.atomic import FileOps, replace
from hyperherd.records.events import Event, read_events
from hyperherd.records.lock import lock_holder
from hyperherd.records.places import below
from hyperherd.records.states import TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.trial import TrialRecord

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hyperherd.metrics.store.parquet import MetricsFile
    from hyperherd.metrics.store.sweep_file import TrialOfSweep

ROWS_PER_GROUP = 1 << 15


@dataclass(frozen=True)
class Compacted:
    """What has been done."""

    path: Path
    trials: int
    rows: int
    deleted: int
    """Originals that are gone."""


def compact(sweep_dir: Path, *, delete: bool = False, files: FileOps | None = None) -> Compacted:
    """Put the metrics of all trials of a sweep into one file.

    Args:
        sweep_dir: the sweep's directory.
        delete: whether to delete the trials' own metric files afterwards.
        files: does the file operations.

    Raises:
        SweepError: there is no sweep, or it still runs.
        FormatError: a trial's metrics cannot be read, or a link leaves the sweep; nothing was changed then.
        OSError: a file cannot be read or written; no row is lost then.
    """
    from hyperherd.metrics.store.sweep_file import compacted_path

    files = files or FileOps()
    # Before trials are looked for, which reads the sweep's own file.
    _check_inside(sweep_dir, [sweep_dir])
    trials = _trials(sweep_dir)
    _check_inside(sweep_dir, trials)
    if not trials:
        raise SweepError(f"{sweep_dir} contains no trials; give the directory of one sweep")
    _check_ended(sweep_dir, trials)
    for trial_dir in trials:
        merge(trial_dir, files=files)
        if list_sources(TrialPaths(trial_dir).metrics):
            raise SweepError(
                f"a running process may still be writing metrics in {trial_dir}; compact when it has ended"
            )
    path = compacted_path(sweep_dir)
    numbers = _numbered(sweep_dir, trials)
    rows = _write(path, sweep_dir, numbers, files)
    # Deleted only after the sweep's file has its name: until then they are the only copies.
    originals = [paths.parquet for paths in map(TrialPaths, trials) if delete and paths.parquet.exists()]
    for original in originals:
        files.remove(original)
    return Compacted(path, len(trials), rows, len(originals))


def _trials(sweep_dir: Path) -> list[Path]:
    """Return the directories of all trials that have metrics, or a book, below a sweep."""
    found = {path.parent.parent for path in sweep_dir.rglob(f"{RECORDS}/trial.json")}
    found |= {path.parent.parent for path in sweep_dir.rglob(f"{RECORDS}/metrics")}
    found |= {path.parent for path in sweep_dir.rglob(METRICS_FILE) if path.parent.name != RECORDS}
    return sorted((found | _compacted_before(sweep_dir)) - {sweep_dir})


def _check_inside(sweep_dir: Path, folders: list[Path]) -> None:
    """Look whether what is read, written or deleted in these folders lies in the sweep."""
    for folder in folders:
        place = folder.relative_to(sweep_dir)
        for name in (RECORDS, f"{RECORDS}/metrics", f"{RECORDS}/trial.json", METRICS_FILE, f"{RECORDS}/{METRICS_FILE}"):
            below(sweep_dir, (place / name).as_posix())


def _compacted_before(sweep_dir: Path) -> set[Path]:
    """Return the trials in an earlier file; their own may be gone."""
    from hyperherd.metrics.store.sweep_file import SweepFile, compacted_path

    path = compacted_path(sweep_dir)
    return {below(sweep_dir, place) for place in SweepFile(path).trials} if path.exists() else set()


def _check_ended(sweep_dir: Path, trials: list[Path]) -> None:
    if holder := lock_holder(sweep_dir):
        if holder.is_silent:
            raise SweepError(f"{sweep_dir} cannot be compacted: {holder}, and compact again")
        raise SweepError(f"{sweep_dir} is still running; compact it when it has ended")
    events: defaultdict[int, list[Event]] = defaultdict(list)
    for event in read_events(sweep_dir):
        events[event.number].append(event)
    for trial_dir in trials:
        try:
            record = TrialRecord.read(trial_dir)
        except FileNotFoundError:
            continue
        state = derive_status(record, events[record.number], Observer(is_held=False)).state
        if state in (TrialState.RUNNING, TrialState.STALLED, TrialState.SUBMITTED, TrialState.REQUEUED):
            raise SweepError(f"trial {record.number} in {trial_dir} is {state}; compact the sweep when it has ended")


def _numbered(sweep_dir: Path, trials: list[Path]) -> dict[int, Path]:
    """Return the trials by their numbers; one that has none, or another's, gets one after all others."""
    numbers: dict[int, Path] = {}
    others = []
    for trial_dir in trials:
        number = _number(trial_dir)
        if number is None or number in numbers:
            others.append(trial_dir)
        else:
            numbers[number] = trial_dir
    first = max(numbers, default=-1) + 1
    numbers |= {first + place: trial_dir for place, trial_dir in enumerate(others)}
    return dict(sorted(numbers.items()))


def _number(trial_dir: Path) -> int | None:
    with suppress(OSError, FormatError):
        return TrialRecord.read(trial_dir).number
    # At most 18 digits: the column has 64 bits.
    return int(trial_dir.name) if trial_dir.name.isdecimal() and len(trial_dir.name) < 19 else None


def _write(path: Path, sweep_dir: Path, trials: dict[int, Path], files: FileOps) -> int:
    """Write the file; return how many rows it has."""
    import pyarrow as pa

    from hyperherd.metrics.rows.values import dumps
    from hyperherd.metrics.store.find import open_base
    from hyperherd.metrics.store.parquet import encoder
    from hyperherd.metrics.store.sweep_file import LEAD, TRIALS, entry
    from hyperherd.metrics.store.tables import PHASE, SCHEMA

    # Two passes over the files: the schema, which holds all footers, is needed before the first row.
    entries, rows, phased = {}, 0, False
    for number, trial_dir in trials.items():
        base = open_base(TrialPaths(trial_dir))
        if base is not None:
            with base:
                entries[trial_dir.relative_to(sweep_dir).as_posix()] = entry(number, base.footer)
                rows += base.count
                phased = phased or base.footer.is_phased
    metadata = {b"hyperherd.format": str(FORMAT).encode(), TRIALS: dumps(entries)}
    schema = pa.schema([LEAD, *SCHEMA, *([PHASE] if phased else [])], metadata)
    # A compaction that was killed has left them.
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        files.remove(leftover)

    def write(stream: BinaryIO) -> None:
        with encoder(stream, schema) as writer:
            _write_groups(writer, schema, _led(trials))

    replace(path, write, files)
    return rows


def _led(trials: dict[int, Path]) -> Iterator[tuple[int, MetricsFile | TrialOfSweep]]:
    from hyperherd.metrics.store.find import open_base

    for number, trial_dir in trials.items():
        base = open_base(TrialPaths(trial_dir))
        if base is not None:
            with base:
                yield number, base


def _write_groups(
    writer: pq.ParquetWriter, schema: pa.Schema, trials: Iterator[tuple[int, MetricsFile | TrialOfSweep]]
) -> None:
    """Write the rows of all trials in even groups, so that few files and many small ones read alike."""
    import pyarrow as pa

    from hyperherd.metrics.store.arrow import column
    from hyperherd.metrics.store.tables import PHASE, split_phases

    phased = PHASE.name in schema.names
    waiting: list[pa.Table] = []
    count = 0
    for number, file in trials:
        for batch in file.batches():
            rows = split_phases(batch) if phased else batch
            lead = column(pa.int64(), [number]).take(column(pa.int64(), [0] * rows.num_rows))
            waiting.append(pa.Table.from_arrays([lead, *rows.columns], schema=schema))
            count += rows.num_rows
            if count >= ROWS_PER_GROUP:
                writer.write_table(pa.concat_tables(waiting).unify_dictionaries().combine_chunks())
                waiting, count = [], 0
    if waiting:
        writer.write_table(pa.concat_tables(waiting).unify_dictionaries().combine_chunks())
