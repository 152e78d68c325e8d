"""The readers on docs/format.md, run as they stand there."""

import math
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyperherd.errors import FormatError
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_metrics
from hyperherd.metrics.store.parquet import SCHEMA
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text()


def block(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


def log(trial, *attempts, phases=("",)):
    for number, steps in enumerate(attempts):
        writer = MetricWriter(trial, number)
        for place, writer.phase in enumerate(phases):
            for step in steps:
                writer.log({"loss": 1.0, "text": "a"}, step)
                writer.log({"loss": float(100 * number + step + 10 * place)}, step)
        writer.close()
    merge(trial)


def test_the_reader_in_plain_pyarrow(tmp_path):
    log(tmp_path, range(5))
    names = {}
    exec(block("python"), names)
    assert names["read"](tmp_path, "loss") == {step: float(step) for step in range(5)}
    code = [line for line in block("python").splitlines() if line.strip()]
    assert len(code) <= 10
    log(tmp_path / "folds", range(5), phases=("", "fold1"))
    assert names["read"](tmp_path / "folds", "loss") == {step: float(step) for step in range(5)}
    assert names["read"](tmp_path / "folds", "loss", "fold1") == {step: 10.0 + step for step in range(5)}
    table = SCHEMA.empty_table().replace_schema_metadata({"hyperherd.format": "2"})
    pq.write_table(table, TrialPaths(tmp_path).parquet)
    with pytest.raises(ValueError, match="format 2 is newer"):
        names["read"](tmp_path, "loss")


@pytest.mark.parametrize("phases", [("",), ("", "fold1")])
def test_the_reader_in_duckdb(tmp_path, monkeypatch, phases):
    monkeypatch.chdir(tmp_path)
    trials = [Path("multirun") / "s" / name for name in ("0", "1")]
    log(trials[0], range(5))
    log(trials[1], range(5), range(3, 7), phases=phases)
    found = duckdb.sql(block("sql")).fetchall()
    assert len(block("sql").strip().splitlines()) <= 11
    for trial in trials:
        rows = read_metrics(trial)
        ours = [(row["metric"], row.get("phase"), row["step"], row["value"]) for row in rows.to_pylist()]
        theirs = [tuple(row) for name, *row in found if Path(name).parent == trial]
        assert theirs == ours


def test_every_column_and_key_is_on_the_page(tmp_path):
    log(tmp_path, range(2), phases=("", "fold1"))
    schema = pq.read_schema(TrialPaths(tmp_path).parquet)
    for field in schema:
        assert f"| `{field.name}` |" in PAGE
    for key in schema.metadata:
        assert key == b"ARROW:schema" or f"`{key.decode()}`" in PAGE


def test_a_file_of_the_first_format_without_beginnings(tmp_path):
    rows = [("m", 0, 1.0, 0), ("m", 2, 2.0, 0), ("m", 1, math.nan, 1)]
    columns = zip(*sorted(rows, key=lambda row: row[1]), strict=True)
    metric, step, value, attempt = (list(column) for column in columns)
    table = pa.table({"step": step, "metric": metric, "value": value, "attempt": attempt})
    table = table.append_column("time", pa.nulls(3, pa.timestamp("us", tz="UTC"))).append_column("json", pa.nulls(3))
    pq.write_table(table.replace_schema_metadata({"hyperherd.format": "1"}), TrialPaths(tmp_path).parquet)
    assert read_metrics(tmp_path)["step"].to_pylist() == [0, 1]


@pytest.mark.parametrize("folder", [".", ".hyperherd/metrics"])
def test_a_newer_format_is_refused_wherever_it_lies(tmp_path, folder):
    name = "metrics.parquet" if folder == "." else "part-0-0-node-1-a.parquet"
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    table = SCHEMA.empty_table().replace_schema_metadata({"hyperherd.format": "2"})
    pq.write_table(table, tmp_path / folder / name)
    with pytest.raises(FormatError, match=f"{name} is in format 2; this version of hydra-hyperherd reads up to 1"):
        read_metrics(tmp_path)
