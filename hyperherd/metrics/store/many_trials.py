"""The rows of many finished trials: read file by file, made into one table by hundreds, and filtered once.

Invariant: of each trial they are the rows that `reader.read_metrics` returns. Whatever takes a second look (several
attempts, rows beside the file, a file that is odd or broken) is left to that, which also reports what is wrong.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.cuts import AttemptStart
from hyperherd.metrics.rows.phases import PhaseOrder, is_phased
from hyperherd.metrics.store.arrow import column, scalar
from hyperherd.metrics.store.default_view import last_of_each, unified
from hyperherd.metrics.store.foreign import may_have_foreign, results_above
from hyperherd.metrics.store.parquet import Footer, text_bytes
from hyperherd.metrics.store.sweep_file import SweepFile, sweep_file_above
from hyperherd.metrics.store.tables import PHASE, PLACE, SCHEMA, chosen, conformed, split_phases
from hyperherd.metrics.store.usual_footer import usual_rows
from hyperherd.paths import METRICS_FILE
from hyperherd.records.disk.guarded import read_regular

_MOST_TRIALS = 512
_MOST_ROWS = 1 << 18
_MOST_BYTES = 1 << 20
"""Larger files are read one by one: they cost what their rows do, and not what opening them does."""
_TEXTS = ["metric", "json"]
_CONSTANT = (SCHEMA.get_field_index("attempt"), SCHEMA.get_field_index("json"))
"""Columns that have one value in most trials, by their places in a file."""
_TIME = SCHEMA.get_field_index("time")
_AS_READ = pa.schema(
    [pa.field("json", pa.dictionary(pa.int32(), pa.string())) if item.name == "json" else item for item in SCHEMA]
)
_LAYOUTS = [
    pa.schema([*(item for place, item in enumerate(_AS_READ) if place not in left_out), *more])
    for left_out in ((), _CONSTANT, (*_CONSTANT, _TIME))
    for more in ([], [PHASE])
]
_BROKEN = (OSError, FormatError, pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError)


def read_many(
    trial_dirs: Sequence[Path | None], metrics: Sequence[str] | None, *, shown: bool = False, timed: bool = True
) -> Iterator[tuple[range, pa.Table | None]]:
    """Yield the rows of all trials in their order, some trials at a time.

    Args:
        trial_dirs: where the trials are.
        metrics: names of the metrics wanted, of all phases; all if None.
        shown: of each metric only the phase that counts for it (docs/format.md, Phases).
        timed: whether times are asked for; without that the column `time` may be null.

    Yields:
        the places of neighbouring trials, and their rows with a column :data:`PLACE`, which counts from the first of
        these; None instead of rows where they are to be read one by one.
    """
    surroundings = _Surroundings()
    waiting: list[_Source] = []
    first = rows = 0
    for place, trial_dir in enumerate(trial_dirs):
        source = None if trial_dir is None else _source(trial_dir, surroundings, timed=timed)
        is_full = len(waiting) >= _MOST_TRIALS or rows >= _MOST_ROWS
        if waiting and (is_full or source is None or not source.follows(waiting[-1])):
            yield range(first, place), _together(waiting, metrics, shown=shown)
            waiting, rows = [], 0
        if source is None:
            yield range(place, place + 1), None
            continue
        first = first if waiting else place
        waiting.append(source)
        rows += source.count
    if waiting:
        yield range(first, first + len(waiting)), _together(waiting, metrics, shown=shown)


@dataclass(frozen=True)
class _Source:
    """Where the rows of one trial lie: in memory as its own file has them, or under a number in its sweep's file."""

    count: int
    attempts: Mapping[int, AttemptStart]
    """How its attempt began; empty in a trial of one phase, where that decides nothing."""
    rows: pa.Table | None
    attempt: int = 0
    """The attempt of all rows, where no column of attempts was read; that of texts is missing then, too."""
    file: SweepFile | None = None
    number: int = 0

    def follows(self, other: _Source) -> bool:
        """Return whether its rows can be read together with those of the trial before it."""
        if self.rows is None or other.rows is None:
            return self.file is other.file and self.number > other.number
        return bool(self.rows.schema.equals(other.rows.schema))


@dataclass
class _Surroundings:
    """What lies above trials, looked for once for all that share a folder."""

    results: dict[str, bool] = field(default_factory=dict)
    sweep_files: dict[str, tuple[Path, SweepFile] | None] = field(default_factory=dict)

    def has_results(self, trial_dir: Path) -> bool:
        """Return whether rows of a trial may lie among the first HyperHerd's results."""
        parent = os.path.dirname(trial_dir)  # noqa: PTH120 - for each trial of thousands
        if parent not in self.results:
            self.results[parent] = results_above(trial_dir) is not None
        return self.results[parent]

    def sweep_file(self, trial_dir: Path) -> tuple[Path, SweepFile] | None:
        """Return what :func:`sweep_file_above` does."""
        parent = os.path.dirname(trial_dir)  # noqa: PTH120
        if parent not in self.sweep_files:
            self.sweep_files[parent] = sweep_file_above(trial_dir)
        return self.sweep_files[parent]


def _source(trial_dir: Path, surroundings: _Surroundings, *, timed: bool = True) -> _Source | None:
    """Return where all rows of a trial lie; None if that is in several places, or takes a second look."""
    try:
        # As in `find`, what lies beside the file is looked for before the file is opened.
        if may_have_foreign(str(trial_dir), None, "") or surroundings.has_results(trial_dir):
            return None
        try:
            return _own(f"{trial_dir}/{METRICS_FILE}", timed=timed)
        except FileNotFoundError:
            return _in_sweep_file(trial_dir, surroundings)
    except _BROKEN:
        return None  # Whoever reads it alone reports what is wrong.


