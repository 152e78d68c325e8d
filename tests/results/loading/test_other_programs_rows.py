"""JSONL of other programs counts like any metric: in its three shapes, in its three places."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, stats

from hyperherd import load
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.disk.guarded import LINE_BYTES
from hyperherd.results.files.index.index import SMALLEST
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.tables.records import to_tsv
from hyperherd.sweep.running.live_table import Progress

LOSSES = [4.0, 2.0, 3.0]


def flat(name: str, values: list[float], counter: str = "step") -> list[dict[str, Any]]:
    return [{counter: step, name: value} for step, value in enumerate(values)]


def nested(name: str, values: list[float], counter: str = "step") -> list[dict[str, Any]]:
    return [{counter: step, "ts": 1.7e9 + step, "metrics": {name: value}} for step, value in enumerate(values)]


def alone(name: str, values: list[float], counter: str = "step") -> list[dict[str, Any]]:
    return [{counter: step, "value": value, "ts": 1.7e9} for step, value in enumerate(values)]


def write(path: Path, rows: list[dict[str, Any]], *, old: bool = False) -> None:
    """Write a file; an old one may be remembered, because a change would show in its time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if old:
        os.utime(path, (1.7e9, 1.7e9))


def places(sweep: SweepBuilder, name: str, number: int = 0) -> dict[str, Path]:
    trial = sweep.dir / str(number)
    return {
        "metrics": trial / ".hyperherd" / "metrics" / f"{name}.jsonl",
        "beside": trial / "metrics.jsonl",
        "logs": trial / "logs" / "metrics.jsonl",
        "workspace": sweep.dir / ".hyperherd" / "results" / str(number) / "stream" / f"{name}.jsonl",
    }


@pytest.mark.parametrize("counter", ["step", "epoch"])
@pytest.mark.parametrize(
    ("shape", "place", "name"),
    [
        *[
            (shape, place, "val/other")
            for shape in (flat, nested)
            for place in ("metrics", "beside", "logs", "workspace")
        ],
        *[(alone, place, "other") for place in ("metrics", "workspace")],
    ],
)
def test_every_shape_in_every_place(
    sweep: SweepBuilder, shape: Callable[..., list[dict[str, Any]]], place: str, name: str, counter: str
) -> None:
    for number, factor in enumerate((1.0, 2.0)):
        sweep.trial({"val/acc": 0.5}, {"return_value": 1}, params={"lr": number})
        path = places(sweep, name.rpartition("/")[2], number)[place]
        write(path, shape(name, [factor * value for value in LOSSES], counter))
    trials = load(sweep.dir)
    assert trials.metric_names == tuple(sorted((name, "return_value", "val/acc")))
    first = trials[0]
    assert first.metrics[name] == stats(3.0, min=2.0, min_step=1, max=4.0, max_step=0)
    assert (first.value(name), first.value(name, "mean:2"), first[name], first.step) == (3.0, 2.5, LOSSES, 2)
    assert trials.judged_by(name, "min").best().number == 0
    assert [trial.number for trial in trials.filter(f"{name}>3")] == [1]
    assert name in to_tsv(trials).splitlines()[0].split("\t")
    assert trials.metrics([name])["value"].to_pylist() == [*LOSSES, 8.0, 4.0, 6.0]


def test_several_files_and_a_line_that_is_none(sweep: SweepBuilder) -> None:
    sweep.trial(params={"lr": 1})
    where = places(sweep, "own")
    write(where["beside"], flat("a", [1.0, float("nan")]))
    write(where["logs"], flat("b", [5.0, 6.0, 7.0]))
    write(where["metrics"], alone("own", [9.0]))
    with where["logs"].open("a") as stream:
        stream.write("garbage\n" + json.dumps({"step": None, "epoch": 3, "b": 8.0}) + '\n{"step": 4, "b"')
    (trial,) = load(sweep.dir)
    assert sorted(trial.metrics) == ["a", "b", "own"]
    assert (trial.value("b"), trial.value("own"), trial.metrics["a"]["nan"]) == (8.0, 9.0, 1)


def test_the_latest_value_of_a_step_stands(sweep: SweepBuilder) -> None:
    sweep.trial()
    rows = [{"step": 1, "ts": moment, "a": value} for moment, value in ((3.0, 30.0), (1.0, 10.0), (2.0, 20.0))]
    write(places(sweep, "a")["beside"], rows)
    (trial,) = load(sweep.dir)
    assert (trial.metrics["a"]["count"], trial.value("a"), trial["a"]) == (1, 30.0, [30.0])


