"""Several trainings and evaluations in one trial, by Lightning: every row once, and each in its phase."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from callbacks.lightning_runs import BATCHES, QUIET, SINCE_2_6, batches, make_trainer

import hyperherd
from hyperherd.metrics.reader import read_metrics, read_summary
from hyperherd.trial import log as trial_log
from hyperherd.trial.notes import noted

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402
from pytorch_lightning.callbacks import (  # noqa: E402
    EarlyStopping,
    GradientAccumulationScheduler,
    LearningRateMonitor,
    ModelCheckpoint,
)
from pytorch_lightning.demos.boring_classes import (  # noqa: E402
    BoringDataModule,
    BoringModel,
    ManualOptimBoringModel,
)
from pytorch_lightning.demos.lstm import LightningLSTM  # noqa: E402
from pytorch_lightning.loggers import CSVLogger  # noqa: E402
from torch.utils.data import DataLoader, IterableDataset, TensorDataset  # noqa: E402

from hyperherd_callbacks.lightning import HyperHerdLogger, HyperHerdStreamCallback  # noqa: E402

pytestmark = [
    *QUIET,
    pytest.mark.filterwarnings("ignore:.*Checkpoint directory .* exists"),
    pytest.mark.filterwarnings("ignore:.training_step. returned .None."),
    pytest.mark.filterwarnings("ignore:Be aware that when using .ckpt_path."),
]

WHOLE: dict[str, Any] = (
    {"weights_only": False} if "weights_only" in inspect.signature(pl.Trainer.fit).parameters else {}
)
"""Has a checkpoint read with all that is in it; older versions of Lightning always do."""
Told = dict[str, list[tuple[int, float]]]


class Module(pl.LightningModule):
    """Known values: `loss` counts batches from `start`, `val/acc` is `start` plus the epoch."""

    optimizers_: tuple[str, ...] = ("one",)

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.start = start
        self.batches = 0

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        self.log("loss", self.start + self.batches)
        self.batches += 1
        return self.layer(batch).square().mean()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/acc", self.start + self.current_epoch)

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("test/acc", self.start)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Manual(Module):
    """Steps by itself: a wrapped or a raw optimizer, two of them, or every third batch."""

    def __init__(self, raw: bool = False, count: int = 1, every: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.raw, self.count, self.every = raw, count, every

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        loss = super().training_step(batch, batch_idx)
        found = self.optimizers(use_pl_optimizer=not self.raw)
        for place, optimizer in enumerate(found if self.count > 1 else [found]):
            self.manual_backward(loss, retain_graph=place < self.count - 1)
            if batch_idx % self.every == 0:
                optimizer.step()
        self.log(f"part{batch_idx % 2}", float(self.batches))

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.parameters(), lr=0.0) for _ in range(self.count)]


class Batchwise(Module):
    """Logs every batch of validation and test, and means of them."""

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/batch", float(self.batches + batch_idx), on_step=True, on_epoch=True)
        self.log("val/step", float(10 * self.batches + batch_idx), on_step=True, on_epoch=False)

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("test/step", float(batch_idx), on_step=True, on_epoch=False)


class Rare(Module):
    """Logs on every third batch only, and skips the optimizer on another."""

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        if batch_idx % 3 == 0:
            self.log("rare", float(self.batches))
        loss = super().training_step(batch, batch_idx)
        return None if batch_idx == 4 else loss


def trainer(folder: Path, *callbacks: Any, **options: Any) -> pl.Trainer:
    return make_trainer(folder, *callbacks, **{"max_epochs": 2, "num_sanity_val_steps": 0, **options})


def told(trial: Path) -> Told:
    """Return ``METRIC`` or ``METRIC:PHASE`` -> the rows that stand."""
    found: Told = {}
    for row in read_metrics(trial).to_pylist():
        name = f"{row['metric']}:{row['phase']}" if row.get("phase") else row["metric"]
        found.setdefault(name, []).append((row["step"], row["value"]))
    return found


def rows_of(folder: Path) -> Told:
    """Return what a CSVLogger kept, under our steps; its `epoch` once for each step."""
    found: Told = {}
    with next(folder.rglob("metrics.csv")).open() as stream:
        for row in csv.DictReader(stream):
            for name, text in row.items():
                item = (int(row["step"]) + 1, float(text or "nan"))
                if name != "step" and text and (name != "epoch" or item not in found.get(name, [])):
                    found.setdefault(name, []).append(item)
    return {name: sorted(rows) for name, rows in found.items()}


def values(rows: list[tuple[int, float]]) -> list[float]:
    return [value for _, value in rows]


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (Module(), {}),
        (Manual(), {}),
        (Manual(raw=True), {}),
        (Manual(count=2), {}),
        (Manual(every=3), {}),
        (Manual(raw=True, count=2, every=2), {}),
        (Rare(), {}),
        (Batchwise(), {}),
        (Module(), {"accumulate_grad_batches": 4}),
        (Module(), {"val_check_interval": 3}),
    ],
)
def test_the_rows_of_a_fit_are_those_of_the_csv_logger(
    tmp_path: Path, trial_dir: Path, module: Module, options: dict[str, Any]
) -> None:
    logger = CSVLogger(tmp_path / "csv")
    fit = trainer(tmp_path, HyperHerdStreamCallback(), logger=logger, log_every_n_steps=1, **options)
    fit.fit(module, batches(), batches())
    expected = rows_of(tmp_path / "csv")
    found = told(trial_dir)
    if isinstance(module, Batchwise):  # Rows of single batches have no epoch with us, and the first one's with it.
        found.pop("epoch"), expected.pop("epoch")
    if isinstance(module, Rare):  # Lightning repeats to its loggers what was logged before.
        assert found.pop("rare") == [(1, 0.0), (4, 3.0), (7, 6.0), (10, 9.0)]
        expected.pop("rare")
    if isinstance(module, Manual):
        for name in ("part0", "part1"):  # as above
            assert set(found.pop(name)) <= set(expected.pop(name))
    assert found == expected


def lstm(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the demo that logs, on a text of our own in place of one that it downloads."""
    patch.setattr(LightningLSTM, "prepare_data", lambda self: None)
    text = torch.arange(24) % 7
    pairs = TensorDataset(text.reshape(6, 4), text.roll(-1).reshape(6, 4))
    return {"model": LightningLSTM(vocab_size=7), "train_dataloaders": DataLoader(pairs, batch_size=1)}


