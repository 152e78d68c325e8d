from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import pytest
import starting
from results.builder import SweepBuilder

from hyperherd import Trials, load
from hyperherd.records.states import TrialState
from hyperherd.results.tables.records import to_json
from hyperherd.results.trials.objective import MINIMIZE, Objective

APP = """
import hydra, sys

@hydra.main(version_base=None, config_path=None)
def main(cfg):
    if cfg.lr == 3:
        raise ValueError("too <b>fast</b>")
    return {"acc": cfg.lr / 10, "name": "x"} if cfg.lr == 2 else cfg.lr

main()
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A Hydra job without anything but its config."""
    folder = tmp_path / "outputs" / "day" / "12-00-00"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("- lr=0.1\n")
    (folder / ".hydra" / "config.yaml").write_text("lr: 0.1\nmodel: {width: 64, name: 'w${model.width}'}\n")
    return folder


def test_a_config_alone(job: Path) -> None:
    (trial,) = load(job)
    assert (trial.params, trial.state, trial.metrics) == ({"lr": 0.1}, TrialState.UNKNOWN, {})
    assert trial.config == {"lr": 0.1, "model": {"width": 64, "name": "w64"}}
    assert trial.started == pytest.approx((job / ".hydra" / "overrides.yaml").stat().st_mtime)


def lightning(folder: Path, text: str, version: int = 0) -> None:
    target = folder / "lightning_logs" / f"version_{version}" / "metrics.csv"
    target.parent.mkdir(parents=True)
    target.write_text(text)


CSV = "epoch,step,train/loss,val/acc\n0,4,0.5,\n0,4,,0.7\n1,9,nan,\n1,9,,0.9\n2,14,,0.8\n"


def test_metrics_of_lightning(job: Path) -> None:
    lightning(job, "epoch,step,val/acc\n0,0,0.1\n", version=2)
    lightning(job, CSV, version=10)
    (trial,) = load(job)
    assert trial.metrics["val/acc"] == {
        "count": 3,
        "last": 0.8,
        "last_step": 14,
        "min": 0.7,
        "min_step": 4,
        "max": 0.9,
        "max_step": 9,
        "nan": 0,
    }
    assert math.isnan(trial.metrics["train/loss"]["last"])
    assert trial.metrics["train/loss"]["nan"] == 1
    assert trial["val/acc"] == [0.7, 0.9, 0.8]
    assert trial.value("val/acc", "mean:2") == pytest.approx(0.85)
    assert trial.step == 14
    assert load(job).metrics(["val/acc"])["step"].to_pylist() == [4, 9, 14]
    assert load(job).best() is not None


def test_a_trainer_of_transformers(job: Path) -> None:
    early = [{"step": 1, "loss": 0.5, "epoch": 0.1}]
    late = [*early, {"step": 2, "loss": 0.25, "eval_loss": 0.3}, {"step": 2, "train_runtime": 5.0, "text": "x"}]
    for name, rows in (("checkpoint-1", early), ("checkpoint-2", late)):
        (job / name).mkdir()
        (job / name / "trainer_state.json").write_text(json.dumps({"global_step": len(rows), "log_history": rows}))
    (trial,) = load(job)
    assert {name: item["last"] for name, item in trial.metrics.items()} == {
        "loss": 0.25,
        "epoch": 0.1,
        "eval_loss": 0.3,
        "train_runtime": 5.0,
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trainer_state.json", "{"),
        ("trainer_state.json", "[]"),
        ("trainer_state.json", '{"log_history": 5}'),
        ("metrics.csv", "a,b\n1," + "x" * 200_000),
    ],
)
def test_a_broken_file_is_a_reason(job: Path, name: str, content: str) -> None:
    (job / name).write_text(content)
    (trial,) = load(job)
    assert trial.state is TrialState.UNREADABLE
    assert name in trial.reason


@pytest.mark.parametrize(
    "content", ["", "\n", "step\n", "a,b\n1", "step,acc\n1,x\n", "step,acc\ninf,1\n,2\n", "\x00\n"]
)
def test_an_odd_table_costs_nothing(job: Path, content: str) -> None:
    (job / "metrics.csv").write_text(content)
    assert load(job)[0].state in (TrialState.UNKNOWN, TrialState.UNREADABLE)
    csv.field_size_limit()  # As it was.


def test_folders_far_below_and_hidden_ones_are_not_searched(job: Path) -> None:
    for folder in (job / "a" / "b" / "c" / "d", job / ".cache"):
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(CSV)
    assert load(job)[0].metrics == {}


def test_returned_values_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    callback = "+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback"
    command = [sys.executable, "app.py", "-m", "+lr=1,2,3", callback, "hydra.sweep.dir=multirun/s"]
    starting.run(command, cwd=tmp_path)
    trials = load(tmp_path / "multirun")
    assert [str(trial.state) for trial in trials][:2] == ["completed", "completed"]
    assert [trial.final for trial in trials][:2] == [{"return_value": 1}, {"acc": 0.2}]
    assert Trials(trials[:1]).objective == Objective("return_value", MINIMIZE, source="guessed")
    failed = trials[2]
    assert (failed.state, failed.reason) == (TrialState.FAILED, "ValueError: too <b>fast</b>")
    assert failed.error is not None
    assert "in main" in failed.error.traceback


def test_what_ours_logged_comes_first(job: Path) -> None:
    lightning(job, CSV)
    (job / "metrics.jsonl").write_text('{"step": 1, "acc": 0.5}\n')
    assert set(load(job)[0].metrics) == {"acc"}
    assert json.loads(to_json(load(job)))["trials"][0]["metrics"]["acc"]["last"] == 0.5


def test_what_main_returned_does_not_hide_a_trainers_files(sweep: SweepBuilder) -> None:
    sweep.trial(final={"return_value": 0.5})
    (sweep.dir / "0" / "metrics.csv").write_text("step,val/acc\n0,0.25\n1,0.5\n")
    (trial,) = load(sweep.dir)
    assert (trial.value("return_value"), trial.value("val/acc"), trial["val/acc"], trial.step) == (
        0.5,
        0.5,
        [0.25, 0.5],
        1,
    )


def test_an_empty_folder_of_ours_hides_nothing(job: Path) -> None:
    (job / ".hyperherd" / "metrics").mkdir(parents=True)
    (job / "metrics.csv").write_text("step,val/acc\n0,0.25\n")
    assert load(job)[0].value("val/acc") == 0.25
