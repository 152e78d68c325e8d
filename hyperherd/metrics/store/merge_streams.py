"""Sorted rows that come from several places, as one sorted stream in memory that does not grow with them.

Invariant: the order is that of `view.ordered` over all rows together; of equal rows those of an earlier run come first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from hyperherd.metrics.store.default_view import KEYS, ordered

_LAST = 2**63
"""Sorts after every time: where Arrow puts a null."""


class _Run:
    """What has been read of one sorted run and not yet passed on."""

    def __init__(self, batches: Iterable[pa.Table]) -> None:
        self._batches = iter(batches)
        self._rows: pa.Table | None = None
        self._columns: list[Any] = []
        self.refill()

    def refill(self) -> None:
        """Read on if all has been passed on."""
        while not self:
            self._rows = next(self._batches, None)
            if self._rows is None:
                return
            time = self._rows["time"].cast(pa.timestamp("us")).cast(pa.int64())
            self._columns = [*(self._rows[key] for key in KEYS[:3]), time]

    def __bool__(self) -> bool:
        return self._rows is not None and self._rows.num_rows > 0

    def key(self, row: int) -> tuple[Any, ...]:
        """Return what a row sorts by."""
        metric, step, attempt, time = (column[row].as_py() for column in self._columns)
        return metric, step, attempt, _LAST if time is None else time

    def last(self) -> tuple[Any, ...]:
        """Return the key of the last row that has been read."""
        assert self._rows is not None
        return self.key(self._rows.num_rows - 1)

    def take(self, bound: tuple[Any, ...], *, inclusive: bool) -> pa.Table:
        """Return and let go of the rows before `bound`, or up to it."""
        assert self._rows is not None
        bisect = bisect_right if inclusive else bisect_left
        count = bisect(range(self._rows.num_rows), bound, key=self.key)
        taken = self._rows.slice(0, count)
        self._rows = self._rows.slice(count)
        self._columns = [column.slice(count) for column in self._columns]
        return taken


def merged(runs: Iterable[Iterable[pa.Table]]) -> Iterator[pa.Table]:
    """Yield the rows of sorted runs in one order, a few at a time."""
    live = [run for run in map(_Run, runs) if run]
    while len(live) > 1:
        # Up to the least of the last rows read, no run can still bring a smaller one.
        bound, limiting = min((run.last(), place) for place, run in enumerate(live))
        # What an earlier run has at the bound comes first; it may have more of it, unless it is the one that ends here.
        taken = [run.take(bound, inclusive=place <= limiting) for place, run in enumerate(live)]
        some = [rows for rows in taken if rows.num_rows]
        yield some[0] if len(some) == 1 else ordered(pa.concat_tables(some))
        for run in live:
            run.refill()
        live = [run for run in live if run]
    for run in live:
        while run:
            yield run.take(run.last(), inclusive=True)
            run.refill()
