"""The order of rows, and which of them a table shows (docs/format.md, Attempts).

Invariant: both are functions of the set of rows alone, in whatever order and from whatever files they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from hyperherd.metrics.rows.cuts import AttemptStart, Cuts
from hyperherd.metrics.rows.phases import is_phased, phase_of
from hyperherd.metrics.store.arrow import column, scalar

KEYS = ("metric", "step", "attempt", "time")


def ordered(table: pa.Table) -> pa.Table:
    """Return the rows sorted by series, step, attempt and time, in one chunk; equal ones keep their order."""
    table = unified(table)
    metric, step, attempt, time = _rank(table["metric"]), *(table[key].combine_chunks() for key in KEYS[1:])
    keys = {"metric": metric, "step": step, "attempt": attempt, "time": time}
    if _is_constant(attempt) and _never_falls(time):  # One journal: what is equal is in order already.
        keys = {"metric": metric, "step": step}
        if _is_constant(metric) and _never_falls(step):
            return table
    order = pc.sort_indices(
        pa.Table.from_arrays(list(keys.values()), list(keys)), sort_keys=[(key, "ascending") for key in keys]
    )
    return table.take(order).combine_chunks()


def _is_constant(values: pa.Array) -> bool:
    bounds = pc.min_max(values)
    return bool(bounds["min"] == bounds["max"])


def _never_falls(values: pa.Array) -> bool:
    # `all` of nothing is null: a single row is in order.
    return not values.null_count and pc.all(pc.less_equal(values[:-1], values[1:])).as_py() is not False


def unified(table: pa.Table) -> pa.Table:
    """Return the rows in one chunk with one dictionary of metrics."""
    return table.unify_dictionaries().combine_chunks()


def _codes(metric: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return a dictionary column of one dictionary as its indices and its names."""
    whole = metric.combine_chunks()
    return whole.indices, whole.dictionary


def _rank(metric: pa.ChunkedArray) -> pa.Array:
    """Return for each row the place of its metric among the sorted names: numbers sort faster than text."""
    indices, names = _codes(metric)
    place = {name: rank for rank, name in enumerate(sorted(names.to_pylist()))}
    return column(pa.int32(), [place[name] for name in names.to_pylist()]).take(indices)


def beginnings(table: pa.Table) -> dict[int, AttemptStart]:
    """Return how every attempt in a sorted table began, as far as rows tell."""
    began: dict[int, AttemptStart] = {}
    if not table.num_rows:
        return began
    table = unified(table)
    attempts = pc.unique(table["attempt"])
    series, names = _series(table, attempts)
    encoded = series.dictionary_encode()  # Numbered by first appearance, so a new one exceeds all before.
    seen = pc.cumulative_max(encoded.indices)
    is_first = pa.concat_arrays([pc.is_valid(seen[:1]), pc.greater(seen[1:], seen[:-1])])
    first = table["step"].filter(is_first).to_pylist()
    for number, step in zip(encoded.dictionary.to_pylist(), first, strict=True):
        metric, place = divmod(number, len(attempts))
        began.setdefault(attempts[place].as_py(), AttemptStart()).note(names[metric].as_py(), step)
    if is_phased(names.to_pylist()):
        _note_times(began, table, series, (attempts, names))
    return began


def _note_times(
    began: dict[int, AttemptStart], table: pa.Table, series: pa.Array, numbered: tuple[pa.Array, pa.Array]
) -> None:
    """Note when every attempt began its phases; `numbered` says what the numbers of `series` are made of."""
    attempts, names = numbered
    micros = table["time"].combine_chunks().cast(pa.timestamp("us")).cast(pa.int64())
    firsts = pa.Table.from_arrays([series, micros], ["series", "time"]).group_by("series").aggregate([("time", "min")])
    for number, time in zip(firsts["series"].to_pylist(), firsts["time_min"].to_pylist(), strict=True):
        metric, place = divmod(number, len(attempts))
        phase = phase_of(names[metric].as_py())
        began[attempts[place].as_py()].begin(phase, None if time is None else time / 1e6)


def _series(table: pa.Table, attempts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return one number per row for its metric and attempt, and the names of the metrics."""
    codes, names = _codes(table["metric"])
    place = pc.index_in(table["attempt"].combine_chunks(), value_set=attempts)
    return pc.add(pc.multiply(codes, scalar(pa.int32(), len(attempts))), place), names


def whole(batches: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """Return the rows of a stream as one table."""
    tables = list(batches)
    return unified(pa.concat_tables(tables)) if tables else schema.empty_table()


@dataclass
class LoggedAgain:
    """The series whose value at a step was followed by another one at the same step, in attempts from `attempt` on."""

    attempt: int
    series: set[str] = field(default_factory=set)

    def note(self, table: pa.Table, is_last: pa.Array) -> None:
        """Take in sorted rows, and which of them, but for the last one, the next one does not replace."""
        values = table["value"].combine_chunks()
        is_other = pc.not_equal(values[:-1], values[1:])  # Null where a value is; then `filter` drops the row.
        is_recent = pc.greater_equal(table["attempt"].combine_chunks()[:-1], scalar(pa.int16(), self.attempt))
        replaced = pc.and_(pc.and_not(is_other, is_last), is_recent)
        self.series.update(pc.unique(table["metric"][:-1].filter(replaced)).to_pylist())


def default_view(batches: Iterable[pa.Table], cuts: Cuts, again: LoggedAgain | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a sorted stream that stand: nothing a newer attempt did again, one per series and step."""
    held: list[pa.Table] = []  # The last row: the next one may be of the same metric, step and attempt.
    for batch in batches:
        rows = superseded_dropped(batch, cuts)
        if not rows.num_rows:
            continue
        rows = unified(pa.concat_tables([*held, rows]))
        keep = last_of_each(rows, again)
        held = [rows.slice(rows.num_rows - 1)]
        if keep.num_rows > 1:
            yield keep.slice(0, keep.num_rows - 1)
    yield from held


def superseded_dropped(table: pa.Table, cuts: Cuts) -> pa.Table:
    """Drop what a newer attempt did again."""
    if cuts.is_empty or not table.num_rows:
        return table
    table = unified(table)
    attempts = pc.unique(table["attempt"])
    series, names = _series(table, attempts)
    # In the order of the numbers in `series`, so that a row finds its limit by its number: no Python runs for each row.
    kept = [cuts.last_kept(name, attempt) for name in names.to_pylist() for attempt in attempts.to_pylist()]
    return table.filter(pc.less_equal(table["step"], column(pa.int64(), kept).take(series))).combine_chunks()


def last_of_each(table: pa.Table, again: LoggedAgain | None = None, *, also: Sequence[str] = ()) -> pa.Table:
    """Keep the last row of each metric, step and attempt of a sorted table, and of what else tells rows apart."""
    if table.num_rows < 2:
        return table
    metric, _ = _codes(table["metric"])
    columns = [metric, *(table[name].combine_chunks() for name in ("step", "attempt", *also))]
    is_last = reduce(pc.or_, [pc.not_equal(values[:-1], values[1:]) for values in columns])
    if pc.all(is_last).as_py():
        return table
    if again is not None:
        again.note(table, is_last)
    final = pc.is_valid(table["step"][-1:].combine_chunks())  # True: nothing follows the last row.
    return table.filter(pa.concat_arrays([is_last, final])).combine_chunks()
