"""Several trainings and evaluations in one trial, by the Hugging Face Trainer: all of the Trainer's log, by phase."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperherd.metrics.reader import read_metrics, read_summary
from hyperherd.trial import log as trial_log

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from transformers import Trainer, TrainingArguments  # noqa: E402
from transformers.hyperparameter_search import ALL_HYPERPARAMETER_SEARCH_BACKENDS, WandbBackend  # noqa: E402
from transformers.integrations import integration_utils  # noqa: E402
from transformers.trainer_utils import BestRun, HPSearchBackend  # noqa: E402

from hyperherd_callbacks.transformers import HyperHerdStreamCallback  # noqa: E402

EXAMPLES = [{"x": torch.tensor([float(i)]), "labels": torch.tensor(2.0 * i)} for i in range(8)]
Told = dict[str, list[tuple[int, float]]]


class Model(torch.nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.layer(x).squeeze(-1)
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


def make_trainer(folder: Path, prefix: str = "", **options: Any) -> Trainer:
    """Return a trainer of four steps in two epochs."""
    sets, model_init = options.pop("sets", EXAMPLES), options.pop("model_init", None)
    settings = {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    arguments = TrainingArguments(output_dir=str(folder / "out"), **{**settings, **options})
    callbacks = [HyperHerdStreamCallback(prefix=prefix)]
    return Trainer(
        model=None if model_init else Model(),
        args=arguments,
        train_dataset=EXAMPLES,
        eval_dataset=sets,
        callbacks=callbacks,
        model_init=model_init,
    )


def told(trial: Path, phase: str = "") -> Told:
    """Return the rows of a phase that stand."""
    found: Told = {}
    for row in read_metrics(trial).to_pylist():
        if (row.get("phase") or "") == phase:
            found.setdefault(row["metric"], []).append((row["step"], row["value"]))
    return found


def phases(trial: Path) -> set[str]:
    return {row.get("phase") or "" for row in read_metrics(trial).to_pylist()}


def history(trainer: Trainer, since: int = 0) -> Told:
    """Return what the Trainer logged, from an entry on; of several values at one step the last."""
    rows: dict[str, dict[int, float]] = {}
    for entry in trainer.state.log_history[since:]:
        for name, value in entry.items():
            if name != "step":
                rows.setdefault(name, {})[entry["step"]] = value
    return {name: sorted(values.items()) for name, values in rows.items()}


def train_twice(folder: Path) -> Iterator[Trainer]:
    one = make_trainer(folder)
    for _ in range(2):
        one.train()
        yield one


def two_trainers(folder: Path) -> Iterator[Trainer]:
    one, other = make_trainer(folder), make_trainer(folder, gradient_accumulation_steps=2)
    for trainer in (one, other, one):
        trainer.train()
        yield trainer


def search(folder: Path) -> Iterator[Trainer]:
    """Search as `hyperparameter_search` does: one trainer, which makes a model and takes other arguments each time."""
    found: list[Trainer] = []

    class Scripted(WandbBackend):
        def ensure_available(self) -> None:
            """It is ours."""

        def run(self, trainer: Trainer, n_trials: int, direction: str, **kwargs: Any) -> BestRun:
            for number in range(n_trials):
                trainer.train(trial={"learning_rate": 0.1 / (number + 1), "num_train_epochs": number + 1})
                found.append(copy.copy(trainer))
                found[-1].state = copy.deepcopy(trainer.state)
            return BestRun("0", trainer.objective, {})

    one = make_trainer(folder, model_init=Model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integration_utils, "is_wandb_available", lambda: True)
        patch.setattr(Trainer, "_get_output_dir", lambda self, trial: self.args.output_dir)
        patch.setitem(ALL_HYPERPARAMETER_SEARCH_BACKENDS, HPSearchBackend.WANDB, Scripted)
        one.hyperparameter_search(n_trials=3, backend="wandb", hp_space=dict)
    yield from found


@pytest.mark.parametrize("script", [train_twice, two_trainers, search])
def test_each_train_is_a_phase_with_the_trainers_log(
    tmp_path: Path, trial_dir: Path, script: Callable[[Path], Iterator[Trainer]]
) -> None:
    names = ["", "train-2", "train-3"]
    trained = {name: history(trainer) for name, trainer in zip(names, script(tmp_path), strict=False)}
    assert len(trained) > 1
    assert {name: told(trial_dir, name) for name in phases(trial_dir)} == trained


def test_an_evaluation_after_the_training_is_one_of_its_own(tmp_path: Path, trial_dir: Path) -> None:
    one = make_trainer(tmp_path)
    one.train()
    trained = history(one)
    count = len(one.state.log_history)
    one.evaluate()
    one.predict(EXAMPLES)
    assert told(trial_dir) == trained
    assert told(trial_dir, "evaluate") == history(one, count)
    assert "test_loss" in told(trial_dir, "predict")
    summary = read_summary(trial_dir)
    assert summary["metrics"]["eval_runtime"]["last"] == trained["eval_runtime"][-1][1]


def test_the_sets_of_one_evaluation_are_one_phase_and_the_next_evaluation_another(
    tmp_path: Path, trial_dir: Path
) -> None:
    one = make_trainer(tmp_path, sets={"a": EXAMPLES, "b": EXAMPLES})
    for _ in range(2):
        one.evaluate()
    assert phases(trial_dir) == {"evaluate", "evaluate-2"}
    assert {"eval_a_loss", "eval_b_loss"} <= set(told(trial_dir, "evaluate-2"))


def test_two_trainers_with_prefixes(tmp_path: Path, trial_dir: Path) -> None:
    for fold in range(2):
        one = make_trainer(tmp_path, f"fold{fold}/")
        one.train()
        assert told(trial_dir, f"fold{fold}") == history(one)
        one.evaluate()
    assert phases(trial_dir) == {"fold0", "fold0/evaluate", "fold1", "fold1/evaluate"}


def test_a_training_after_one_that_raised(tmp_path: Path, trial_dir: Path) -> None:
    one = make_trainer(tmp_path)
    one.train_dataset = [*EXAMPLES[:7], {"x": torch.tensor([[1.0]]), "labels": torch.tensor(1.0)}]
    with pytest.raises((RuntimeError, ValueError)):
        one.train()
    again = make_trainer(tmp_path)
    again.train()
    assert told(trial_dir, "train-2" if "train-2" in phases(trial_dir) else "") == history(again)


def test_a_retry_resumes_the_second_training_and_leaves_the_first(tmp_path: Path, trial_dir: Path) -> None:
    one = make_trainer(tmp_path)
    one.train()
    first = told(trial_dir)
    cut = make_trainer(tmp_path, save_strategy="steps", save_steps=2, num_train_epochs=1)
    cut.train()
    assert max(step for step, _ in told(trial_dir, "train-2")["loss"]) == 2
    trial_log.leave()
    trial_log.enter(trial_dir, 1)
    again = make_trainer(tmp_path, num_train_epochs=3)
    again.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2"))
    assert told(trial_dir) == first
    assert [step for step, _ in told(trial_dir, "train-2")["loss"]] == [1, 2, 3, 4, 5, 6]
    assert phases(trial_dir) == {"", "train-2"}
