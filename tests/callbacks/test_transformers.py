"""The Hugging Face callback under a real Trainer: the trial keeps the Trainer's log, and the metrics of predictions."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperherd_callbacks import transformers

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments  # noqa: E402

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


def make_trainer(folder: Path, model: torch.nn.Module | None = None, **options: Any) -> Trainer:
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
        callbacks=[HyperHerdStreamCallback()],
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
    def fail(metrics: object, step: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(transformers, "log_metrics", fail)
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


def test_it_is_pickled_by_name() -> None:
    assert type(pickle.loads(pickle.dumps(HyperHerdStreamCallback()))) is HyperHerdStreamCallback


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"hydra-hyperherd\[transformers\]"):
        transformers._base()
