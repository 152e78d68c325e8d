from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from results.builder import SweepBuilder, every_state

import hyperherd
from hyperherd import Trials, load
from hyperherd.records.states import TrialState


def test_a_sequence(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    assert isinstance(trials[:3], Trials)
    assert [trial.number for trial in trials[:3]] == [0, 1, 2]
    assert trials[-1] in trials
    assert trials[1:3].objective == trials.objective
    assert trials.counts[TrialState.COMPLETED] == 4
    assert next(iter(trials.counts)) is TrialState.COMPLETED


def test_varying_and_constant_are_typed(sweep: SweepBuilder) -> None:
    sweep.trial(params={"same": 1, "float": 1, "bool": 1, "list": [1, {"a": 1}], "here": 1})
    sweep.trial(params={"same": 1, "float": 1.0, "bool": True, "list": [1, {"a": 2}]})
    trials = load(sweep.dir)
    assert trials.varying == ("bool", "list", "here")
    assert trials.constant == {"same": 1, "float": 1}


def test_what_cannot_be_read_varies_nothing(sweep: SweepBuilder, tmp_path: Path) -> None:
    sweep.trial(params={"lr": 1})
    (sweep.dir / "broken" / ".hydra").mkdir(parents=True)
    trials = load(sweep.dir)
    assert (trials.varying, trials.constant) == ((), {"lr": 1})
    assert (Trials([]).varying, Trials([]).constant) == ((), {})


def test_table_has_types(tmp_path: Path) -> None:
    table = load(every_state(tmp_path / "s").dir).table()
    assert table.column_names == [
        *["sweep", "number", "state", "lr", "seed", "epochs", "train/loss", "val/acc", "dir"],
    ]
    assert table.schema.field("lr").type == pa.float64()
    assert table.schema.field("seed").type == pa.int64()
    assert table["val/acc"].to_pylist()[1] == 0.9871234
    assert math.isnan(table["val/acc"][3].as_py())
    assert table["val/acc"][8].as_py() is None


def test_columns_of_mixed_types(sweep: SweepBuilder) -> None:
    mixed = [(1, True, 1, None, 2**70, "a"), (0.5, False, "x", [1], 1, "b"), (2, None, 2.5, {"a": 1}, 2, "c")]
    for values in mixed:
        sweep.trial(params=dict(zip("abcdef", values, strict=True)))
    table = load(sweep.dir).table()
    assert table["a"].to_pylist() == [1.0, 0.5, 2.0]
    assert table["b"].to_pylist() == [True, False, None]
    assert table["c"].to_pylist() == ["1", "x", "2.5"]
    assert table["d"].to_pylist() == [None, "[1]", '{"a":1}']
    assert table["e"].to_pylist() == [str(2**70), "1", "2"]
    assert table["f"].to_pylist() == ["a", "b", "c"]


def test_data_frames_take_it_as_it_is(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    frame = trials.to_pandas(every_value=True)
    assert list(frame["number"]) == list(range(13))
    known = pa.table(trials).to_pandas()
    pd.testing.assert_frame_equal(frame.drop(columns="values_are"), known, check_dtype=False, check_categorical=False)
    assert pa.table(trials).drop_columns(["val/acc"]) == trials.table().drop_columns(["val/acc"])  # It has a NaN.


def test_without_pandas_data_frames_say_what_to_install(tmp_path: Path) -> None:
    sweep = every_state(tmp_path / "s").dir
    (tmp_path / "pandas.py").write_text("raise ImportError")
    code = (
        "import sys, hyperherd\n"
        "from hyperherd.errors import ResultsError\n"
        "trials = hyperherd.load(sys.argv[1])\n"
        "for rows in (trials, trials.seeds()):\n"
        "    try: rows.to_pandas()\n"
        "    except ResultsError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(sweep)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "data frames need pandas: pip install 'hydra-hyperherd[pandas]'\n" * 2, done.stderr


def test_metrics_are_the_rows_of_all_trials(plain: Path) -> None:
    trials = load(plain / "multirun")
    table = trials.metrics()
    assert table.column_names == ["sweep", "number", "step", "metric", "value", "time", "attempt", "json"]
    assert table.num_rows == 6 * 3
    assert set(table["sweep"].to_pylist()) == {"s"}
    last = {row["number"]: row["value"] for row in table.to_pylist() if row["step"] == 2}
    assert last == {trial.number: trial.metrics["val/acc"]["last"] for trial in trials}
    assert trials.metrics(["nothing"]).num_rows == 0
    assert trials.metrics(["nothing"]).schema.names == table.schema.names


def test_metrics_of_trials_that_have_none(sweep: SweepBuilder) -> None:
    sweep.plan(lr=1)
    assert load(sweep.dir).metrics().num_rows == 0
    assert load(sweep.dir).metrics(["a"]).column_names[:3] == ["sweep", "number", "step"]
    assert Trials([]).metrics().num_rows == 0


def test_metrics_that_cannot_be_read_are_left_out_with_a_warning(sweep: SweepBuilder) -> None:
    sweep.trial()
    (sweep.dir / "0" / "metrics.parquet").write_bytes(b"PAR1")
    with pytest.warns(UserWarning, match="trial 0: metrics left out"):
        assert load(sweep.dir).metrics().num_rows == 0


def test_repr_is_the_table(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    assert "ranked by val/acc" in repr(load(sweep.dir))
    assert repr(Trials([])).startswith("0 sweeps · 0 trials")


def test_names_of_the_package() -> None:
    assert hyperherd.Trials is Trials
    assert hyperherd.Trial.__module__ == "hyperherd.results.trials.trial"


def test_json_of_a_nested_value(sweep: SweepBuilder) -> None:
    sweep.trial(final={"confusion": [[1, math.nan], [0, 1]], "name": "x"})
    assert json.loads(load(sweep.dir).table()["confusion"][0].as_py()) == [[1, "NaN"], [0, 1]]
