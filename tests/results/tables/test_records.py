from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from results.builder import SweepBuilder, every_state

from hyperherd import load
from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.records import to_json, to_tsv
from hyperherd.results.trials.trial import Sweep, Trial


def rows(text: str) -> list[dict[str, str]]:
    header, *lines = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    return [dict(zip(header, line, strict=True)) for line in lines]


def strictly(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_tsv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every_state(tmp_path / "s")
    lines = to_tsv(load("s")).split("\n")
    assert lines[:2] == [
        "number\tstate\tlr\tseed\ttrain/loss\tval/acc\tdir",
        "1\tcompleted\t0.01\t1\t0.012876600000000016\t0.9871234\ts/1",
    ]
    assert lines[4] == "3\tcompleted\t1.0\t3\t\tnan\ts/3"
    assert lines[9] == "8\twaiting\t0.3\t8\t\t\ts/8"
    assert len(lines) == 15


def test_tsv_columns_do_not_move_with_the_objective(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    other = to_tsv(trials.judged_by("train/loss")).split("\n")[0]
    assert to_tsv(trials).split("\n")[0] == other
    assert "val/acc\tval/acc:max\tdir" in to_tsv(trials.judged_by("val/acc:max"))


def test_tsv_with_every_parameter_and_a_limit(tmp_path: Path) -> None:
    found = rows(to_tsv(load(every_state(tmp_path / "s").dir), limit=2, view=View(everything=True)))
    assert [row["epochs"] for row in found] == ["50", "50"]


def test_tsv_of_several_sweeps(tmp_path: Path) -> None:
    for name in ("a", "b"):
        SweepBuilder(tmp_path / name).trial({"val/acc": 0.5})
    assert [row["sweep"] for row in rows(to_tsv(load(tmp_path)))] == ["a", "b"]


names = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.tuples(st.dictionaries(names, values, max_size=3), st.dictionaries(names, values, max_size=3)), max_size=4
    )
)
def test_any_names_and_values_make_a_clean_page(given_trials: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    sweep = Sweep("s", Path("/s"))
    trials = Trials(
        Trial(number, "", Path("/s"), sweep, TrialState.COMPLETED, params=params, final=final)
        for number, (params, final) in enumerate(given_trials)
    )
    lines = to_tsv(trials).removesuffix("\n").split("\n")
    assert len(lines) == 1 + len(given_trials)
    assert len({line.count("\t") for line in lines}) == 1
    assert all(cell.isprintable() for line in lines for cell in line.split("\t"))
    strictly(to_json(trials))
    assert all(line.isprintable() for line in repr(trials).split("\n"))
    assert trials.table().num_rows == len(given_trials)


@given(st.floats())
def test_floats_come_back_exactly_from_tsv_and_json(value: float) -> None:
    sweep = Sweep("s", Path("/s"))
    trials = Trials([Trial(0, "", Path("/s"), sweep, TrialState.COMPLETED, final={"x": value}, params={"p": value})])
    assert repr(float(rows(to_tsv(trials, view=View(everything=True)))[0]["x"])) == repr(value)
    found = strictly(to_json(trials))["trials"][0]
    assert repr(float(found["final"]["x"])) == repr(float(found["params"]["p"])) == repr(value)


def test_json(tmp_path: Path) -> None:
    record = strictly(to_json(load(every_state(tmp_path / "s").dir)))
    assert record["schema"] == 1
    assert record["objective"] == {"metric": "val/acc", "direction": "maximize", "aggregate": None, "source": "saved"}
    assert record["counts"]["completed"] == 4
    assert record["constant"] == {"epochs": 50}
    assert record["varying"] == ["lr", "seed"]
    trials = record["trials"]
    assert [trial["number"] for trial in trials] == [1, 2, 0, 3, *range(4, 13)]
    assert [trial["rank"] for trial in trials] == [1, 2, 3, *[None] * 10]
    best, failed = trials[0], trials[4]
    assert (best["value"], best["params"], best["seconds"]) == (0.9871234, {"lr": 0.01, "seed": 1, "epochs": 50}, 60.0)
    assert best["command"] == ["python", str(tmp_path / "train.py"), "lr=0.01", "seed=1", "epochs=50"]
    assert best["metrics"]["val/acc"]["max_step"] == 2
    assert trials[3]["value"] == "NaN"
    assert (failed["state"], failed["cause"], failed["reason"]) == (
        "failed",
        "exception",
        "ValueError: train/loss is nan",
    )
    assert failed["error"] == {"type": "ValueError", "message": "train/loss is nan", "traceback": "Traceback ..."}


def test_json_of_what_json_does_not_know(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    sweep.trial({"loss": -math.inf}, {"x": [math.nan, {"y": math.inf}], "text": "é\x1b\udc80"})
    text = to_json(load(sweep.dir))
    assert text.isascii()
    trial = strictly(text)["trials"][0]
    assert trial["final"] == {"x": ["NaN", {"y": "Infinity"}], "text": "é\x1b\udc80"}
    assert trial["metrics"]["loss"]["last"] == "-Infinity"
    assert trial["rank"] is None


def test_json_without_an_objective(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    sweep.plan(lr=1)
    record = strictly(to_json(load(sweep.dir), limit=5))
    assert record["objective"] is None
    assert record["trials"][0]["value"] is None


def test_half_characters_are_no_trouble_for_arrow(tmp_path: Path) -> None:
    """They come from names and arguments that are no UTF-8, as Python reads them."""
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"acc\udcff": 0.5}, params={"name\udcfe": "\udcfdx"})
    table = load(sweep.dir).table()
    assert table["name\\udcfe"].to_pylist() == ["\\udcfdx"]
    assert table["acc\\udcff"].to_pylist() == [0.5]