@pytest.mark.parametrize(
    ("demo", "options"),
    [
        (lstm, {"limit_train_batches": 3}),
        (lstm, {"limit_train_batches": 4, "accumulate_grad_batches": 2}),
        (lambda patch: {"model": BoringModel(), "datamodule": BoringDataModule()}, {"limit_train_batches": 3}),
        (lambda patch: {"model": ManualOptimBoringModel(), "datamodule": BoringDataModule()}, {"max_steps": 5}),
    ],
)
def test_the_rows_of_code_that_nobody_here_wrote_are_those_of_the_csv_logger(
    tmp_path: Path, trial_dir: Path, monkeypatch: pytest.MonkeyPatch, demo: Any, options: dict[str, Any]
) -> None:
    loggers = [CSVLogger(tmp_path / "csv"), HyperHerdLogger()]
    callbacks = [HyperHerdStreamCallback(), LearningRateMonitor("step"), EarlyStopping("none", strict=False)]
    fit = trainer(tmp_path, *callbacks, logger=loggers, log_every_n_steps=1, **options)
    fit.fit(**demo(monkeypatch))
    found = told(trial_dir)
    # The monitor logs once for each batch, accumulated or not.
    assert found == {name: sorted(set(rows)) for name, rows in rows_of(tmp_path / "csv").items()}
    once = [(row["metric"], row["step"]) for row in read_metrics(trial_dir, raw=True).to_pylist()]
    once = [row for row in once if not row[0].startswith("lr-")]
    assert len(once) == len(set(once))
    assert noted()["max_step"] == max(step for rows in found.values() for step, _ in rows)


def test_folds_are_phases_and_the_last_one_counts(tmp_path: Path, trial_dir: Path) -> None:
    for fold in range(3):
        trainer(tmp_path, HyperHerdStreamCallback()).fit(Module(100.0 * fold), batches(), batches())
    found = told(trial_dir)
    assert values(found["val/acc"]) == [0.0, 1.0]
    assert values(found["val/acc:fit-2"]) == [100.0, 101.0]
    assert values(found["val/acc:fit-3"]) == [200.0, 201.0]
    assert len(found["loss:fit-2"]) == 2 * BATCHES
    assert read_summary(trial_dir)["metrics"]["val/acc"]["last"] == 201.0


