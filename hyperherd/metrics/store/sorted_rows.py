"""All rows of a trial that lie in some files, as one sorted whole: in one table, or a few at a time.

Invariant: a stream takes memory that does not grow with the rows; what has to be sorted first is sorted in pieces,
which wait in a file without a name, so that no death of the process leaves it behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from hyperherd.metrics.rows.cuts import AttemptStart, Cuts, joined
from hyperherd.metrics.rows.journal import Final, journal_rows, latest
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.store import parquet
from hyperherd.metrics.store.columns import Columns
from hyperherd.metrics.store.default_view import LoggedAgain, beginnings, default_view, ordered, unified
from hyperherd.metrics.store.merge_streams import merged
from hyperherd.metrics.store.parquet import BATCH, Footer, MetricsFile
from hyperherd.metrics.store.sweep_file import TrialOfSweep
from hyperherd.metrics.store.tables import SCHEMA, chosen

RUN = 1 << 19
"""Rows that are sorted in memory at once."""
MANY = 64
"""Files that are merged at once."""

File = MetricsFile | TrialOfSweep


class SortedRows:
    """Rows from any number of files. Use it as a context, in which its files stay open."""

    def __init__(self, scratch: Path | None = None) -> None:
        self.skipped = 0
        self.count = 0
        self.starts: list[Mapping[int, AttemptStart]] = []
        """How attempts began, in as many pieces as there are files."""
        self._final: list[tuple[str, Final]] = []
        self._runs: list[File | pa.Table] = []
        self._scratch = scratch
        self._open = ExitStack()

    def __enter__(self) -> SortedRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def final(self) -> dict[str, Final]:
        """The final values."""
        return latest(self._final)

    @property
    def attempts(self) -> dict[int, AttemptStart]:
        """How all attempts began."""
        return joined(self.starts)

    def add_file(self, file: File) -> None:
        """Take in a Parquet file; it is closed with this."""
        self._open.enter_context(file)
        footer = file.footer
        # Where a file's footer does not have how its attempts began, its rows are read for that.
        began = joined(map(beginnings, file.batches())) if footer.attempts is None else footer.attempts
        self._note(file.count, footer.skipped, list(footer.final.items()), began)
        self._runs.append(file)
        self._spool_if_many()

    def add_journals(self, folder: Path, journals: Mapping[str, SourceName], since: float | None = None) -> None:
        """Take in journals, with every line that cannot be read counted; with `since` no more than they need.

        Raises:
            FileNotFoundError: one has been replaced meanwhile.
        """
        columns = Columns()
        for name, about in journals.items():
            for rows in journal_rows(folder / name, about, since):
                columns.add(rows, about.attempt)
                if len(columns) >= RUN:
                    self.add_columns(columns)
                    self._spool(1)
                    self._spool_if_many()
                    columns = Columns()
        self.add_columns(columns)

    def add_columns(self, columns: Columns, *, began: bool = True) -> None:
        """Take in rows as they were read; with `began` false they say nothing of when their attempt began."""
        self._note(len(columns), columns.skipped, columns.final, columns.starts)
        if len(columns):
            self._runs.append(ordered(columns.table()))
            self.starts.append(beginnings(self._runs[-1]) if began else {})

    def _note(
        self, count: int, skipped: int, final: Sequence[tuple[str, Final]], began: Mapping[int, AttemptStart]
    ) -> None:
        self.count += count
        self.skipped += skipped
        self._final += final
        self.starts.append(began)

    def _spool_if_many(self) -> None:
        if len(self._runs) >= MANY:
            self._spool(len(self._runs))

    def _spool(self, count: int) -> None:
        """Let one run on disk, sorted, stand for the last few."""
        runs = self._runs[-count:]
        stream = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed with this
        self._open.callback(stream.close)
        group, phased = parquet.ROWS_PER_PART_GROUP, any(item.is_phased for item in self.attempts.values())
        parquet.write(merged([_pieces(run, None) for run in runs]), Footer(), stream, group, phased=phased)
        stream.seek(0)
        for run in runs:
            if isinstance(run, File):
                run.close()
        # It has no name any more; "run" is what an error calls it.
        self._runs[-count:] = [MetricsFile(Path("run"), stream)]

    def batches(self, metrics: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield all rows, or those of some metrics, sorted, a few at a time."""
        return merged([_pieces(run, metrics) for run in self._runs])

    def default_rows(
        self, metrics: Sequence[str] | None = None, again: LoggedAgain | None = None
    ) -> Iterator[pa.Table]:
        """Yield the rows of the default view, sorted, a few at a time."""
        return default_view(self.batches(metrics), Cuts(self.attempts), again)

    def table(self, metrics: Sequence[str] | None = None, since: int | None = None) -> pa.Table:
        """Return all rows, or those of some metrics and since some microsecond, sorted."""
        tables = [
            run.rows(metrics, since) if isinstance(run, File) else chosen(run, metrics, since) for run in self._runs
        ]
        some = [table for table in tables if table.num_rows]
        if not some:
            return SCHEMA.empty_table()
        return unified(some[0]) if len(some) == 1 else ordered(pa.concat_tables(some))


def _pieces(run: File | pa.Table, metrics: Sequence[str] | None) -> Iterator[pa.Table]:
    if isinstance(run, File):
        yield from run.batches(metrics)
        return
    table = chosen(run, metrics)
    for start in range(0, len(table), BATCH):
        yield table.slice(start, BATCH)
