"""`metrics.parquet` and its parts: their columns, their footer, reading and encoding them (docs/format.md).

Like all modules of this room that import pyarrow at their top (`arrow`, `columns`, `compacted`, `stored`, `streams`,
`summing`, `view`, `wide`), it is imported inside functions only, so that a training process and `herd-results --help`
never pay for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.cuts import Beginning
from hyperherd.metrics.rows.journal import Final
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.rows.stats import Objective, Stats
from hyperherd.metrics.rows.values import dumps
from hyperherd.metrics.store.arrow import scalar, texts
from hyperherd.paths import FORMAT
from hyperherd.records.files import check_format, number, strict

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("metric", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("attempt", pa.int16(), nullable=False),
        pa.field("json", pa.string()),
    ]
)
ROWS_PER_GROUP = 1 << 18
ROWS_PER_PART_GROUP = 1 << 16
"""Many parts are read at a time, each a group at a time."""
BATCH = 1 << 14
"""Rows that are read at a time where memory must not grow with the file."""


@dataclass(frozen=True)
class Footer:
    """What `metrics.parquet` says beside its rows."""

    sources: tuple[str, ...] = ()
    """Names of all journals and parts whose rows it holds."""
    metrics: dict[str, Stats] = field(default_factory=dict)
    objective: Objective | None = None
    rows: int = 0
    skipped: int = 0
    final: dict[str, Final] = field(default_factory=dict)
    attempts: dict[int, Beginning] | None = None
    """How every attempt in it began; None if it does not tell."""

    @property
    def attempt(self) -> int:
        """The newest attempt whose rows it holds; -1 if none."""
        names = map(SourceName.parse, self.sources)
        return max((name.attempt for name in names if name is not None), default=-1)

    @property
    def spec(self) -> dict[str, str] | None:
        """``{"metric", "direction"}`` of its objective, or None."""
        return {"metric": self.objective.metric, "direction": self.objective.direction} if self.objective else None

    def tells(self, spec: Mapping[str, Any] | None) -> bool:
        """Return whether it says how the objective `spec` stands."""
        return spec is None or spec["metric"] not in self.metrics or self.spec == dict(spec)

    def summary(self) -> dict[str, Any]:
        """Return what `hyperherd.summary` holds."""
        return {
            "metrics": {name: asdict(stats) for name, stats in self.metrics.items()},
            "objective": self.objective.as_json() if self.objective else None,
            "rows": self.rows,
            "skipped": self.skipped,
        }

    def encode(self) -> dict[str, bytes]:
        """Return it as schema metadata."""
        final = {
            name: {"value": item.value, "time": item.time, "attempt": item.attempt} for name, item in self.final.items()
        }
        return {
            "hyperherd.format": str(FORMAT).encode(),
            "hyperherd.sources": dumps(list(self.sources)),
            "hyperherd.summary": dumps(strict(self.summary())),
            "hyperherd.final": dumps(final),
            "hyperherd.attempts": dumps({str(key): item.as_json() for key, item in (self.attempts or {}).items()}),
        }

    @classmethod
    def decode(cls, path: Path, metadata: dict[bytes, bytes]) -> Footer:
        """Make a footer from schema metadata; what is not there is empty.

        Raises:
            FormatError: it is broken, or of a newer format than ours.
        """
        try:
            check_format(path, json.loads(metadata.get(b"hyperherd.format", b"1")))
            summary = json.loads(metadata.get(b"hyperherd.summary", b"{}"))
            final = json.loads(metadata.get(b"hyperherd.final", b"{}"))
            attempts = json.loads(metadata.get(b"hyperherd.attempts", b"null"))
            return cls(
                tuple(json.loads(metadata.get(b"hyperherd.sources", b"[]"))),
                {name: Stats(**_numbers(stats)) for name, stats in summary.get("metrics", {}).items()},
                _objective(summary.get("objective")),
                summary.get("rows", 0),
                summary.get("skipped", 0),
                {name: Final(item["attempt"], item["time"], item["value"]) for name, item in final.items()},
                None if attempts is None else {int(key): Beginning(**item) for key, item in attempts.items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"the footer of {path} cannot be read: {error}") from None


def _numbers(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with the three tokens as floats."""
    return {key: number(value) if isinstance(value, str) else value for key, value in raw.items()}


def _number(raw: Any) -> float:
    value = number(raw)
    if value is None:
        raise TypeError(f"{raw!r} is no number")
    return value


