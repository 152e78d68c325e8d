"""The Hugging Face callback under a real Trainer: the trial keeps the Trainer's log, and the metrics of predictions."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperherd.metrics.arrays import list_arrays
from hyperherd.trial.notes import noted
from hyperherd_callbacks import _stream, transformers

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from transformers import (  # noqa: E402
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from hyperherd_callbacks.transformers import HyperHerdStreamCallback  # noqa: E402

Kept = dict[str, list[tuple[int, float]]]
EXAMPLES = [{"x": torch.tensor([float(i)]), "labels": torch.tensor(2.0 * i)} for i in range(8)]


class Model(torch.nn.Module):
    """One weight; raises in the forward pass number `fail_at`, counted from 0."""

    def __init__(self, fail_at: int = -1) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.fail_at = fail_at
        self.passes = 0

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.passes == self.fail_at:
            raise RuntimeError("diverged")
        self.passes += 1
        outputs = self.layer(x).squeeze(-1)
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


def make_trainer(
    folder: Path,
    model: torch.nn.Module | None = None,
    callback: HyperHerdStreamCallback | None = None,
    compute_metrics: Callable[[Any], dict[str, Any]] | None = None,
    **options: Any,
) -> Trainer:
    """Return a trainer of four steps in two epochs."""
    settings = {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    arguments = TrainingArguments(output_dir=str(folder / "out"), **{**settings, **options})
    return Trainer(
        model=model or Model(),
        args=arguments,
        train_dataset=EXAMPLES,
        eval_dataset={"a": EXAMPLES, "b": EXAMPLES},
        compute_metrics=compute_metrics,
        callbacks=[callback or HyperHerdStreamCallback()],
    )


def history(trainer: Trainer) -> Kept:
    """Return what the Trainer says it has logged: metric -> [(step, value)]."""
    rows: Kept = {}
    for entry in trainer.state.log_history:
        for name, value in entry.items():
            if name != "step":
                rows.setdefault(name, []).append((entry["step"], value))
    return rows


def test_the_trial_keeps_what_the_trainer_logs(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    trainer = make_trainer(tmp_path, eval_strategy="epoch")
    trainer.train()
    trainer.log({"mine": 1.5})
    assert kept() == history(trainer)
    assert [step for step, _ in kept()["loss"]] == [1, 2, 3, 4]
    assert [step for step, _ in kept()["eval_a_loss"]] == [step for step, _ in kept()["eval_b_loss"]] == [2, 4]
    assert [step for step, _ in kept()["train_loss"]] == [4]


def test_predictions_come_at_the_step_training_ended(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    trainer = make_trainer(tmp_path)
    trainer.train()
    metrics = trainer.predict(EXAMPLES).metrics
    assert kept()["test_loss"] == [(4, metrics["test_loss"])]


def test_a_crash_loses_nothing(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    with pytest.raises(RuntimeError, match="diverged"):
        make_trainer(tmp_path, Model(fail_at=3)).train()
    assert [step for step, _ in kept()["loss"]] == [1, 2, 3]


@pytest.mark.parametrize("writes", [True, False])
def test_of_several_processes_one_writes(kept: Callable[[], Kept], tmp_path: Path, writes: bool) -> None:
    state = TrainerState(global_step=3, is_world_process_zero=writes)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    HyperHerdStreamCallback().on_log(arguments, state, TrainerControl(), logs={"loss": 0.5})
    assert kept() == ({"loss": [(3, 0.5)]} if writes else {})


def test_a_failure_of_ours_is_said_once_and_training_goes_on(
    tmp_path: Path, trial_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(rows: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(_stream, "log_rows", fail)
    trainer = make_trainer(tmp_path)
    with caplog.at_level(logging.WARNING, "hyperherd"):
        trainer.train()
    assert trainer.state.global_step == 4
    [record] = [record for record in caplog.records if record.name == "hyperherd"]
    assert "the disk is gone" in str(record.exc_info)


def test_outside_of_a_trial_it_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    make_trainer(tmp_path).train()
    assert list(tmp_path.rglob(".hyperherd")) == []
    assert "hyperherd" not in {record.name for record in caplog.records}


def odd_metrics(prediction: Any) -> dict[str, Any]:
    """Numbers, and what people return beside them."""
    return {
        "iou": 0.5,
        "per_class": np.array([0.4, 0.6]),
        "confusion": torch.ones(2, 2),
        "object": object(),
        "nested": {"a": 1.0},
        "text": "good",
        "truth": True,
        "nan": float("nan"),
        "scalar": np.float32(0.25),
        "huge": 2**70,
    }


@pytest.mark.parametrize("arrays", [False, True])
def test_an_odd_value_costs_itself_alone(
    tmp_path: Path, trial_dir: Path, kept: Callable[[], Kept], caplog: pytest.LogCaptureFixture, arrays: bool
) -> None:
    trainer = make_trainer(
        tmp_path,
        callback=HyperHerdStreamCallback(arrays=arrays),
        compute_metrics=odd_metrics,
        eval_strategy="epoch",
    )
    with caplog.at_level(logging.WARNING, "hyperherd"):
        trainer.train()
    rows = kept()
    assert [step for step, _ in rows["eval_a_loss"]] == [2, 4]
    kept_ones = {"iou", "nested", "text", "truth", "nan", "scalar", "huge"}
    assert {f"eval_a_{name}" for name in kept_ones} <= rows.keys()
    lost = {"object"} if arrays else {"object", "per_class", "confusion"}
    assert not {f"eval_a_{name}" for name in odd_metrics(None).keys() - kept_ones} & rows.keys()
    named = [record.getMessage() for record in caplog.records if "not named again" in record.getMessage()]
    assert len(named) == 2 * len(lost)  # of two sets of data; once each in two evaluations
    assert set(list_arrays(trial_dir)) == (
        {f"eval_{part}_{name}" for part in "ab" for name in ("per_class", "confusion")} if arrays else set()
    )


def test_of_the_losses_every_nth_and_the_last_are_kept(tmp_path: Path, kept: Callable[[], Kept]) -> None:
    callback = HyperHerdStreamCallback(3, exclude=["*_runtime", "*_per_second"])
    make_trainer(tmp_path, callback=callback, eval_strategy="epoch").train()
    rows = kept()
    assert [step for step, _ in rows["loss"]] == [3, 4]
    assert [step for step, _ in rows["eval_a_loss"]] == [2, 4]
    assert not [name for name in rows if name.endswith(("_runtime", "_per_second"))]


def test_the_best_checkpoint_and_the_arguments_are_noted(
    tmp_path: Path, trial_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"eval_strategy": "epoch", "save_strategy": "epoch", "metric_for_best_model": "eval_a_loss"}
    trainer = make_trainer(
        trial_dir, callback=HyperHerdStreamCallback(objective="eval_a_loss", direction="minimize"), **options
    )
    trainer.train()
    facts = noted()
    best = Path(str(trainer.state.best_model_checkpoint))
    assert facts["checkpoint"] == {
        "path": str(best.resolve().relative_to(trial_dir.resolve())),
        "score": trainer.state.best_metric,
        "metric": "eval_a_loss",
        "direction": "minimize",
    }
    assert facts["objective"] == {"metric": "eval_a_loss", "direction": "minimize"}
    assert facts["training"]["arguments"]["per_device_train_batch_size"] == 4
    assert "weight_decay" not in facts["training"]["arguments"]  # it has its default
    assert facts["training"]["model"]["parameters"] == 2
    assert not [record for record in caplog.records if "outside" in record.getMessage()]


def test_checkpoints_outside_of_the_trial_are_named(
    tmp_path: Path, trial_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tmp_path, save_strategy="epoch")
    with caplog.at_level(logging.WARNING, "hyperherd"):
        trainer.train()
        trainer.train()
    [record] = [record.getMessage() for record in caplog.records if "outside" in record.getMessage()]
    assert str(tmp_path / "out") in record
    assert "output_dir: ${hydra:runtime.output_dir}" in record


class Stopping(TrainerCallback):
    """Ends the training by the flag."""

    def on_step_end(self, args: object, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        control.should_training_stop = True


@pytest.mark.parametrize(
    ("callback", "stops"),
    [
        (lambda: EarlyStoppingCallback(2, 1e9), [(3, "EarlyStoppingCallback: eval_a_loss has not improved for 2")]),
        (Stopping, [(1, "control.should_training_stop was set")]),
        (TrainerCallback, []),
    ],
)
def test_why_a_training_stopped_is_noted(
    tmp_path: Path, trial_dir: Path, callback: Callable[[], TrainerCallback], stops: list[tuple[int, str]]
) -> None:
    saved = {"save_strategy": "steps", "save_steps": 1, "load_best_model_at_end": True}
    evaluated = {"eval_strategy": "steps", "eval_steps": 1, "metric_for_best_model": "a_loss"}
    trainer = make_trainer(trial_dir, num_train_epochs=3, **evaluated, **saved)
    trainer.add_callback(callback())
    trainer.train()
    found = noted().get("stopped", [])
    assert [stop["step"] for stop in found] == [step for step, _ in stops]
    assert all(stop["reason"].startswith(reason) for stop, (_, reason) in zip(found, stops, strict=True))


def test_it_is_pickled_by_name() -> None:
    assert type(pickle.loads(pickle.dumps(HyperHerdStreamCallback()))) is HyperHerdStreamCallback


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"hydra-hyperherd\[transformers\]"):
        transformers._base()
