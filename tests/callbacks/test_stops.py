"""Trainers end in their own way when their trial is to end, at once and not a second time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyperherd import TrialPruned, should_stop
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.log import found_trial
from hyperherd.trial.notes import noted

pytest.importorskip("pytorch_lightning")
pytest.importorskip("transformers")
from callbacks.lightning_runs import QUIET, Module, batches, make_trainer
from callbacks.test_transformers import make_trainer as make_hf_trainer

from hyperherd_callbacks.accelerate import HyperHerdTracker
from hyperherd_callbacks.lightning import HyperHerdLogger, HyperHerdStreamCallback

pytestmark = QUIET

Kept = dict[str, list[tuple[int, float]]]
REASON = {"state": "pruned", "reason": "the rule of the test"}


class At:
    """A rule: the end at the first step from `step` on at which a metric is logged."""

    def __init__(self, metric: str, step: int, state: TrialState = TrialState.PRUNED) -> None:
        self.metric, self.step, self.state = metric, step, state

    def judge(self, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
        is_end = self.metric in metrics and step >= self.step and not phase
        return StopVerdict(self.state, REASON["reason"]) if is_end else None


@pytest.fixture
def may_be_asked(trial_dir: Path) -> None:
    """As in a sweep, where somebody may ask it to end."""
    found_trial().stopping.is_possible = True


def decide() -> None:
    found_trial().stopping.decide(StopVerdict(TrialState.PRUNED, REASON["reason"]))


def test_lightning_ends_after_the_validation_that_was_judged(trial_dir: Path) -> None:
    found_trial().stopping.judged_by(At("val/loss", 12))
    trainer = make_trainer(trial_dir, HyperHerdStreamCallback(), epochs=5)
    trainer.fit(Module(), batches(), batches())
    assert trainer.global_step == 12  # of 30
    assert noted()["verdict"] == REASON
    assert [stop["reason"] for stop in noted()["stopped"]] == [REASON["reason"]]
    assert should_stop()
    # The trial has ended: what `main` does behind its fit is not begun.
    for again in (trainer.test, trainer.validate):
        with pytest.raises(TrialPruned, match=REASON["reason"]):
            again(Module(), batches(), verbose=False)


@pytest.mark.usefixtures("may_be_asked")
@pytest.mark.parametrize("is_logged_within", [False, True], ids=["", "a log call of the module raises nothing"])
def test_lightning_ends_at_the_batch_after_a_request(trial_dir: Path, is_logged_within: bool) -> None:
    def at(batch: int) -> None:
        if batch == 3:
            decide()
        if is_logged_within:
            found_trial().stopping.heed()

    trainer = make_trainer(trial_dir, HyperHerdStreamCallback(), epochs=5)
    trainer.fit(Module(at), batches())
    assert trainer.global_step == 4
    assert noted()["verdict"] == REASON


def test_lightning_ends_by_the_logger_alone(trial_dir: Path) -> None:
    trainer = make_trainer(trial_dir, epochs=5, logger=HyperHerdLogger(), log_every_n_steps=2)
    trainer.fit(Module(lambda batch: decide() if batch == 3 else None), batches())
    assert trainer.global_step == 4
    assert noted()["verdict"] == REASON


def test_a_trainer_of_transformers_ends_and_evaluates_no_more(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    found_trial().stopping.judged_by(At("loss", 2))
    trainer = make_hf_trainer(trial_dir, callback=_hf_callback())
    trainer.train()
    assert trainer.state.global_step == 2  # of 4
    assert noted()["verdict"] == REASON
    assert [stop["reason"] for stop in noted()["stopped"]] == [REASON["reason"]]
    for again in (trainer.evaluate, trainer.train):
        with pytest.raises(TrialPruned, match=REASON["reason"]):
            again()
    assert [step for step, _ in kept()["loss"]] == [1, 2]


@pytest.mark.parametrize(
    ("state", "strategy", "saves"),
    [(TrialState.PAUSED, "steps", True), (TrialState.PAUSED, "no", False), (TrialState.PRUNED, "steps", False)],
)
def test_a_trainer_of_transformers_that_is_paused_saves_where_it_ends(
    trial_dir: Path, state: TrialState, strategy: str, saves: bool
) -> None:
    found_trial().stopping.judged_by(At("loss", 2, state))
    trainer = make_hf_trainer(trial_dir, callback=_hf_callback(), save_strategy=strategy, save_steps=100)
    trainer.train()
    assert noted()["verdict"]["state"] == state
    assert (trial_dir / "out/checkpoint-2").is_dir() == saves
    # What ends by itself saves its last step; this one has not come there.
    assert not (trial_dir / "out/checkpoint-4").exists()


def _hf_callback() -> Any:
    from hyperherd_callbacks.transformers import HyperHerdStreamCallback as Callback

    return Callback()


@pytest.mark.usefixtures("trial_dir")
def test_a_tracker_of_accelerate_raises() -> None:
    tracker = HyperHerdTracker()
    tracker.log({"loss": 1.0}, step=1)
    decide()
    with pytest.raises(TrialPruned, match=REASON["reason"]):
        tracker.log({"loss": 1.0}, step=2)