def test_folds_that_are_named(tmp_path: Path, trial_dir: Path) -> None:
    for fold in range(2):
        one = trainer(tmp_path, HyperHerdStreamCallback(prefix=f"fold{fold}/"))
        module = Module(100.0 * fold)
        one.fit(module, batches(), batches())
        one.test(module, batches(), verbose=False)
    found = told(trial_dir)
    assert {name for name in found if name.startswith(("val", "test"))} == {
        "val/acc:fold0",
        "val/acc:fold1",
        "test/acc:fold0/test",
        "test/acc:fold1/test",
    }


def test_a_block_names_the_phases_within(tmp_path: Path, trial_dir: Path) -> None:
    with hyperherd.phase("big"):
        one, module = trainer(tmp_path, HyperHerdStreamCallback()), Module()
        one.fit(module, batches(), batches())
        one.validate(module, batches(), verbose=False)
        hyperherd.log_result("mine", 1.0, 0)
    hyperherd.log_result("mine", 2.0, 0)
    assert {"val/acc:big", "val/acc:big/validate", "mine:big", "mine"} <= set(told(trial_dir))


def test_the_evaluation_of_the_best_checkpoint_stands_beside_the_last_epoch(tmp_path: Path, trial_dir: Path) -> None:
    best = ModelCheckpoint(tmp_path / "best", monitor="val/acc", mode="min")
    one = trainer(tmp_path, HyperHerdStreamCallback(), best, enable_checkpointing=True)
    module = Module()
    one.fit(module, batches(), batches())
    module.start = -7.0
    one.validate(module, batches(), ckpt_path="best", verbose=False, **WHOLE)
    assert best.best_model_path
    found = told(trial_dir)
    assert values(found["val/acc"]) == [0.0, 1.0]
    assert len(found["val/acc:validate"]) == 1
    summary = read_summary(trial_dir, {"metric": "val/acc", "direction": "minimize"})
    assert (summary["metrics"]["val/acc"]["last"], summary["objective"]["best"]) == (1.0, 0.0)


def test_fit_validate_test_and_fit_again(tmp_path: Path, trial_dir: Path) -> None:
    one, module = trainer(tmp_path, HyperHerdStreamCallback(), max_epochs=1), Module()
    one.fit(module, batches(), batches())
    one.validate(module, batches(), verbose=False)
    one.test(module, batches(), verbose=False)
    trainer(tmp_path, HyperHerdStreamCallback(), max_epochs=1).fit(module, batches(), batches())
    assert {name for name in told(trial_dir) if not name.startswith("epoch")} == {
        *("loss", "val/acc", "val/acc:validate", "test/acc:test", "loss:fit-2", "val/acc:fit-2")
    }


class Named(Module):
    """Logs under a name of its own, besides one that all have."""

    def __init__(self, name: str, fail_at: int = -1) -> None:
        super().__init__()
        self.name, self.fail_at = name, fail_at

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        if self.batches == self.fail_at:
            raise RuntimeError("diverged")
        self.log(f"{self.name}/loss", float(self.batches))
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log(f"{self.name}/val", 1.0)


@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_a_retry_that_skips_the_pretraining_leaves_it_whole(
    tmp_path: Path, trial_dir: Path, has_checkpoint: bool
) -> None:
    trainer(tmp_path, HyperHerdStreamCallback()).fit(Named("pre"), batches(), batches())
    checkpoint = ModelCheckpoint(tmp_path / "ft")
    cut = trainer(tmp_path, HyperHerdStreamCallback(), checkpoint, max_epochs=3, enable_checkpointing=True)
    with pytest.raises(RuntimeError, match="diverged"):
        cut.fit(Named("ft", 8), batches(), batches())
    trial_log.leave()
    trial_log.enter(trial_dir, 1)
    path = checkpoint.best_model_path if has_checkpoint else None
    again = trainer(tmp_path, HyperHerdStreamCallback(), max_epochs=3)
    again.fit(Named("ft"), batches(), batches(), ckpt_path=path, **WHOLE)
    found = told(trial_dir)
    assert [len(found[name]) for name in ("pre/loss", "pre/val", "loss")] == [12, 2, 12]
    assert [len(found[f"{name}:fit-2"]) for name in ("ft/loss", "ft/val", "loss")] == [18, 3, 18]


