"""`metrics.parquet` and its parts: reading and encoding their rows (docs/format.md).

Like all modules of `metrics` that import pyarrow at their top, it is imported inside functions only, so that a training
process and `herd-results --help` never pay for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.phases import metric_of
from hyperherd.metrics.store.footer import Footer as Footer
from hyperherd.metrics.store.tables import PHASE, chosen, conformed, split_phases
from hyperherd.metrics.store.tables import SCHEMA as SCHEMA
from hyperherd.records.disk.guarded import open_regular

ROWS_PER_GROUP = 1 << 18
ROWS_PER_PART_GROUP = 1 << 16
"""Many parts are read at a time, each a group at a time."""
_EXPANDED = 1 << 20
_EXPANSION = 200
"""Rows, or bytes of text, for each byte of a file, beyond a million. The most that ours have is about 50: rows that
differ in nothing but their step and time."""
BATCH = 1 << 14
"""Rows that are read at a time where memory must not grow with the file."""
_FEW_ROWS = 1 << 14
"""Files of no more rows are compressed by snappy: one is a tenth larger, and opened and read in half the time, of which
setting zstd up for each page takes most."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report what Arrow cannot make sense of as a FormatError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise FormatError(f"{path} is not a Parquet file: {error}") from None  # Arrow's, about what is in the file.
    except (pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise FormatError(f"{path} is not a Parquet file: {error}") from None


def open_parquet(path: Path, stream: BinaryIO) -> pq.ParquetFile:
    """Open a Parquet file whose rows fit its size; in a few bytes it may claim any number of equal ones."""
    # Dictionaries hold a text that occurs a million times once, so that it can be measured before it is written out.
    texts_ = ["metric", "json"]
    file = pq.ParquetFile(stream, read_dictionary=texts_)
    # Arrow's schema is made anew whenever it is asked for, with all that the footer holds.
    if PHASE.name in file.schema.names and not pa.types.is_dictionary(file.schema_arrow.field(PHASE.name).type):
        file = pq.ParquetFile(stream, read_dictionary=[*texts_, PHASE.name])  # another program's
    _check_size(path, file.metadata.num_rows, stream, "rows")
    return file


def _check_size(path: Path, found: int, stream: BinaryIO, what: str) -> None:
    size = os.fstat(stream.fileno()).st_size
    if found > _EXPANDED + _EXPANSION * size:
        raise FormatError(f"{path} declares {found:,} {what} in {size:,} bytes, more than any HyperHerd file has")


class MetricsFile:
    """An open `metrics.parquet` or part: what it gives stays one version, whoever replaces the file meanwhile.

    Raises:
        FileNotFoundError: there is none.
        FormatError: it is not a Parquet file, or of a newer format than ours.
    """

    def __init__(self, path: Path, stream: BinaryIO | None = None) -> None:
        self._path = path
        self._stream = stream or open_regular(path)
        try:
            with reading(path):
                self._file = open_parquet(path, self._stream)
                self.footer = Footer.decode(path, self._file.metadata.metadata or {})
        except BaseException:  # no boundary: it goes on, and nobody else could close the file
            self._stream.close()
            raise

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    @property
    def count(self) -> int:
        """How many rows it has."""
        return int(self._file.metadata.num_rows)

    def rows(self, metrics: Sequence[str] | None = None, since: int | None = None) -> pa.Table:
        """Return its rows, or those of some metrics and since some microsecond, as they are stored."""
        with reading(self._path):
            groups = self._groups(metrics, since)
            return chosen(self._conformed(self._file.read_row_groups(groups, use_threads=False)), metrics, since)

    def batches(self, metrics: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield its rows, or those of some metrics, a few at a time and as they are stored."""
        with reading(self._path):
            batches = self._file.iter_batches(BATCH, self._groups(metrics, None), use_threads=False)
        while True:
            with reading(self._path):
                batch = next(batches, None)
                if batch is None:
                    return
                table = chosen(self._conformed(pa.Table.from_batches([batch])), metrics)
            if table.num_rows:
                yield table

    def _conformed(self, table: pa.Table) -> pa.Table:
        check_texts(self._path, table, self._stream)
        return conformed(table)

    def _groups(self, metrics: Sequence[str] | None, since: int | None) -> list[int]:
        """Return the row groups whose statistics leave room for what is wanted."""
        groups = list(range(self._file.num_row_groups))
        if metrics is not None:
            names = [metric_of(name) for name in metrics]
            groups = [group for group in groups if _meets(self._bounds(group, "metric"), names)]
        if since is not None:
            groups = [group for group in groups if _reaches(self._bounds(group, "time"), since)]
        return groups

    def _bounds(self, group: int, name: str) -> tuple[Any, Any] | None:
        """Return the least and the greatest value of a column in a row group, where the file has them."""
        index = self._file.metadata.schema.to_arrow_schema().get_field_index(name)
        statistics = self._file.metadata.row_group(group).column(index).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        # Raw times are microseconds; otherwise they would be datetimes.
        return (statistics.min, statistics.max) if name == "metric" else (statistics.min_raw, statistics.max_raw)


def check_texts(path: Path, table: pa.Table, stream: BinaryIO) -> None:
    """Refuse rows whose exact JSON, one long text said often, would be far larger than their file."""
    _check_size(path, text_bytes(table["json"]), stream, "bytes of text")


def text_bytes(texts: pa.ChunkedArray) -> int:
    """Return how many bytes dictionary-encoded texts have when each is written out."""
    if not pa.types.is_dictionary(texts.type):
        return 0
    chunks = (pc.take(pc.binary_length(chunk.dictionary), chunk.indices) for chunk in texts.chunks)
    return sum(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0 for lengths in chunks)


def _meets(bounds: tuple[str, str] | None, metrics: Sequence[str]) -> bool:
    return bounds is None or any(bounds[0] <= metric <= bounds[1] for metric in metrics)


def _reaches(bounds: tuple[int, int] | None, since: int) -> bool:
    return bounds is None or bounds[1] >= since


def write(
    tables: Iterable[pa.Table],
    footer: Footer,
    stream: BinaryIO,
    group: int = ROWS_PER_GROUP,
    *,
    phased: bool | None = None,
) -> None:
    """Encode sorted rows that come in some pieces; the encodings suit counters, and floats that came from float32.

    Args:
        tables: the rows.
        footer: what the file holds beside them.
        stream: where it is written.
        group: rows of a row group.
        phased: whether the file has a column of phases; None: if the footer knows of some.
    """
    phased = footer.is_phased if phased is None else phased
    schema = (SCHEMA.append(PHASE) if phased else SCHEMA).with_metadata(footer.encode())
    with encoder(stream, schema, "snappy" if 0 < footer.rows <= _FEW_ROWS else "zstd") as writer:
        waiting: list[pa.Table] = []
        for table in tables:
            waiting.append((split_phases(table) if phased else table).replace_schema_metadata(None))
            if sum(map(len, waiting)) >= group:
                whole = pa.concat_tables(waiting)
                even = len(whole) - len(whole) % group
                writer.write_table(_one(whole.slice(0, even), schema), group)
                waiting = [whole.slice(even)]
        if rest := [table for table in waiting if table.num_rows]:
            writer.write_table(_one(pa.concat_tables(rest), schema))


def _one(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.unify_dictionaries().combine_chunks().replace_schema_metadata(schema.metadata)


def encoder(stream: BinaryIO, schema: pa.Schema, compression: str = "zstd") -> pq.ParquetWriter:
    """Return what encodes tables of `schema`, which has our columns and perhaps more."""
    return pq.ParquetWriter(
        stream,
        schema,
        compression=compression,
        use_dictionary=[name for name in schema.names if name in ("metric", "attempt", PHASE.name)],
        column_encoding={"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
        # Those of `attempt` and `json` say that all rows have one attempt and no text: then they need not be read.
        write_statistics=[name for name in schema.names if name not in ("step", "value", PHASE.name)],
    )