def _objective(raw: Mapping[str, Any] | None) -> Objective | None:
    if raw is None:
        return None
    curve = [(step, _number(value)) for step, value in raw["curve"]]
    best = None if raw["best"] is None else _number(raw["best"])
    return Objective(raw["metric"], raw["direction"], best, raw["best_step"], _numbers(raw["at_best"]), curve)


class MetricsFile:
    """An open `metrics.parquet` or part: what it gives stays one version, whoever replaces the file meanwhile.

    Raises:
        FileNotFoundError: there is none.
        FormatError: it is no Parquet file, or of a newer format than ours.
    """

    def __init__(self, path: Path, stream: BinaryIO | None = None) -> None:
        self._stream = stream or open(path, "rb")  # noqa: SIM115 - closed by close()
        try:
            self._file = pq.ParquetFile(self._stream)
            self.footer = Footer.decode(path, self._file.schema_arrow.metadata or {})
        except OSError:  # Arrow's, for a footer of another shape
            self._stream.close()
            raise
        except pa.ArrowInvalid as error:
            self._stream.close()
            raise FormatError(f"{path} is no Parquet file: {error}") from None
        except FormatError:
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
        groups = self._groups(metrics, since)
        return chosen(conformed(self._file.read_row_groups(groups, use_threads=False)), metrics, since)

    def batches(self, metrics: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield its rows, or those of some metrics, a few at a time and as they are stored."""
        for batch in self._file.iter_batches(BATCH, self._groups(metrics, None), use_threads=False):
            table = chosen(conformed(pa.Table.from_batches([batch])), metrics)
            if table.num_rows:
                yield table

    def _groups(self, metrics: Sequence[str] | None, since: int | None) -> list[int]:
        """Return the row groups whose statistics leave room for what is wanted."""
        groups = list(range(self._file.num_row_groups))
        if metrics is not None:
            groups = [group for group in groups if _meets(self._bounds(group, "metric"), metrics)]
        if since is not None:
            groups = [group for group in groups if _reaches(self._bounds(group, "time"), since)]
        return groups

    def _bounds(self, group: int, name: str) -> tuple[Any, Any] | None:
        """Return the least and the greatest value of a column in a row group, where the file tells them."""
        index = self._file.metadata.schema.to_arrow_schema().get_field_index(name)
        statistics = self._file.metadata.row_group(group).column(index).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        return (statistics.min, statistics.max) if name == "metric" else (statistics.min_raw, statistics.max_raw)


def _meets(bounds: tuple[str, str] | None, metrics: Sequence[str]) -> bool:
    return bounds is None or any(bounds[0] <= metric <= bounds[1] for metric in metrics)


def _reaches(bounds: tuple[int, int] | None, since: int) -> bool:
    return bounds is None or bounds[1] >= since


def conformed(table: pa.Table) -> pa.Table:
    """Return the rows with our columns in our types, whoever wrote them."""
    return table.select(SCHEMA.names).cast(SCHEMA)


def chosen(table: pa.Table, metrics: Sequence[str] | None = None, since: int | None = None) -> pa.Table:
    """Return the rows of some metrics, and since some microsecond; one that has no time is none of these."""
    if metrics is not None:
        table = table.filter(pc.is_in(table["metric"], value_set=texts(metrics)))
    if since is not None:
        times = table["time"].cast(pa.timestamp("us")).cast(pa.int64())
        table = table.filter(pc.greater_equal(times, scalar(pa.int64(), since)))
    return table


def write(tables: Iterable[pa.Table], footer: Footer, stream: BinaryIO, group: int = ROWS_PER_GROUP) -> None:
    """Encode sorted rows that come in some pieces; the encodings suit counters, and floats that came from float32."""
    schema = SCHEMA.with_metadata(footer.encode())
    with encoder(stream, schema) as writer:
        waiting: list[pa.Table] = []
        for table in tables:
            waiting.append(table.replace_schema_metadata(None))
            if sum(map(len, waiting)) >= group:
                whole = pa.concat_tables(waiting)
                even = len(whole) - len(whole) % group
                writer.write_table(_one(whole.slice(0, even), schema), group)
                waiting = [whole.slice(even)]
        if rest := [table for table in waiting if table.num_rows]:
            writer.write_table(_one(pa.concat_tables(rest), schema))


def _one(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.unify_dictionaries().combine_chunks().replace_schema_metadata(schema.metadata)


def encoder(stream: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """Return what encodes tables of `schema`, which has our columns and perhaps more."""
    return pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        use_dictionary=["metric", "attempt"],
        column_encoding={"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
        write_statistics=[name for name in schema.names if name in ("number", "metric", "time")],
    )