def test_a_plain_value_belongs_to_the_training_that_runs(tmp_path: Path, trial_dir: Path) -> None:
    class Plain(Module):
        def on_train_epoch_end(self) -> None:
            hyperherd.log_result("mine", self.start, self.current_epoch)

    for fold in range(2):
        trainer(tmp_path, HyperHerdStreamCallback(), max_epochs=1).fit(Plain(float(fold)), batches())
    assert {name: rows for name, rows in told(trial_dir).items() if name.startswith("mine")} == {
        "mine": [(0, 0.0)],
        "mine:fit-2": [(0, 1.0)],
    }


def test_what_test_logs_batch_by_batch_is_kept(tmp_path: Path, trial_dir: Path) -> None:
    trainer(tmp_path, HyperHerdStreamCallback()).test(Batchwise(), batches(), verbose=False)
    assert told(trial_dir)["test/step:test"] == [(step + 1, float(step)) for step in range(BATCHES)]


@pytest.mark.parametrize("with_callback", [True, False])
def test_the_logger_keeps_what_loggers_are_given_once(tmp_path: Path, trial_dir: Path, with_callback: bool) -> None:
    class Direct(Module):
        def on_train_epoch_end(self) -> None:
            self.logger.log_metrics({"direct": 3.0}, step=self.current_epoch)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    callbacks = [LearningRateMonitor("epoch"), *[HyperHerdStreamCallback()] * with_callback]
    loggers = [HyperHerdLogger(), CSVLogger(tmp_path / "csv")]
    one, module = trainer(tmp_path, *callbacks, logger=loggers, log_every_n_steps=1), Direct()
    one.fit(module, batches(), batches())
    one.test(module, batches(), verbose=False)
    found = told(trial_dir)
    raw = [(row["metric"], row.get("phase"), row["step"]) for row in read_metrics(trial_dir, raw=True).to_pylist()]
    once = [row for row in raw if row[0] != "epoch"]
    assert len(once) == len(set(once))
    assert found["direct"] == [(1, 3.0), (2, 3.0)]
    assert len(found["test/acc:test"]) == 1
    expected = rows_of(tmp_path / "csv")
    for name in ("loss", "val/acc", "lr-SGD"):
        assert found[name] == expected[name]


class Endless(IterableDataset[torch.Tensor]):
    """Has no length."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(torch.linspace(-1, 1, 4 * BATCHES).reshape(-1, 2))


@pytest.mark.parametrize(
    ("module", "options", "last"),
    [
        (Module(), {}, 12),
        (Module(), {"accumulate_grad_batches": 4}, 4),
        (Module(), {"callbacks": [GradientAccumulationScheduler({0: 1, 1: 3})]}, BATCHES + BATCHES // 3),
        pytest.param(
            *(Module(), {"val_check_interval": "00:00:00:01", "check_val_every_n_epoch": None}, 12), marks=SINCE_2_6
        ),
        (Module(), {"limit_train_batches": 0.5}, 6),
        (Module(), {"loader": DataLoader(Endless(), batch_size=2), "max_steps": 9, "max_epochs": -1}, 9),
        (Module(), {"loader": DataLoader(Endless(), batch_size=2)}, 12),  # once an epoch is over
        (Manual(count=2), {}, 12),
        (Manual(count=2), {"max_steps": 10, "max_epochs": -1}, 5),
        (Manual(raw=True), {}, 12),
    ],
)
def test_the_steps_that_are_announced_are_those_of_the_rows(
    tmp_path: Path, trial_dir: Path, module: Module, options: dict[str, Any], last: int
) -> None:
    options = dict(options)
    loader, callbacks = options.pop("loader", batches()), options.pop("callbacks", [])
    trainer(tmp_path, HyperHerdStreamCallback(), *callbacks, **options).fit(module, loader, batches())
    rows = told(trial_dir)["loss"]
    assert noted()["max_step"] == max(step for step, _ in rows) == last
