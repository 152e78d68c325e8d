"""How a Lightning training ends and goes on: nothing is lost, and what it left, or why it stopped, is noted."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from callbacks.lightning_runs import BATCHES, QUIET, SINCE_2_6, Kept, Module, batches, fit, make_trainer, steps

from hyperherd import load, start_trial
from hyperherd.metrics.reader import read_metrics
from hyperherd.results.pages.show import show_page
from hyperherd.results.text.layout import Screen
from hyperherd.trial import log as trial_log
from hyperherd.trial.notes import noted
from hyperherd_callbacks import lightning

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, OnExceptionCheckpoint, Timer  # noqa: E402

from hyperherd_callbacks.lightning import HyperHerdStreamCallback  # noqa: E402

pytestmark = [
    *QUIET,
    pytest.mark.filterwarnings("ignore:.*Checkpoint directory .* exists"),
    # Of OnExceptionCheckpoint, for which Lightning looks for a checkpoint to go on from.
    pytest.mark.filterwarnings("ignore:.*was called without a model"),
    pytest.mark.filterwarnings("ignore:.*there is no last checkpoint available"),
]


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Put back the handler of Ctrl-C, which Lightning turns off for good at the first one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize(
    ("name", "options", "every", "saved"),
    [
        ("batch", {}, 1, [[1, 2, 3, 4, 5, 6], list(range(1, 13))]),
        ("batch", {"every_n_train_steps": 4}, 1, [list(range(1, step + 1)) for step in (4, 8, 12)]),
        ("batch", {"every_n_train_steps": 4}, 3, [[3], [3, 6], [3, 6, 9, 12]]),
        ("val/own", {"every_n_train_steps": 4}, 1, [[], [6], [6]]),
    ],
)
def test_a_checkpoint_comes_after_its_rows(
    tmp_path: Path,
    trial_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
    every: int,
    saved: list[list[int]],
) -> None:
    """Else a trial that is killed right after it, and goes on from it, never has them."""
    monkeypatch.setattr(lightning, "_MEMORY_SECONDS", 60.0)
    seen: list[list[int]] = []

    class Saved(Module):
        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            seen.append(read_metrics(trial_dir, [name])["step"].to_pylist())

    saving = ModelCheckpoint(tmp_path / "trial" / "checkpoints", **options)
    ours = HyperHerdStreamCallback(every)
    make_trainer(tmp_path, ours, saving, enable_checkpointing=True, epochs=2).fit(Saved(), batches(), batches())
    assert seen == saved
    raw = read_metrics(trial_dir, raw=True)
    assert raw.num_rows == read_metrics(trial_dir).num_rows  # each row once


def end_by_error(batch: int) -> None:
    raise RuntimeError("diverged")


def end_by_exit(batch: int) -> None:
    sys.exit(5)


def end_by_interrupt(batch: int) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def end_by_sigterm(batch: int) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("end", [end_by_error, end_by_exit, end_by_interrupt, end_by_sigterm])
def test_a_violent_end_loses_nothing(
    tmp_path: Path,
    kept: Callable[[], Kept],
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[int], None],
    on_device: bool,
) -> None:
    if on_device:
        monkeypatch.setattr(torch.Tensor, "is_cpu", False, raising=False)
    with pytest.raises((RuntimeError, SystemExit)):
        fit(tmp_path, Module(at=lambda batch: batch == 3 and end(batch)))
    # SIGTERM waits until the batch is done.
    assert steps(kept()["batch"]) == ([1, 2, 3, 4] if end is end_by_sigterm else [1, 2, 3])


def test_sigterm_at_the_end_of_an_epoch_keeps_its_means(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    with pytest.raises(SystemExit):
        fit(tmp_path, Module(at=lambda batch: batch == BATCHES - 1 and end_by_sigterm(batch)), epochs=2)
    assert steps(kept()["loss_epoch"]) == steps(kept()["train/own"]) == [6]


def test_early_stopping_loses_nothing(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    module = Module(at=lambda batch: setattr(module.trainer, "should_stop", True))
    fit(tmp_path, module, epochs=2)
    assert kept()["batch"] == [(1, 0.0)]
    assert steps(kept()["loss_epoch"]) == [1]


def test_a_resumed_training_goes_on_after_its_checkpoint(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    fit(tmp_path).save_checkpoint(tmp_path / "last.ckpt")
    trial_log.enter(tmp_path / "trial", 1)
    trainer = make_trainer(tmp_path, HyperHerdStreamCallback(), epochs=2)
    trainer.fit(Module(), batches(), ckpt_path=tmp_path / "last.ckpt")
    assert steps(kept()["batch"]) == list(range(1, 13))


def test_the_best_checkpoint_and_the_training_are_noted(
    tmp_path: Path, trial_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = ModelCheckpoint(trial_dir / "others", monitor="loss_epoch", mode="max")
    saver = ModelCheckpoint(trial_dir / "checkpoints", monitor="val/loss", save_top_k=1)
    ours = HyperHerdStreamCallback(objective="val/loss", direction="min")
    trainer = make_trainer(tmp_path, ours, others, saver, epochs=3, enable_checkpointing=True)
    trainer.fit(Module(), batches(), batches())
    facts = noted()
    assert facts["checkpoint"] == {
        "path": f"checkpoints/{Path(saver.best_model_path).name}",
        "score": pytest.approx(float(saver.best_model_score)),
        "metric": "val/loss",
        "direction": "minimize",
    }
    assert facts["objective"] == {"metric": "val/loss", "direction": "minimize"}
    assert facts["training"]["arguments"]["max_epochs"] == 3
    assert facts["training"]["model"]["parameters"] == 3
    assert facts["training"]["optimizers"][0]["class"] == "SGD"
    assert not [record for record in caplog.records if "outside" in record.getMessage()]


@pytest.mark.parametrize("is_default", [True, False])
def test_checkpoints_outside_of_the_trial_are_named(
    tmp_path: Path, trial_dir: Path, caplog: pytest.LogCaptureFixture, is_default: bool
) -> None:
    saver = ModelCheckpoint(None if is_default else tmp_path.parent / "elsewhere")
    with caplog.at_level(logging.WARNING, "hyperherd"):
        trainer = make_trainer(tmp_path / "root", HyperHerdStreamCallback(), saver, enable_checkpointing=True)
        trainer.fit(Module(), batches())
    [text] = [record.getMessage() for record in caplog.records if "outside" in record.getMessage()]
    assert text.startswith(f"ModelCheckpoint saves to {saver.dirpath}")
    assert ("default_root_dir: ${hydra:runtime.output_dir}" if is_default else "dirpath: ${hydra:") in text


class Stopping(pl.Callback):
    """Ends the training by the attribute of the trainer."""

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        trainer.should_stop = True


@pytest.mark.parametrize(
    ("callback", "step", "reason"),
    [
        pytest.param(
            *(
                lambda: EarlyStopping("val/own", patience=2),
                18,
                "EarlyStopping: Monitored metric val/own did not improve",
            ),
            marks=SINCE_2_6,
        ),
        (lambda: EarlyStopping("val/own", patience=2), 18, "EarlyStopping: "),
        (lambda: Timer({"microseconds": 1}), 1, "Timer: the time for training is over"),
        (Stopping, 1, "trainer.should_stop was set"),
    ],
)
def test_why_a_training_stopped_is_noted(
    tmp_path: Path, callback: Callable[[], pl.Callback], step: int, reason: str
) -> None:
    with start_trial(tmp_path / "trial") as started:
        trainer = make_trainer(tmp_path, HyperHerdStreamCallback(), callback(), epochs=9, min_epochs=0)
        trainer.fit(Module(), batches(), batches())
        make_trainer(tmp_path, HyperHerdStreamCallback()).fit(Module(), batches())
    [trial] = load(started.dir)
    [stop] = trial.provenance["stopped"]
    assert stop.pop("reason").startswith(reason)
    assert stop == {"step": step, "phase": "", "checkpoint": None}
    assert f"step {step}: {reason}" in show_page(trial, Screen())


@pytest.mark.parametrize(
    "saver",
    [
        lambda folder: [ModelCheckpoint(folder, save_on_exception=True, monitor="loss_epoch")],
        lambda folder: [ModelCheckpoint(folder), OnExceptionCheckpoint(folder)],
    ],
)
def test_a_checkpoint_that_an_exception_leaves_is_noted(
    tmp_path: Path, trial_dir: Path, saver: Callable[[Path], list[pl.Callback]]
) -> None:
    def fail(batch: int) -> None:
        if batch == 3:
            raise RuntimeError("diverged")

    saving = saver(trial_dir / "checkpoints")
    with pytest.raises(RuntimeError, match="diverged"):
        make_trainer(tmp_path, HyperHerdStreamCallback(), *saving, enable_checkpointing=True).fit(
            Module(at=fail), batches()
        )
    [stop] = noted()["stopped"]
    assert (stop["step"], stop["reason"]) == (3, "RuntimeError")
    assert (trial_dir / stop["checkpoint"]).is_file()
    fit(tmp_path)  # another training, which saves nothing
    assert noted()["stopped"] == [stop]
