"""Rows of many trials at once are the rows of each, whatever its files are like, and whichever is read alone."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hyperherd
from hyperherd.errors import FormatError
from hyperherd.metrics.consolidate.compact import compact
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_metrics
from hyperherd.metrics.store import many_trials
from hyperherd.metrics.store.many_trials import read_many
from hyperherd.metrics.store.tables import PHASE, PLACE, SCHEMA
from hyperherd.metrics.store.usual_footer import usual_rows
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd.results.curves.reading import read_curves

OBJECTIVE = {"metric": "m", "direction": "maximize"}


def log(trial: Path, steps: Sequence[int] = range(5), attempt: int = 0, phase: str = "", **more: Any) -> None:
    writer = MetricWriter(trial, attempt)
    writer.phase = phase
    for step in steps:
        writer.log({"m": step / 3 + attempt, "n": 1, **more}, step)
    writer.close()


def logged_again(trial: Path) -> None:
    log(trial, [0, 1, 1, 1, 2, 2])


def odd_numbers(trial: Path) -> None:
    writer = MetricWriter(trial, 0)
    for step, value in enumerate([math.nan, math.inf, -0.0, 2**60 + 1, "text", None, [1, {"a": 2}]]):
        writer.log({"m": value, "ü é": step}, step)
    writer.log_final({"x": 1.5, "why": "done"})
    writer.close()


def two_attempts(trial: Path) -> None:
    log(trial, range(6))
    log(trial, range(3, 8), attempt=1)


def resumed(trial: Path) -> None:
    log(trial, range(6))
    writer = MetricWriter(trial, 1)
    writer.resumed(2)
    writer.close()


def second_attempt_alone(trial: Path) -> None:
    log(trial, range(4), attempt=3)


def folds(trial: Path) -> None:
    for phase in ("fold0", "fold1", "fold1/test"):
        log(trial, range(3), phase=phase)


def evaluated(trial: Path) -> None:
    log(trial, range(3))
    log(trial, [7], phase="test")


def only_another_metric(trial: Path) -> None:
    writer = MetricWriter(trial, 0)
    writer.log({"z": 1.0}, 0)
    writer.close()


TOGETHER = [log, logged_again, odd_numbers, second_attempt_alone, folds, evaluated, only_another_metric]
ALONE = [two_attempts, resumed]


def cut_short(trial: Path) -> None:
    log(trial)
    merge(trial, OBJECTIVE)
    path = TrialPaths(trial).parquet
    path.write_bytes(path.read_bytes()[:-9])


def not_merged(trial: Path) -> None:
    log(trial, range(3))
    log(trial, range(3, 5))


def beside_jsonl(trial: Path) -> None:
    log(trial)
    merge(trial, OBJECTIVE)
    (trial / "metrics.jsonl").write_text(json.dumps({"step": 9, "m": 4.0}) + "\n")


def of_ranks(trial: Path) -> None:
    log(trial)
    merge(trial, OBJECTIVE)
    TrialPaths(trial).metrics.mkdir(exist_ok=True)
    (TrialPaths(trial).metrics / "rank1.jsonl").write_text(json.dumps({"step": 2, "m": 4.0}) + "\n")


def only_jsonl(trial: Path) -> None:
    (trial / "logs").mkdir(parents=True)
    (trial / "logs" / "metrics.jsonl").write_text('{"step": 1, "m": 0.5}\n{"step": 2\n')


def nothing(trial: Path) -> None:
    trial.mkdir(parents=True)


def rewritten(change: Callable[[pa.Table], pa.Table], **options: Any) -> Callable[[Path], None]:
    """Return what makes a trial whose file another program has written again."""

    def make(trial: Path) -> None:
        log(trial)
        merge(trial, OBJECTIVE)
        path = TrialPaths(trial).parquet
        table = change(pq.read_table(path))
        pq.write_table(table, path, **options)

    return make


def same(table: pa.Table) -> pa.Table:
    return table


REWRITTEN = [
    rewritten(same, compression="zstd", write_statistics=False),
    rewritten(same, row_group_size=2),
    rewritten(lambda table: table.drop_columns(["json"])),
    rewritten(lambda table: table.replace_schema_metadata(None)),
    rewritten(lambda table: table.select([*reversed(table.column_names)])),
    rewritten(lambda table: table.set_column(4, "attempt", table["attempt"].cast(pa.int64()))),
    rewritten(lambda table: table.append_column("more", table["step"])),
    rewritten(lambda table: table.replace_schema_metadata({**table.schema.metadata, b"hyperherd.format": b"99"})),
    rewritten(lambda table: table.replace_schema_metadata({**table.schema.metadata, b"hyperherd.summary": b"[]"})),
    rewritten(lambda table: table.slice(0, 0)),
]
BESIDE = [cut_short, not_merged, beside_jsonl, of_ranks, only_jsonl, nothing]


def make(folder: Path, kinds: Sequence[Callable[[Path], None]], *, merged: bool = True) -> list[Path]:
    trials = [folder / str(number) for number in range(len(kinds))]
    for trial, kind in zip(trials, kinds, strict=True):
        kind(trial)
        if merged:
            merge(trial, OBJECTIVE)
    return trials


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in (*SCHEMA.names, PHASE.name) if name in table.column_names]
    # NaN differs from itself.
    return [{PHASE.name: None, **row, "value": repr(row["value"])} for row in table.select(names).to_pylist()]


def alone(trial: Path, metrics: Sequence[str] | None, *, shown: bool) -> list[dict[str, Any]] | None:
    try:
        return rows_of(read_metrics(trial, metrics, shown=shown))
    except FormatError:
        return None


def check(trials: Sequence[Path | None], metrics: Sequence[str] | None, *, shown: bool = False) -> set[int]:
    """Compare all that is read together; return which trials were left to be read alone."""
    places: list[int] = []
    left = set()
    for some, table in read_many(trials, metrics, shown=shown):
        places += some
        if table is None:
            left.update(some)
            continue
        for place in some:
            own = table.filter(pa.compute.equal(table[PLACE.name], place - some.start))
            trial = trials[place]
            assert trial is not None
            assert rows_of(own) == alone(trial, metrics, shown=shown), trial
        assert table[PLACE.name].to_pylist() == sorted(table[PLACE.name].to_pylist())
    assert places == list(range(len(trials)))
    return left


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("metrics", [None, ["m"], ["n", "m", "absent"], ["absent"]])
def test_rows_together_are_the_rows_of_each(tmp_path: Path, metrics: list[str] | None, shown: bool) -> None:
    kinds = [*TOGETHER, *ALONE, log, log]
    trials = make(tmp_path, kinds)
    left = check(trials, metrics, shown=shown)
    assert left == {place for place, kind in enumerate(kinds) if kind in ALONE}


def test_without_times_all_else_is_the_same(tmp_path: Path) -> None:
    trials = make(tmp_path, [*TOGETHER, log])
    timed, bare = (
        [table for _, table in read_many(trials, ["m"], timed=timed) if table is not None] for timed in (True, False)
    )
    rows = [[repr(table.drop_columns(["time"]).to_pylist()) for table in tables] for tables in (timed, bare)]
    assert rows[0] == rows[1]
    assert all(table["time"].null_count == 0 for table in timed)
    assert any(table["time"].null_count == len(table) > 0 for table in bare)  # what was not read


def test_files_of_others_and_broken_ones_are_left_to_be_read_alone(tmp_path: Path) -> None:
    kinds = [*BESIDE, log, *REWRITTEN, log]
    trials = make(tmp_path, kinds, merged=False)
    for number in (len(BESIDE), len(kinds) - 1):
        merge(trials[number], OBJECTIVE)
    for metrics in (None, ["m"]):
        left = check([*trials, None], metrics)
        assert left >= {*range(len(BESIDE)), len(trials)}
        assert not left & {len(BESIDE), len(BESIDE) + 1, len(BESIDE) + 2, len(kinds) - 1}


def test_rows_of_the_first_hyperherd_are_not_missed(tmp_path: Path) -> None:
    [trial, other] = make(tmp_path, [log, log])
    TrialPaths(trial).trial.write_text(json.dumps({"number": 0}))
    stream = tmp_path / ".hyperherd" / "results" / "0" / "stream"
    stream.mkdir(parents=True)
    (stream / "m.jsonl").write_text(json.dumps({"step": 20, "value": 1.0}) + "\n")
    assert check([trial, other], ["m"]) == {0, 1}


@pytest.mark.parametrize("most", [512, 2])
def test_a_compacted_sweep_is_read_as_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(many_trials, "_MOST_TRIALS", most)
    kinds = [*TOGETHER, *ALONE, log]
    trials = make(tmp_path, kinds)
    before = [alone(trial, None, shown=False) for trial in trials]
    for number, trial in enumerate(trials):
        TrialPaths(trial).trial.write_text(
            json.dumps(
                {"format": 1, "number": number, "key": "k", "name": "n", "overrides": [], "params": {}, "attempt": 0}
                | {"state": "completed", "started": 1.0, "ended": 2.0}
            )
        )
    SweepPaths(tmp_path).records.mkdir()
    compact(tmp_path, delete=True)
    assert [alone(trial, None, shown=False) for trial in trials] == before
    expected = {place for place, kind in enumerate(kinds) if kind in ALONE}
    for metrics in (None, ["m"], ["absent"]):
        assert check(trials, metrics) == expected
        assert check(trials, metrics, shown=True) == expected
    backwards = [*reversed(trials)]
    assert check(backwards, ["m"]) == {len(kinds) - 1 - place for place in expected}
    shutil.rmtree(trials[1])
    log(trials[1], range(2))  # it ran again: its own files win
    assert check(trials, ["m"]) == {*expected, 1}


def sweep_of(folder: Path, kinds: Sequence[Callable[[Path], None]]) -> hyperherd.Trials:
    """Return a sweep with trials of all kinds, each with its `trial.json`."""
    SweepPaths(folder).records.mkdir(parents=True)
    for number, trial in enumerate(make(folder, kinds, merged=False)):
        if kinds[number] not in BESIDE:
            merge(trial, OBJECTIVE)
        TrialPaths(trial).records.mkdir(exist_ok=True)
        running = RunningSummary(trial, None)
        with suppress(FormatError):
            running.refresh()
        record = TrialRecord(number, f"k{number}", "n", (), {}, 0, TrialState.COMPLETED, started=1.0, ended=2.0)
        record.with_(metrics=running.metrics, phases=running.phases).write(trial, durable=False)
    return hyperherd.load(folder)


@pytest.mark.filterwarnings("ignore:trial .* metrics left out")
@pytest.mark.parametrize("names", [None, ["m"], ["m:test", "n"], []])
def test_tables_are_the_same_with_all_trials_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str] | None
) -> None:
    trials = sweep_of(tmp_path / "a", [*TOGETHER, *ALONE, *BESIDE, log])
    trials += sweep_of(tmp_path / "b", [log, *BESIDE, log])
    together = trials.metrics(names)
    curves = [read_curves(trials, names, x) for x in ("step", "time", "epoch") if names]
    monkeypatch.setattr(many_trials, "_source", lambda *_, **__: None)
    assert together.schema == trials.metrics(names).schema
    assert repr(together.to_pylist()) == repr(trials.metrics(names).to_pylist())
    assert repr(curves) == repr([read_curves(trials, names, x) for x in ("step", "time", "epoch") if names])
    assert together.num_rows > 20 or not names


def test_a_usual_footer_is_one_that_can_be_decoded(tmp_path: Path) -> None:
    [plain, again, *odd] = make(tmp_path, [log, logged_again, odd_numbers, two_attempts, folds])
    metadata = pq.read_metadata(TrialPaths(plain).parquet).metadata
    assert (usual_rows(metadata), usual_rows(pq.read_metadata(TrialPaths(again).parquet).metadata)) == (10, 12)
    assert [usual_rows(pq.read_metadata(TrialPaths(trial).parquet).metadata) for trial in odd] == [None] * 3
    summary = json.loads(metadata[b"hyperherd.summary"])
    wrong: list[Any] = [
        {**summary, "metrics": {"m": {}}},
        {**summary, "rows": 1.5},
        {**summary, "rows": True},
        {**summary, "objective": {**summary["objective"], "curve": [[0.5, 1]]}},
        {**summary, "objective": {**summary["objective"], "metric": 1}},
        {**summary, "objective": 1},
        {},
        [],
    ]
    for item in wrong:
        assert usual_rows({**metadata, b"hyperherd.summary": json.dumps(item).encode()}) is None
    for key in (b"hyperherd.attempts", b"hyperherd.sources", b"hyperherd.summary"):
        assert usual_rows({**metadata, key: b"{"}) is None
        assert usual_rows({name: value for name, value in metadata.items() if name != key}) is None
    for attempts in ({}, {"0": {}}, {"0": {"first": {"m": 1.5}, "resumed": None, "named": {}}}):
        assert usual_rows({**metadata, b"hyperherd.attempts": json.dumps(attempts).encode()}) is None
