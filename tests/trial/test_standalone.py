"""`hyperherd.start_trial`: a loop of one's own as a trial, in a plain script, a Hydra job or a trial of a sweep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import App

import hyperherd
from hyperherd import load
from hyperherd.errors import NoTrialError
from hyperherd.metrics.reader import read_metrics
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    trial_log.leave()
    yield
    trial_log.leave()


def test_a_loop_in_a_plain_script_is_a_trial(tmp_path: Path) -> None:
    with hyperherd.start_trial(tmp_path / "run", params={"lr": 0.1}, objective="loss", direction="min") as trial:
        trial.total_steps(3)
        for step in range(3):
            trial.log({"loss": 1.0 / (step + 1)}, step)
        trial.log_array("weights", [1.0, 2.0])
        trial.log({"acc": 0.5})
        assert os.environ["HYPERHERD_TRIAL_DIR"] == str(trial.dir) == str(tmp_path / "run")
    assert "HYPERHERD_TRIAL_DIR" not in os.environ
    record = TrialRecord.read(tmp_path / "run")
    assert (record.state, record.step, record.max_step, record.params) == ("completed", 2, 3, {"lr": 0.1})
    assert record.objective is not None
    assert (record.objective["metric"], record.objective["best"]) == ("loss", 1 / 3)
    [found] = load(tmp_path / "run")
    assert (found.final, len(found["loss"])) == ({"acc": 0.5}, 3)


def test_a_block_of_it_is_a_phase(tmp_path: Path) -> None:
    with hyperherd.start_trial(tmp_path / "run") as trial:
        for fold in range(2):
            with trial.phase(f"fold{fold}"):
                trial.log({"loss": float(fold)}, 1)
    rows = read_metrics(tmp_path / "run", raw=True).to_pylist()
    assert [(row["phase"], row["value"]) for row in rows] == [("fold0", 0.0), ("fold1", 1.0)]


def test_an_error_fails_the_trial_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="diverged"), hyperherd.start_trial(tmp_path / "run"):
        raise ValueError("diverged")
    record = TrialRecord.read(tmp_path / "run")
    assert record.state == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("ValueError", "diverged")


def test_it_goes_on_from_the_last_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for attempt in range(3):
        with hyperherd.start_trial(tmp_path / "run") as trial:
            assert trial.attempt == attempt
            found = trial.checkpoint()
            assert (found is None) == (attempt < 2)
            if attempt == 1:
                (trial.dir / "step=7.ckpt").write_bytes(b"weights")
    [warning] = [record.getMessage() for record in caplog.records if "starts from nothing" in record.getMessage()]
    assert warning.startswith(
        "attempt 1 of this trial starts from nothing: there is no complete *.ckpt or checkpoint-*"
    )


def test_inside_of_a_trial_it_is_that_trial(tmp_path: Path) -> None:
    with hyperherd.start_trial(tmp_path / "outer") as outer:
        with hyperherd.start_trial(tmp_path / "inner") as inner:
            inner.log({"loss": 1.0}, 1)
        assert inner == outer
        outer.log({"loss": 2.0}, 2)
    assert not (tmp_path / "inner").exists()
    assert read_metrics(tmp_path / "outer")["value"].to_pylist() == [1.0, 2.0]


def test_a_further_rank_keeps_its_rows_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with hyperherd.start_trial(tmp_path / "run") as trial:
        trial.log({"loss": 1.0}, 1)
    assert {path.name for path in (tmp_path / "run" / ".hyperherd").iterdir()} == {"ranks"}


def test_it_needs_a_place_and_a_direction(tmp_path: Path) -> None:
    with pytest.raises(NoTrialError, match=r"start_trial\('runs/1'\)"), hyperherd.start_trial():
        pass
    with pytest.raises(ValueError, match="needs a direction"), hyperherd.start_trial(tmp_path, objective="loss"):
        pass


BODY = """
    import hyperherd
    with hyperherd.start_trial() as trial:
        trial.log({"val/loss": cfg.lr}, 1)
"""


def test_in_a_hydra_job_it_is_in_the_output_directory(app: App) -> None:
    app.write(BODY)
    done = app.run("hydra.run.dir=run", "lr=0.5")
    assert done.returncode == 0, done.stderr
    record = TrialRecord.read(app.folder / "run")
    assert (record.state, record.params, record.overrides) == ("completed", {"lr": 0.5}, ("lr=0.5",))
    [trial] = load(app.folder / "run")
    assert trial.config == {"lr": 0.5, "model": "cnn", "width": 8, "flag": False}


def test_in_a_trial_of_a_sweep_it_changes_nothing(app: App) -> None:
    sweep = app.write(BODY).sweep("lr=0.1,0.2")
    assert sweep.states == {0: "completed", 1: "completed"}
    assert [record.metrics["val/loss"]["last"] for record in sweep.records.values()] == [0.1, 0.2]
