"""TensorBoard's event files count like any metric where `tensorboard` is installed, and are named where it is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.results.files.event_files import PREFIX
from hyperherd.results.pages.overview import notes

LOADER = "tensorboard.backend.event_processing.event_file_loader"


def log_scalars(folder: Path, scalars: dict[str, list[float]], *, as_tensors: bool = False) -> None:
    """Write an event file as PyTorch does, or as TensorFlow 2 does."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for tag, values in scalars.items():
        for step, value in enumerate(values):
            plain = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            summary = scalar_pb(tag, value) if as_tensors else plain
            writer.add_event(event_pb2.Event(wall_time=1.7e9 + step, step=step, summary=summary))
    writer.close()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job of Hydra alone."""
    records = tmp_path / "s" / "0" / ".hydra"
    records.mkdir(parents=True)
    for name, text in (("overrides", "[]"), ("config", "{a: 1}"), ("hydra", "{hydra: {job: {name: app}}}")):
        (records / f"{name}.yaml").write_text(text)
    return records.parent


@pytest.mark.parametrize("as_tensors", [False, True])
def test_scalars_are_metrics(job: Path, as_tensors: bool) -> None:
    log_scalars(job / "runs" / "Nov27", {"val/loss": [3.0, 1.0, 2.0], "train/loss": [5.0]}, as_tensors=as_tensors)
    (trial,) = trials = load(job.parent)
    assert trials.metric_names == ("train/loss", "val/loss")
    assert (trial.value("val/loss"), trial.value("val/loss", "min"), trial.step) == (2.0, 1.0, 2)
    assert trial["val/loss"] == [3.0, 1.0, 2.0]
    assert trials.best() is trial


def test_folders_that_log_one_tag_and_versions(job: Path) -> None:
    log_scalars(job / "logs" / "train", {"loss": [1.0], "lr": [0.1]})
    log_scalars(job / "logs" / "validation", {"loss": [2.0]})
    assert load(job)[0].metrics.keys() == {"train/loss", "validation/loss", "lr"}
    for version, value in ((2, 7.0), (10, 8.0)):
        log_scalars(job.parent / "1" / "lightning_logs" / f"version_{version}", {"loss": [value]})
    (job / ".hydra").rename(job.parent / "1" / ".hydra")
    assert load(job.parent / "1")[0].value("loss") == 8.0


def test_a_trial_of_ours_that_logged_nothing_else(sweep: SweepBuilder) -> None:
    sweep.trial(final={"return_value": 0})
    sweep.trial({"val/acc": 0.5})
    for number in range(2):
        log_scalars(sweep.dir / str(number), {"tb": [1.0]})
    trials = load(sweep.dir)
    assert trials[0].metrics.keys() == {"tb"}
    assert trials[0]["tb"] == [1.0]
    assert trials[1].metrics.keys() == {"val/acc"}  # its own stand: the file may hold them again


def test_without_tensorboard_they_are_named(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LOADER, None)
    (job / f"{PREFIX}1").write_bytes(b"")
    (trial,) = trials = load(job.parent)
    told = "metrics of 1 trial are not read: TensorBoard event files are read by tensorboard: pip install"
    assert (str(trial.state), trial.metrics, trial.history().num_rows) == ("unknown", {}, 0)
    assert f"note: {told} 'hydra-hyperherd[tensorboard]'" in repr(trials)
    assert notes(trials)[0].startswith(told)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 100])
def test_a_broken_file_has_no_scalars(job: Path, content: bytes) -> None:
    pytest.importorskip(LOADER)
    (job / f"{PREFIX}1").write_bytes(content)
    assert load(job.parent)[0].metrics == {}


def test_a_pipe_is_not_waited_for(job: Path) -> None:
    pytest.importorskip(LOADER)
    os.mkfifo(job / f"{PREFIX}1")
    found: Any = load(job.parent)[0]
    assert "is not a file" in found.reason
