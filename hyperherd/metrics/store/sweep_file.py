"""One Parquet file for the metrics of a whole sweep (docs/format.md, Compacted sweeps): reading it, trial by trial.

Invariant: a trial's own files win over it, so that it may be made, and the originals deleted, at any pace.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyperherd.errors import FormatError
from hyperherd.metrics.store import parquet
from hyperherd.metrics.store.arrow import column
from hyperherd.metrics.store.parquet import Footer
from hyperherd.metrics.store.tables import PLACE, SCHEMA, chosen, conformed
from hyperherd.paths import METRICS_FILE, RECORDS
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import check_format
from hyperherd.records.disk.guarded import open_regular
from hyperherd.records.places import below

LEAD = pa.field("number", pa.int64())
"""The column before ours: the trial's number; its place in the list of trials where it has none."""
TRIALS = b"hyperherd.trials"
_GROUPS_KEPT = 8


def compacted_path(sweep_dir: Path) -> Path:
    """Return where the file of a sweep lies."""
    return sweep_dir / RECORDS / METRICS_FILE


class SweepFile:
    """An open file of a sweep. It keeps the last groups of rows it read, since many trials share one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = open_regular(path)
        try:
            with parquet.reading(path):
                self._file = parquet.open_parquet(path, self._stream)
            self.trials = _trials(path, self._file.metadata.metadata or {})
            self._bounds = _bounds(path, self._file)
        except BaseException:  # no boundary: it goes on, and nobody else could close the file
            self._stream.close()
            raise
        weakref.finalize(self, self._stream.close)  # It is kept open for the next trial, as long as it is cached.
        self._groups: dict[int, pa.Table] = {}

    def footer(self, place: str) -> Footer:
        """Return what a trial's own file said of itself; `place` is its directory, relative to the sweep's."""
        raw = self.trials[place]["footer"]
        return Footer.decode(self._path, {key.encode(): value.encode() for key, value in raw.items()})

    def batches(self, number: int) -> Iterator[pa.Table]:
        """Yield the rows of a trial, a row group at a time."""
        for group in self._span(number):
            rows = self._group(group)
            places = range(rows.num_rows)
            numbers = rows[LEAD.name].chunk(0)
            start, end = (
                find(places, number, key=lambda place, numbers=numbers: numbers[place].as_py())  # type: ignore[misc]
                for find in (bisect_left, bisect_right)
            )
            if end > start:
                with parquet.reading(self._path):
                    found = conformed(rows.slice(start, end - start))
                yield found

    def rows_of(self, numbers: Sequence[int], metrics: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of some trials and metrics, with the place of each row's trial in `numbers`.

        Args:
            numbers: the trials' numbers, ascending.
            metrics: names of the metrics wanted, of all phases; all if None.
        """
        wanted = column(pa.int64(), numbers)
        tables = [SCHEMA.append(PLACE).empty_table()]
        for group in range(self._span(numbers[0]).start, self._span(numbers[-1]).stop):
            rows = chosen(self._group(group), metrics)
            places = pc.index_in(rows[LEAD.name], value_set=wanted)
            rows = conformed(rows.filter(pc.is_valid(places)))
            tables.append(rows.append_column(PLACE, places.drop_null()))
        return pa.concat_tables(tables)

    def _span(self, number: int) -> range:
        """Return the row groups that may hold rows of a trial."""
        # Rows are in the order of trials, so those of one lie in neighbouring groups, and together in each.
        first = bisect_left(self._bounds, number, key=lambda bounds: bounds[1])
        return range(first, bisect_right(self._bounds, number, key=lambda bounds: bounds[0]))

    def _group(self, group: int) -> pa.Table:
        if group not in self._groups:
            if len(self._groups) >= _GROUPS_KEPT:
                del self._groups[next(iter(self._groups))]
            with parquet.reading(self._path):
                rows = self._file.read_row_group(group, use_threads=False)
                parquet.check_texts(self._path, rows, self._stream)
                self._groups[group] = rows.unify_dictionaries().combine_chunks()
        return self._groups[group]


def _trials(path: Path, metadata: dict[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """Return the trials whose metrics a file says it holds, by their directories below the sweep's."""
    try:
        check_format(path, orjson.loads(metadata.get(b"hyperherd.format", b"1")))
        found = orjson.loads(metadata[TRIALS])
        if not all(
            kinds.whole(item["number"]) and kinds.mapping(item["footer"]) and kinds.texts([*item["footer"].values()])
            for item in found.values()
        ):
            raise TypeError("a trial has no number or no footer")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} does not record which trials' metrics it contains: {error}") from None
    return dict(found)


def _bounds(path: Path, file: pq.ParquetFile) -> list[tuple[int, int]]:
    """Return the least and the greatest number of a trial in each row group."""
    try:
        index = file.schema.names.index(LEAD.name)
        statistics = [file.metadata.row_group(group).column(index).statistics for group in range(file.num_row_groups)]
        bounds = [(item.min, item.max) for item in statistics]
    except (AttributeError, IndexError, ValueError, OverflowError, pa.ArrowException) as error:
        raise FormatError(f"{path} does not record which trials its rows belong to: {error}") from None
    if not all(kinds.whole(bound) for pair in bounds for bound in pair):
        raise FormatError(f"{path} does not record which trials its rows belong to")
    return bounds


class TrialOfSweep:
    """One trial in the file of a sweep; it reads like the trial's own `MetricsFile`."""

    def __init__(self, file: SweepFile, place: str) -> None:
        self._file = file
        self._number = int(file.trials[place]["number"])
        self.footer = file.footer(place)
        self.count = self.footer.rows

    def __enter__(self) -> TrialOfSweep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: the file stays open for the next trial."""

    def rows(self, metrics: Sequence[str] | None = None, since: int | None = None) -> pa.Table:
        """Return its rows, or those of some metrics and since some microsecond."""
        tables = [chosen(rows, metrics, since) for rows in self._file.batches(self._number)]
        return pa.concat_tables(tables) if tables else SCHEMA.empty_table()

    def batches(self, metrics: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield its rows, or those of some metrics, a few at a time."""
        for rows in self._file.batches(self._number):
            for start in range(0, rows.num_rows, parquet.BATCH):
                table = chosen(rows.slice(start, parquet.BATCH), metrics)
                if table.num_rows:
                    yield table


def open_trial(trial_dir: Path) -> TrialOfSweep | None:
    """Return what the file of the sweep above a trial's directory holds of it; None if there is no such file."""
    found = sweep_file_above(trial_dir)
    if found is None:
        return None
    parent, file = found
    place = trial_dir.absolute().relative_to(parent).as_posix()
    return TrialOfSweep(file, place) if place in file.trials else None


def sweep_file_above(trial_dir: Path) -> tuple[Path, SweepFile] | None:
    """Return the nearest directory above a trial's that has a sweep's file, and that file; None if none has."""
    for parent in trial_dir.absolute().parents:
        path = compacted_path(parent)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        # A link there could lead out of the sweep, which raises an error.
        below(parent, path.relative_to(parent).as_posix())
        # The version belongs to the key of the cache: when a sweep is compacted again, its file is replaced.
        return parent, _open(path, (status.st_ino, status.st_mtime_ns, status.st_size))
    return None


@lru_cache(maxsize=4)
def _open(path: Path, _version: object) -> SweepFile:
    return SweepFile(path)


def entry(number: int, footer: Footer) -> Mapping[str, Any]:
    """Return what the file says of one trial."""
    return {"number": number, "footer": {key: value.decode() for key, value in footer.encode().items()}}
