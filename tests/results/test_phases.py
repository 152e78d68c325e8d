"""Trials that trained or evaluated several times: what is shown of a metric, and how another phase is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import hyperherd
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd.results.curves.curves import PlotOptions, draw
from hyperherd.results.curves.reading import read_curves
from hyperherd.results.pages.best import best_page
from hyperherd.results.pages.overview import notes, render
from hyperherd.results.pages.show import show_page
from hyperherd.results.report.sampling import sample_curves
from hyperherd.results.statistics.best import winners
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.fields import find_field
from hyperherd.results.trials.metric_names import phase_notes

FOLDS = {"fold0": [0.1, 0.9], "fold1": [0.2, 0.3], "fold1/test": [0.8]}


def be_a_hydra_job(folder: Path) -> None:
    (folder / ".hydra").mkdir(parents=True)
    for name, text in (("overrides", "[]"), ("config", "{}"), ("hydra", "{}")):
        (folder / ".hydra" / f"{name}.yaml").write_text(text)


@pytest.fixture(params=["recorded", "plain"])
def trials(request: pytest.FixtureRequest, tmp_path: Path) -> hyperherd.Trials:
    """One trial of two folds and a test, with a `trial.json` or without."""
    folder = tmp_path / "sweep" / "0"
    writer = MetricWriter(folder, 0)
    for writer.phase, values in FOLDS.items():
        for step, value in enumerate(values):
            writer.log({"acc": value, "loss": 1.0 - value}, step)
    writer.close()
    merge(folder)
    be_a_hydra_job(folder)
    if request.param == "recorded":
        running = RunningSummary(folder, None)
        running.refresh()
        record = TrialRecord(0, "k", "n", (), {}, 0, TrialState.COMPLETED, started=1.0, ended=2.0)
        record.with_(metrics=running.metrics, phases=running.phases).write(folder)
    return hyperherd.load(tmp_path / "sweep")


def test_the_last_phase_that_trained_is_shown(trials: hyperherd.Trials) -> None:
    [trial] = trials
    assert (trial.value("acc"), trial.value("acc", "max"), trial["acc"]) == (0.3, 0.3, [0.2, 0.3])
    assert trials.table()["acc"].to_pylist() == [0.3]
    curves, notes = read_curves(trials, ["acc"])
    assert curves[trial, "acc"].ys == [0.2, 0.3]
    assert any("phase" in note for note in notes)


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("acc", 0.3),
        ("acc:max", 0.3),
        ("acc:fold0", 0.9),
        ("acc:fold0:min", 0.1),
        ("acc:fold0:mean", 0.5),
        ("acc:evaluate", 0.8),
        ("acc:fold1/test", 0.8),
        ("metric.acc:fold0", 0.9),
    ],
)
def test_another_phase_is_asked_for_by_its_name(trials: hyperherd.Trials, asked: str, value: float) -> None:
    assert find_field(trials, asked).value(trials[0]) == value


@pytest.mark.parametrize(("asked", "value"), [("acc:fold0", 0.9), ("acc:fold0:min", 0.1), ("acc:evaluate", 0.8)])
def test_trials_are_judged_by_another_phase(trials: hyperherd.Trials, asked: str, value: float) -> None:
    judged = trials.judged_by(asked)
    assert judged.objective is not None
    assert (judged.objective.label, judged.objective.direction) == (asked, "maximize")
    assert judged.objective.value(judged[0]) == value
    assert find_field(trials, f"loss@{asked}").value(trials[0]) == 1.0 - value
    page = render(judged, Screen())
    assert asked in page
    assert f"ranked by {asked}" in page


def test_a_table_says_that_a_metric_has_more_phases_than_the_one_shown(trials: hyperherd.Trials) -> None:
    assert all(phase in render(trials, Screen(width=200)) for phase in ("METRIC:PHASE", *FOLDS))
    assert any("fold1/test" in note for note in notes(trials))
    winner = winners(trials.judged_by("acc:min"))
    assert "fold1/test" in best_page(trials.judged_by("acc:min"), winner, Screen(width=200))
    assert phase_notes(trials, ["lr"]) == []


@pytest.mark.parametrize(("asked", "values"), [("acc:fold0", [0.1, 0.9]), ("acc:evaluate", [0.8]), ("acc", [0.2, 0.3])])
def test_a_curve_of_another_phase(trials: hyperherd.Trials, asked: str, values: list[float]) -> None:
    drawing = draw(trials, PlotOptions(asked, right="acc:fold1"))
    assert [line.ys for line in drawing.lines] == [values]
    assert [line.ys for line in drawing.right] == [[0.2, 0.3]]
    assert drawing.lines[0].best is not None
    assert asked in sample_curves(trials.judged_by(asked)).curves or len(values) == 1


@pytest.mark.parametrize("asked", ["acc:fold0:max", "acc:max"])
def test_a_curve_has_no_aggregate(trials: hyperherd.Trials, asked: str) -> None:
    with pytest.raises(hyperherd.HyperherdError, match="max"):
        draw(trials, PlotOptions(asked))


def test_a_phase_that_nobody_has_is_refused(trials: hyperherd.Trials) -> None:
    with pytest.raises(hyperherd.HyperherdError, match=r"fold7.*fold0"):
        find_field(trials, "acc:fold7")


def test_the_history_has_every_phase(trials: hyperherd.Trials) -> None:
    [trial] = trials
    rows = [(row["phase"], row["value"]) for row in trial.history("acc").to_pylist()]
    assert rows == [(phase, value) for phase, values in FOLDS.items() for value in values]
    assert trial.history("acc:fold0")["value"].to_pylist() == FOLDS["fold0"]
    assert trials.metrics(["acc"])["phase"].to_pylist() == [phase for phase, _ in rows]
    some = trials.metrics(["acc:fold0", "loss:evaluate"])
    told = zip(some["metric"].to_pylist(), some["phase"].to_pylist(), some["value"].to_pylist(), strict=True)
    assert list(told) == [("acc", "fold0", 0.1), ("acc", "fold0", 0.9), ("loss", "fold1/test", 1.0 - 0.8)]
    assert trial.history("acc", "acc:fold0").num_rows == len(rows)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_an_export_has_every_phase(trials: hyperherd.Trials, tmp_path: Path, form: str) -> None:
    files = {path.name: path for path in trials.export(tmp_path / "out", form)}
    assert b"fold1/test" in files[f"metrics.{form}"].read_bytes()


def test_the_page_of_a_trial_lists_them(trials: hyperherd.Trials) -> None:
    page = show_page(trials[0], Screen())
    assert all(f"acc:{phase}" in page for phase in FOLDS)
    assert "metrics by phase" in page


def test_curves_over_epochs_align_trials_of_other_batch_sizes(tmp_path: Path) -> None:
    for number, batches in enumerate((2, 4)):
        be_a_hydra_job(tmp_path / str(number))
        writer = MetricWriter(tmp_path / str(number), 0)
        for writer.phase in ("", "fit-2"):
            for step in range(1, 2 * batches + 1):
                writer.log({"loss": float(step), "epoch": (step - 1) // batches}, step)
            writer.log({"acc": 0.5}, batches)
            writer.log({"acc": 0.7}, 2 * batches)
        writer.close()
    trials = hyperherd.load(tmp_path)
    curves, _ = read_curves(trials, ["acc", "loss"], "epoch")
    assert [curves[trial, "acc"].xs for trial in trials] == [[0, 1], [0, 1]]
    assert curves[trials[1], "loss"].xs == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
