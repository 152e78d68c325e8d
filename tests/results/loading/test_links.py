"""Trials and files that lie outside of their sweep: by links below it, or by what a record says."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.metrics.arrays import list_arrays, read_array, save_array
from hyperherd.metrics.reader import read_final, read_metrics
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.places import Outside
from hyperherd.records.sweep import write_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.results.files.hydra_job import read_config
from hyperherd.results.trials.commands import interpreter
from hyperherd.trial.attempts import attempt_of_job, claimed_keys


@pytest.fixture
def moved(sweep: SweepBuilder, tmp_path: Path) -> Path:
    """A sweep of three trials; the directory of trial 1 has moved elsewhere, and a link stands in its place."""
    for number in range(3):
        sweep.trial({"val/acc": 0.1 * number}, params={"lr": number})
    shutil.move(sweep.dir / "1", tmp_path / "elsewhere")
    (sweep.dir / "1").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def agree(trial_dir: Path, sweep: Path) -> None:
    TrialRecord.read(trial_dir).with_(sweep=str(sweep)).write(trial_dir)


def states(path: Path) -> dict[int | None, str]:
    return {trial.number: str(trial.state) for trial in load(path)}


def test_a_linked_trial_that_does_not_know_its_sweep(sweep: SweepBuilder, moved: Path) -> None:
    assert states(sweep.dir) == {0: "completed", 1: "unreadable", 2: "completed"}
    trial = load(sweep.dir)[1]
    assert "is a link that leaves" in trial.reason
    assert "its trial.json does not name the sweep" in trial.reason
    assert trial.dir is None
    assert trial.params == {"lr": 1}


def test_a_linked_trial_on_which_both_sides_agree(sweep: SweepBuilder, moved: Path) -> None:
    agree(moved, sweep.dir)
    assert set(states(sweep.dir).values()) == {"completed"}
    agree(moved, sweep.dir.parent / "another")
    assert states(sweep.dir)[1] == "unreadable"


def test_a_link_that_is_given_is_followed(sweep: SweepBuilder, moved: Path, tmp_path: Path) -> None:
    (tmp_path / "given").symlink_to(sweep.dir)
    assert len(load(tmp_path / "given")) == 3
    assert states(sweep.dir / "1") == {1: "completed"}
    (tmp_path / "all").mkdir()
    (tmp_path / "all/whole").symlink_to(sweep.dir)
    assert len(load(tmp_path / "all")) == 3


@pytest.mark.parametrize("written", ["../../elsewhere", "{moved}"])
def test_a_plan_that_names_a_directory_elsewhere(sweep: SweepBuilder, moved: Path, written: str) -> None:
    (sweep.dir / "1").unlink()
    planned = [*sweep.planned]
    planned[1] = type(planned[1])(**{**planned[1].__dict__, "dir": written.format(moved=moved)})
    write_planned(sweep.dir, planned)
    assert states(sweep.dir)[1] == "unreadable"
    agree(moved, sweep.dir)
    assert set(states(sweep.dir).values()) == {"completed"}


@pytest.mark.parametrize("name", [".hyperherd", ".hyperherd/trial.json", ".hydra"])
def test_a_trial_with_a_part_elsewhere(sweep: SweepBuilder, tmp_path: Path, name: str) -> None:
    for _ in range(2):
        sweep.trial({"val/acc": 0.5})
    secret = tmp_path / "secret"
    (secret / ".hydra").mkdir(parents=True)
    shutil.copytree(sweep.dir / "0/.hyperherd", secret / ".hyperherd")
    place = sweep.dir / "0" / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True) if place.is_file() else None
    place.symlink_to(secret / name)
    assert states(sweep.dir) == {0: "unreadable", 1: "completed"}


def test_records_of_a_sweep_elsewhere(sweep: SweepBuilder, tmp_path: Path) -> None:
    """Listing a folder writes nothing through a link."""
    sweep.trial({"val/acc": 0.5})
    shutil.move(sweep.dir / ".hyperherd", tmp_path / "records")
    (sweep.dir / ".hyperherd").symlink_to(tmp_path / "records")
    before = {path: path.read_bytes() for path in (tmp_path / "records").rglob("*") if path.is_file()}
    (trial,) = load(sweep.dir)
    assert "is a link that leaves" in trial.sweep.problem
    assert {path: path.read_bytes() for path in (tmp_path / "records").rglob("*") if path.is_file()} == before


def test_logs_and_metrics_that_are_links_elsewhere(
    sweep: SweepBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.trial({"val/acc": 0.5})
    trial_dir = sweep.dir / "0"
    (tmp_path / "secret").write_text("sesame\n")
    (tmp_path / "secret.jsonl").write_text(json.dumps({"step": 1, "value": 7.0}) + "\n")
    logs = trial_dir / ".hyperherd/logs"
    logs.mkdir()
    (logs / "attempt-0.out").symlink_to(tmp_path / "secret")
    (trial_dir / "train.log").symlink_to(tmp_path / "secret")
    for arguments in ([], ["--file", "train.log"]):
        assert main(["logs", str(trial_dir), *arguments]) == 2
    assert "sesame" not in capsys.readouterr().out
    writer = MetricWriter(trial_dir, 0)
    writer.log({"m": 1.0}, 0)
    writer.close()
    metrics = trial_dir / ".hyperherd/metrics"
    (metrics / "other.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (metrics / "journal-1-h-1-ab.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (trial_dir / "metrics.jsonl").symlink_to(tmp_path / "secret.jsonl")
    assert read_metrics(trial_dir)["value"].to_pylist() == [1.0]


def test_arrays_and_configs_that_are_links_elsewhere(sweep: SweepBuilder, tmp_path: Path) -> None:
    sweep.trial({"val/acc": 0.5})
    trial_dir = sweep.dir / "0"
    save_array(trial_dir, "kept", [1.0])
    save_array(tmp_path / "other", "secret", [7.0])
    arrays = trial_dir / ".hyperherd/arrays"
    (arrays / "secret").symlink_to(tmp_path / "other/.hyperherd/arrays/secret")
    (arrays / "kept/1.npy").symlink_to(tmp_path / "other/.hyperherd/arrays/secret/final.npy")
    assert list_arrays(trial_dir) == {"kept": [None]}
    for name, step in (("secret", None), ("kept", 1)):
        with pytest.raises(Outside, match="is a link that leaves the sweep"):
            read_array(trial_dir, name, step)
    (tmp_path / "secret.yaml").write_text("key: sesame\n")
    (trial_dir / ".hydra").mkdir()
    (trial_dir / ".hydra/config.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(Outside, match="leaves the sweep"):
        read_config(trial_dir)
    assert "sesame" not in str(load(sweep.dir)[0].config)


@pytest.mark.parametrize("folder", [False, True])
def test_small_records_of_a_trial_that_are_links_elsewhere(sweep: SweepBuilder, tmp_path: Path, folder: bool) -> None:
    sweep.trial({"val/acc": 0.5})
    trial_dir = sweep.dir / "0"
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "attempts").mkdir(parents=True)
    records = {
        "provenance.json": {"host": "sesame", "executable": shutil.which("sh")},
        "summary.json": {"sesame": 1.0},
        "config.json": {"config": {"sesame": 1}},
        "attempts/0": {"key": "sesame", "host": "sesame", "job_id": None, "restart": None},
    }
    for name, content in records.items():
        place = trial_dir / ".hyperherd" / name
        (elsewhere / name).write_text(json.dumps(content))
        place.unlink(missing_ok=True)
        if folder and "/" in name:
            shutil.rmtree(place.parent, ignore_errors=True)
            place.parent.symlink_to((elsewhere / name).parent)
        else:
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(elsewhere / name)
    trial = load(trial_dir)[0]
    assert trial.provenance == {}
    assert [one.claim for one in trial.attempts] == ([] if folder else [{}])
    assert "sesame" not in trial.config
    assert interpreter(trial) == sys.executable
    assert claimed_keys(trial_dir) == set()
    assert attempt_of_job(trial_dir) is None
    with pytest.raises(Outside, match=r"summary.json is a link that leaves the sweep"):
        read_final(trial_dir)
