"""The Lightning callback under a real trainer: the trial keeps what the loggers see, once, however training ends."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import starting
from callbacks.lightning_runs import BATCHES, QUIET, Kept, Module, batches, fit, make_trainer, steps

from hyperherd import load, start_trial
from hyperherd.metrics.reader import read_metrics
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd_callbacks import _lightning_values, _stream, lightning

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402
from pytorch_lightning.callbacks import LearningRateFinder  # noqa: E402
from pytorch_lightning.loggers import CSVLogger  # noqa: E402
from pytorch_lightning.loggers.logger import DummyLogger  # noqa: E402
from pytorch_lightning.tuner import Tuner  # noqa: E402

from hyperherd_callbacks.lightning import HyperHerdStreamCallback  # noqa: E402

pytestmark = QUIET


class Spy(DummyLogger):
    """Keeps what loggers are given, under our steps: theirs count from 0."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Kept = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            rows = self.seen.setdefault(name, [])
            if name != "epoch" or (step + 1, value) not in rows:  # They are given it with every row of a step.
                rows.append((step + 1, value))


@pytest.fixture(params=["private", "public"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read Lightning's gathered metrics, or do without that private attribute."""
    if request.param == "public":
        monkeypatch.setattr(lightning, "gathered_metrics", lambda trainer: None)


@pytest.mark.usefixtures("source")
def test_the_trial_keeps_what_the_loggers_see(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    spy = Spy()
    trainer = make_trainer(tmp_path, HyperHerdStreamCallback(), epochs=2, logger=spy, log_every_n_steps=1)
    trainer.fit(Module(), batches(), batches())
    assert kept() == spy.seen
    assert set(spy.seen) == {"loss_step", "loss_epoch", "batch", "train/own", "val/loss", "val/own", "epoch"}
    assert steps(spy.seen["val/loss"]) == [6, 12]  # Not 0, where the sanity check was.


def test_test_values_come_at_the_step_training_ended(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    trainer = fit(tmp_path)
    [result] = trainer.test(trainer.model, batches(), verbose=False)
    assert kept()["test/loss"] == [(6, result["test/loss"])]


@pytest.mark.usefixtures("source")
def test_every_validation_loader_arrives(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    trainer = make_trainer(tmp_path, HyperHerdStreamCallback())
    trainer.fit(Module(), batches(), [batches(), batches()])
    assert steps(kept()["val/loss/dataloader_idx_0"]) == steps(kept()["val/loss/dataloader_idx_1"]) == [6]


@pytest.mark.usefixtures("source")
def test_a_value_is_kept_when_it_is_logged_and_not_again(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    module = Module(at=lambda batch: batch % 3 == 0 and module.log("rare", float(batch)))
    fit(tmp_path, module, epochs=2)
    assert kept()["rare"] == [(1, 0.0), (4, 3.0), (7, 6.0), (10, 9.0)]
    assert steps(kept()["loss_epoch"]) == [6, 12]


@pytest.mark.parametrize("validate_every", [6, 3])
def test_of_accumulated_batches_the_one_that_steps_counts(
    tmp_path: Path, kept: Callable[[], Kept], validate_every: int
) -> None:
    trainer = make_trainer(
        tmp_path, HyperHerdStreamCallback(), accumulate_grad_batches=2, val_check_interval=validate_every
    )
    trainer.fit(Module(), batches(), batches())
    assert kept()["batch"] == [(1, 1.0), (2, 3.0), (3, 5.0)]


def test_every_n_steps_and_the_last_of_an_epoch(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    fit(tmp_path, every=4, epochs=2)
    assert kept()["batch"] == [(4, 3.0), (6, 5.0), (8, 7.0), (12, 11.0)]


@pytest.mark.parametrize("seconds", [-1.0, 60.0])
def test_values_in_memory_are_on_disk_before_the_next_step_if_steps_are_slow(
    tmp_path: Path, trial_dir: Path, kept: Callable[[], Kept], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(lightning, "_MEMORY_SECONDS", seconds)
    seen: list[int] = []
    fit(tmp_path, Module(at=lambda batch: seen.append(read_metrics(trial_dir, ["batch"]).num_rows)))
    assert seen == ([0, 1, 2, 3, 4, 5] if seconds < 0 else [0, 0, 0, 0, 0, 0])
    assert steps(kept()["batch"]) == [1, 2, 3, 4, 5, 6]


def test_rows_that_waited_have_the_times_of_their_steps(
    tmp_path: Path, trial_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightning, "_MEMORY_SECONDS", 60.0)
    times: list[float] = []
    fit(tmp_path, Module(at=lambda batch: times.append(time.time())))
    rows = read_metrics(trial_dir, ["batch"])["time"].to_pylist()
    logged = [row.timestamp() for row in rows]
    assert all(start <= at + 1e-6 for start, at in zip(times, logged, strict=True))
    assert all(at <= following for at, following in zip(logged, times[1:], strict=False))


def test_values_on_a_device_are_fetched_together(
    tmp_path: Path, kept: Callable[[], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    fetch = _lightning_values._fetch
    monkeypatch.setattr(torch.Tensor, "is_cpu", False, raising=False)
    monkeypatch.setattr(_lightning_values, "_fetch", lambda values: fetched.append(len(values)) or fetch(values))
    monkeypatch.setattr(lightning, "_DEVICE_SECONDS", float("inf"))
    fit(tmp_path, epochs=2)
    assert fetched == [2 * BATCHES, 2, 2 * BATCHES, 2]  # Two values a step; at the end of an epoch two more.
    assert len(kept()["batch"]) == 2 * BATCHES


def test_a_failure_of_ours_is_said_once_and_training_goes_on(
    tmp_path: Path, trial_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(rows: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(_stream, "log_rows", fail)
    with caplog.at_level(logging.WARNING, "hyperherd"):
        trainer = fit(tmp_path)
    assert trainer.global_step == BATCHES
    [record] = [record for record in caplog.records if record.name == "hyperherd"]
    assert "the disk is gone" in str(record.exc_info)


def test_outside_of_a_trial_it_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    fit(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "hyperherd" not in {record.name for record in caplog.records}


@pytest.mark.filterwarnings("ignore:Running in `fast_dev_run` mode")
def test_a_dev_run_is_not_kept(tmp_path: Path, trial_dir: Path) -> None:
    fit(tmp_path, fast_dev_run=True)
    assert not trial_dir.exists()


def test_a_search_for_a_learning_rate_is_not_kept(tmp_path: Path, trial_dir: Path) -> None:
    trainer = make_trainer(tmp_path, HyperHerdStreamCallback())
    Tuner(trainer).lr_find(Module(), batches(), num_training=5)
    assert not trial_dir.exists()


def test_what_a_learning_rate_finder_logged_is_not_kept(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    trainer = make_trainer(tmp_path, LearningRateFinder(num_training_steps=5), HyperHerdStreamCallback())
    trainer.fit(Module(), batches())
    assert steps(kept()["batch"]) == [1, 2, 3, 4, 5, 6]
    assert steps(kept()["loss_epoch"]) == [6]


def test_other_loggers_beside_it_double_nothing(tmp_path: Path) -> None:
    with start_trial(tmp_path / "trial") as started:
        others = [CSVLogger(started.dir), CSVLogger(started.dir, "another")]
        trainer = make_trainer(tmp_path, HyperHerdStreamCallback(), logger=others, log_every_n_steps=1)
        trainer.fit(Module(), batches())
    assert len(list(started.dir.rglob("metrics.csv"))) == 2
    [trial] = load(started.dir)
    assert trial["batch"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert trial.history("loss_epoch").num_rows == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_what_loggers_do_not_see_is_kept_if_that_is_asked_for(
    tmp_path: Path, kept: Callable[[], Kept], wanted: bool
) -> None:
    class Hiding(Module):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            self.log("hidden", float(self.batches), logger=False)
            self.log("both", float(self.batches), logger=False, on_step=True, on_epoch=True)
            return super().training_step(batch, batch_idx)

        def on_validation_epoch_end(self) -> None:
            self.log("val/hidden", 7.0, logger=False)

    callback = HyperHerdStreamCallback(callback_metrics=wanted)
    make_trainer(tmp_path, callback).fit(Hiding(), batches(), batches())
    found = kept()
    every = [(step + 1, float(step)) for step in range(BATCHES)]
    hidden = {"hidden": every, "both_step": every, "both_epoch": [(6, 2.5)], "val/hidden": [(6, 7.0)]}
    assert {name: rows for name, rows in found.items() if name in hidden} == (hidden if wanted else {})
    assert set(found) - set(hidden) == {"batch", "loss_step", "loss_epoch", "train/own", "val/loss", "epoch"}
    assert found["batch"] == every


def test_metrics_are_chosen_by_patterns(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    callback = HyperHerdStreamCallback(include=["val/*", "batch"], exclude="*/own")
    make_trainer(tmp_path, callback).fit(Module(), batches(), batches())
    assert set(kept()) == {"batch", "val/loss"}


def test_it_is_pickled_by_name() -> None:
    copy = pickle.loads(pickle.dumps(HyperHerdStreamCallback(3)))
    assert type(copy) is HyperHerdStreamCallback
    assert copy.every_n_steps == 3


def test_every_n_steps_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        HyperHerdStreamCallback(0)


def test_it_stands_on_the_lightning_that_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lightning._base() is pl.Callback
    monkeypatch.setitem(sys.modules, "lightning.pytorch", SimpleNamespace(Callback=dict))
    assert lightning._base() is dict


def test_without_lightning_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"hydra-hyperherd\[lightning\]"):
        lightning._base()


def test_importing_the_modules_imports_no_framework() -> None:
    code = """
        import sys
        import hyperherd_callbacks.lightning, hyperherd_callbacks.transformers
        heavy = {"torch", "lightning", "pytorch_lightning", "transformers", "pyarrow", "numpy"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


DDP = """
    import sys, torch, pytorch_lightning as pl
    from torch.utils.data import DataLoader
    from hyperherd import start_trial
    from hyperherd_callbacks.lightning import HyperHerdStreamCallback

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)
        def training_step(self, batch, batch_idx):
            loss = self.layer(batch).square().mean()
            self.log("loss", loss)
            self.log("rank", float(self.global_rank), sync_dist=True, on_step=False, on_epoch=True)
            return loss
        def on_train_epoch_end(self):
            self.log("ranks", self.all_gather(torch.tensor(1.0)).sum())
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    if __name__ == "__main__":
        with start_trial(sys.argv[2]):
            trainer = pl.Trainer(
                accelerator="cpu", devices=2, strategy=sys.argv[1], max_epochs=2, logger=False,
                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                default_root_dir=sys.argv[2], callbacks=[HyperHerdStreamCallback()],
            )
            trainer.fit(Module(), DataLoader(torch.randn(16, 2), batch_size=2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_of_two_processes_one_writes(tmp_path: Path, strategy: str) -> None:
    script, trial_dir = tmp_path / "train.py", tmp_path / "trial"
    script.write_text(textwrap.dedent(DDP))
    done = starting.run([sys.executable, str(script), strategy, str(trial_dir)], text=True)
    assert done.returncode == 0, done.stderr
    rows = read_metrics(trial_dir, raw=True).to_pylist()
    assert not list((trial_dir / ".hyperherd").glob("ranks/*/*"))
    assert [row["step"] for row in rows if row["metric"] == "loss"] == list(range(1, 9))
    assert [row["value"] for row in rows if row["metric"] == "rank"] == [0.5, 0.5]
    assert [row["value"] for row in rows if row["metric"] == "ranks"] == [2.0, 2.0]
    record = TrialRecord.read(trial_dir)
    assert (record.state, record.step, record.max_step) == (TrialState.COMPLETED, 8, 8)
    [trial] = load(trial_dir)
    assert trial.provenance["training"]["trainer"] == "lightning"