def test_a_metric_that_was_logged_both_ways_is_one(sweep: SweepBuilder) -> None:
    sweep.trial()
    writer = MetricWriter(sweep.dir / "0", 0)
    writer.log({"loss": 3.0}, step=0)
    writer.log({"loss": 2.0}, step=2)
    writer.close()
    sweep.file(0).write_text(
        sweep.file(0).read_text().replace('"metrics": {}', f'"metrics": {json.dumps({"loss": stats(2.0)})}')
    )
    write(places(sweep, "x")["beside"], [{"step": 1, "loss": 9.0}])
    (trial,) = load(sweep.dir)
    assert (trial.metrics["loss"]["count"], trial.metrics["loss"]["max"]) == (3, 9.0)
    assert trial["loss"] == [3.0, 9.0, 2.0]


def test_the_objective_may_be_in_such_a_file(sweep: SweepBuilder) -> None:
    for number, factor in enumerate((0.1, 0.2)):
        sweep.trial({"train/loss": 1.0}, params={"lr": number})
        write(places(sweep, "x", number)["beside"], flat("val/acc", [factor, 3 * factor, 2 * factor]))
    trials = load(sweep.dir)
    assert trials.best().number == 1
    told = trials[1].objective
    assert told is not None
    assert (told["best"], told["best_step"], told["curve"]) == (
        pytest.approx(0.6),
        1,
        [[0, 0.2], [1, pytest.approx(0.6)], [2, 0.4]],
    )


def test_a_file_that_cannot_be_read_is_said_and_costs_no_row(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5})
    write(places(sweep, "x")["beside"], [])
    os.truncate(places(sweep, "x")["beside"], LINE_BYTES + (1 << 20))  # a file of holes
    trials = load(sweep.dir)
    assert trials[0].value("val/acc") == 0.5
    assert "metrics.jsonl has a line of more than" in trials[0].unread
    assert "metrics.jsonl has a line of more than" in repr(trials)


def test_the_live_table_has_them_too(sweep: SweepBuilder) -> None:
    sweep.running({"train/loss": 1.0}, step=1)
    write(places(sweep, "val/acc")["workspace"], alone("", [0.1, 0.2, 0.3]))
    progress = Progress(sweep.dir, sweep.planned)
    os.utime(sweep.file(0))  # a heartbeat
    (record,) = progress.read()
    assert (progress.metric(record), record.step) == ("val/acc 0.3", 2)


def test_the_index_notices_a_change(sweep: SweepBuilder) -> None:
    for number in range(SMALLEST):
        sweep.trial({"val/acc": 0.5}, params={"lr": number})
    for number in range(SMALLEST):
        os.utime(sweep.file(number), (1.7e9, 1.7e9))
        if number:
            write(places(sweep, "x", number)["logs"], flat("a", [1.0, float("nan")]), old=True)
    first = load(sweep.dir)
    assert (sweep.dir / ".hyperherd" / "index.bin").exists()
    second = load(sweep.dir)
    assert all(isinstance(trial, IndexedTrial) for trial in second)
    assert repr(second[5].metrics) == repr(first[5].metrics)
    assert to_tsv(second) == to_tsv(first)
    write(places(sweep, "x", 0)["beside"], flat("a", [7.0]))
    write(places(sweep, "x", 1)["logs"], flat("a", [1.0, 8.0]))
    write(places(sweep, "new", 2)["workspace"], alone("new", [9.0]))
    places(sweep, "x", 3)["logs"].unlink()
    third = load(sweep.dir)
    assert [third[number].value("a") for number in (0, 1, 3)] == [7.0, 8.0, None]
    assert third[2].value("new") == 9.0


def test_without_our_sweeper(tmp_path: Path) -> None:
    for number in range(2):
        hydra = tmp_path / "s" / str(number) / ".hydra"
        hydra.mkdir(parents=True)
        (hydra / "overrides.yaml").write_text(f"- lr={number}\n")
        (hydra / "config.yaml").write_text(f"lr: {number}\n")
        (hydra / "hydra.yaml").write_text("hydra: {job: {name: app}}\n")
        write(tmp_path / "s" / str(number) / "metrics.jsonl", flat("val/loss", [2.0 - number], "epoch"))
    trials = load(tmp_path)
    assert (trials.metric_names, trials.best().number) == (("val/loss",), 1)