def _own(path: str, *, timed: bool) -> _Source | None:
    """Return the rows of a trial's own file, if it is one of a single attempt, of a layout that we write."""
    data = read_regular(path, _MOST_BYTES)
    file = pq.ParquetReader()  # What a ParquetFile is made of takes a quarter less than that.
    file.open(pa.BufferReader(data), read_dictionary=_TEXTS)
    count, footer = file.metadata.num_rows, _one_attempt(path, file.metadata.metadata or {})
    if footer is None or not 0 < count <= _MOST_ROWS:
        return None
    attempt = _only_attempt(file.metadata)
    left_out: tuple[int, ...] = () if attempt is None else _CONSTANT
    if not timed and left_out and _has_our_times(file.metadata):
        left_out = (*_CONSTANT, _TIME)
    read = [place for place in range(file.metadata.num_columns) if place not in left_out]
    rows = file.read_all(column_indices=read, use_threads=False)
    # Of a text that occurs often a few bytes of a file make as many as memory holds.
    if rows.schema not in _LAYOUTS or (attempt is None and text_bytes(rows["json"]) > _MOST_BYTES):
        return None
    return _Source(count, footer[1], rows, attempt or 0)


def _only_attempt(metadata: pq.FileMetaData) -> int | None:
    """Return the attempt of all rows of a file if none of them has a text; None if its statistics say neither."""
    if metadata.num_row_groups != 1 or metadata.num_columns <= max(_CONSTANT):
        return None
    group = metadata.row_group(0)
    attempt, text = (group.column(place) for place in _CONSTANT)
    if attempt.path_in_schema != "attempt" or text.path_in_schema != "json":
        return None
    bounds, texts = attempt.statistics, text.statistics
    if bounds is None or texts is None or not bounds.has_min_max or texts.null_count != metadata.num_rows:
        return None
    return int(bounds.min) if bounds.min == bounds.max else None


def _has_our_times(metadata: pq.FileMetaData) -> bool:
    """Return whether the times of a file can be left out: a column of another kind is refused, or made ours."""
    times = metadata.schema.column(_TIME)
    kind = str(times.logical_type)
    return times.name == "time" and "isAdjustedToUTC=true" in kind and "timeUnit=microseconds" in kind


def _in_sweep_file(trial_dir: Path, surroundings: _Surroundings) -> _Source | None:
    """Return where the rows of a trial lie in the file of its sweep, if they are of a single attempt."""
    found = surroundings.sweep_file(trial_dir)
    if found is None:
        return None
    parent, file = found
    path, start = str(trial_dir), f"{parent}/"
    entry = file.trials.get(path[len(start) :] if path.startswith(start) else os.path.relpath(path, parent))
    if entry is None:
        return None
    footer = _one_attempt(str(trial_dir), {key.encode(): value.encode() for key, value in entry["footer"].items()})
    return _Source(*footer, None, 0, file, int(entry["number"])) if footer and footer[0] else None


def _one_attempt(path: str, metadata: Mapping[bytes, bytes]) -> tuple[int, Mapping[int, AttemptStart]] | None:
    """Return the number of rows and how the attempt of a footer began, as far as that decides something.

    None: there are several, or that is not known.

    Raises:
        FormatError: the footer is broken.
    """
    count = usual_rows(metadata)
    if count is not None:
        return count, {}
    footer = Footer.decode(Path(path), dict(metadata))
    return None if footer.attempts is None or len(footer.attempts) > 1 else (footer.rows, footer.attempts)


def _together(sources: Sequence[_Source], metrics: Sequence[str] | None, *, shown: bool) -> pa.Table | None:
    """Return the rows of some trials that stand; None if there is something wrong with any of them."""
    try:
        rows = last_of_each(unified(_placed(sources, metrics)), also=[PLACE.name])
        names = rows["metric"].combine_chunks().dictionary.to_pylist() if rows.num_rows else []
        if not is_phased(names):
            return rows
        return split_phases(_of_shown_phases(rows, names, sources) if shown else rows)
    except _BROKEN:
        return None


def _placed(sources: Sequence[_Source], metrics: Sequence[str] | None) -> pa.Table:
    """Return the rows of some trials and metrics with their trials' places."""
    if (file := sources[0].file) is not None:
        return file.rows_of([source.number for source in sources], metrics)
    places, attempts = array("i"), array("h")
    for place, source in enumerate(sources):
        places += array("i", [place]) * source.count
        attempts += array("h", [source.attempt]) * source.count
    rows = pa.concat_tables([source.rows for source in sources])
    if "attempt" not in rows.column_names:
        rows = rows.append_column("attempt", column(pa.int16(), attempts))
        rows = rows.append_column("json", pa.nulls(len(rows), pa.string()))
    if "time" not in rows.column_names:
        rows = rows.append_column("time", pa.nulls(len(rows), SCHEMA.field("time").type))
    rows = conformed(rows).append_column(PLACE, column(pa.int32(), places))
    return chosen(unified(rows), metrics)


def _of_shown_phases(rows: pa.Table, names: Sequence[str], sources: Sequence[_Source]) -> pa.Table:
    """Return the rows of the phase that counts for each metric of each trial."""
    width = scalar(pa.int64(), len(names))
    series = pc.add(pc.multiply(rows[PLACE.name].cast(pa.int64()), width), rows["metric"].combine_chunks().indices)
    found = [divmod(key, len(names)) for key in pc.unique(series).to_pylist()]
    kept = []
    for place, pairs in groupby(found, key=itemgetter(0)):
        codes = {names[code]: code for _, code in pairs}
        shown = PhaseOrder(sources[place].attempts).shown(codes).values()
        kept += [place * len(names) + codes[name] for name in shown]
    return rows.filter(pc.is_in(series, value_set=column(pa.int64(), kept)))
