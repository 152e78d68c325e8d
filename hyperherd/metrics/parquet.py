"""`metrics.parquet`: its columns, its footer, reading and encoding it (docs/format.md).

The one module of this room, with `view`, that imports pyarrow at its top: import it inside functions only, so that a
training process and `herd-results --help` never pay for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyperherd.errors import FormatError
from hyperherd.metrics.arrow import texts
from hyperherd.metrics.journal import Final, JournalName
from hyperherd.metrics.stats import Objective, Stats
from hyperherd.metrics.values import dumps
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


@dataclass(frozen=True)
class Footer:
    """What `metrics.parquet` says beside its rows."""

    sources: tuple[str, ...] = ()
    """Names of all journals whose rows it holds."""
    metrics: dict[str, Stats] = field(default_factory=dict)
    objective: Objective | None = None
    rows: int = 0
    skipped: int = 0
    final: dict[str, Final] = field(default_factory=dict)

    @property
    def attempt(self) -> int:
        """The newest attempt whose rows it holds; -1 if none."""
        names = map(JournalName.parse, self.sources)
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
            return cls(
                tuple(json.loads(metadata.get(b"hyperherd.sources", b"[]"))),
                {name: Stats(**_numbers(stats)) for name, stats in summary.get("metrics", {}).items()},
                _objective(summary.get("objective")),
                summary.get("rows", 0),
                summary.get("skipped", 0),
                {name: Final(item["attempt"], item["time"], item["value"]) for name, item in final.items()},
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
    """An open `metrics.parquet`: what it gives stays one version, whoever replaces the file meanwhile.

    Raises:
        FileNotFoundError: there is none.
        FormatError: it is no Parquet file, or of a newer format than ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        try:
            self._file = pq.ParquetFile(self._stream)
            self.footer = Footer.decode(path, self._file.schema_arrow.metadata or {})
        except pa.ArrowInvalid as error:
            self._stream.close()
            raise FormatError(f"{path} is no Parquet file: {error}") from None
        except FormatError:
            self._stream.close()
            raise

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def rows(self, metrics: Sequence[str] | None = None) -> pa.Table:
        """Return its rows, or those of some metrics, as they are stored."""
        if metrics is None:
            return self._file.read().select(SCHEMA.names).cast(SCHEMA)
        groups = [index for index in range(self._file.num_row_groups) if self._may_hold(index, metrics)]
        return only(self._file.read_row_groups(groups).select(SCHEMA.names).cast(SCHEMA), metrics)

    def _may_hold(self, group: int, metrics: Sequence[str]) -> bool:
        """Return whether a row group's statistics leave room for one of the metrics."""
        column = self._file.schema_arrow.get_field_index("metric")
        statistics = self._file.metadata.row_group(group).column(column).statistics
        if statistics is None or not statistics.has_min_max:
            return True
        return any(statistics.min <= metric <= statistics.max for metric in metrics)


def only(table: pa.Table, metrics: Sequence[str]) -> pa.Table:
    """Return the rows of some metrics."""
    return table.filter(pc.is_in(table["metric"], value_set=texts(metrics)))


def write(table: pa.Table, footer: Footer, stream: BinaryIO) -> None:
    """Encode sorted rows; the encodings suit counters, and floats that came from float32."""
    pq.write_table(
        table.replace_schema_metadata(footer.encode()),
        stream,
        row_group_size=ROWS_PER_GROUP,
        compression="zstd",
        use_dictionary=["metric", "attempt"],
        column_encoding={"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
        write_statistics=["metric"],
    )
