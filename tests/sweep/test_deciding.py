from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from conftest import App
from omegaconf import OmegaConf
from results.best_draws import CONTESTS, play

from hyperherd import load
from hyperherd.errors import SweepError
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.pages.best import best_page, best_record
from hyperherd.results.statistics.best import winners
from hyperherd.results.statistics.contest import judge
from hyperherd.results.text.layout import Screen
from hyperherd.schemas import HerdSweeperConf
from hyperherd.sweep.decide_settings import Decide
from hyperherd.sweep.preview import plan
from hyperherd.sweep.settings import read_settings

BODY = """
import random
from hyperherd import log_result
log_result("val/acc", cfg.lr + random.Random(f"{cfg.lr} {cfg.seed}").gauss(0, 0.01))
"""
WANTED = {
    "objective": {"metric": "val/acc", "direction": "maximize"},
    "seeds": 3,
    "decide": {"delta": 0.005, "budget": 30},
}


def settings(**given: Any) -> Any:
    return read_settings(OmegaConf.merge(OmegaConf.structured(HerdSweeperConf), {**WANTED, **given}))


def test_what_is_asked_for() -> None:
    assert settings().decide == Decide(0.005, 30, 0.05)
    assert settings(decide=None).decide is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decide": 0.1}, "expected a map such as {delta: 0.005"),
        ({"decide": {"delta": 0.1}}, "expected a map such as {delta: 0.005"),
        ({"decide": {"delta": 0.1, "budget": 9, "beta": 1}}, "expected a map such as {delta: 0.005"),
        ({"decide": {"delta": 0, "budget": 9}}, "decide.delta is 0; expected a number above 0$"),
        ({"decide": {"delta": "a", "budget": 9}}, "decide.delta is 'a'; expected a number"),
        ({"decide": {"delta": float("nan"), "budget": 9}}, "decide.delta is nan; expected a number above 0"),
        ({"decide": {"delta": 1, "budget": 9.5}}, "decide.budget is 9.5; expected a number"),
        ({"decide": {"delta": 1, "budget": 9, "alpha": 1}}, "decide.alpha is 1; expected a number between 0 and 0.5"),
        ({"objective": None}, "needs hydra.sweeper.objective"),
        ({"seeds": None}, "needs hydra.sweeper.seeds"),
        ({"seeds": 1}, "needs hydra.sweeper.seeds"),
        ({"only": "failed"}, "cannot be combined"),
    ],
)
def test_what_cannot_be_decided_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        settings(**given)


SPACE = ["lr=0.1,0.89,0.9", "hydra.sweeper.objective={metric: val/acc, direction: maximize}", "hydra.sweeper.seeds=3"]


def test_what_a_sweep_would_do_is_shown(app: App) -> None:
    app.write(BODY, "lr: 1\nseed: 0\n")
    herd = ["hydra/sweeper=herd", *SPACE]
    told = str(plan([*herd, "hydra.sweeper.decide={delta: 0.001, budget: 20}"], config_dir=app.folder / "conf"))
    assert "9 trials would run" in told
    assert "in contention, 20 trials in all at most, until one is the best within 0.001 at 95 %" in told
    with pytest.raises(SweepError, match=r"decide.budget is 8, but the sweep begins with 9 trials; raise it"):
        plan([*herd, "hydra.sweeper.decide={delta: 0.001, budget: 8}"], config_dir=app.folder / "conf")
    for given in ("seed=7", "seed=7,8"):
        with pytest.raises(SweepError, match="decide chooses the seeds, but seed is fixed or searched"):
            plan([*herd, given, "hydra.sweeper.decide={delta: 0.001, budget: 80}"], config_dir=app.folder / "conf")


@pytest.mark.slow
def test_a_sweep_that_decides(app: App) -> None:
    app.write(BODY, "lr: 1\nseed: 0\n")
    sweep = app.sweep(*SPACE, "hydra.sweeper.decide={delta: 0.001, budget: 15}")
    trials = load(sweep.dir)
    assert Counter(trial.params["lr"] for trial in trials) == {0.1: 3, 0.89: 6, 0.9: 6}
    record = SweepRecord.read(sweep.dir)
    assert record.decided is not None
    assert (record.decided["trials"], record.decided["contenders"], len(record.invocations)) == (15, 2, 1)
    assert (record.space["seeds"], record.decided["within"] > 0.001) == (3, True)
    told = "not decided within 0.001: 15 of 15 trials, 2 in contention"
    assert told in best_page(trials, winners(trials), Screen())
    again = app.sweep(*SPACE, "hydra.sweeper.decide={delta: 0.5, budget: 15}")
    trials = load(again.dir)
    assert len(trials) == 15
    assert "decided: the configuration of trial" in best_page(trials, winners(trials), Screen())
    [claim] = best_record(trials, winners(trials))["decided"]
    assert trials[str(claim["trial"])].params["lr"] in (0.89, 0.9)


@pytest.mark.slow
def test_a_failed_seed_is_not_run_again_by_the_next_round(app: App) -> None:
    app.write(BODY + "assert (cfg.lr, cfg.seed) != (0.9, 1)\n", "lr: 1\nseed: 0\n")
    sweep = app.sweep(*SPACE, "hydra.sweeper.decide={delta: 0.001, budget: 11}", code=1)
    trials = load(sweep.dir)
    assert len(trials) == 11
    [failed] = trials.failed
    assert failed.attempt == 0


@pytest.mark.parametrize("kind", CONTESTS)
def test_what_is_decided_holds(kind: str) -> None:
    chance = random.Random(f"decide {kind}")
    found = [play(CONTESTS[kind](chance), chance).loss for _ in range(60)]
    decided = [loss for loss in found if loss is not None]
    assert len(decided) > 40
    assert sum(loss > 1.0 for loss in decided) <= 7  # of 60 with 5 %: more have a probability below one percent


def test_equal_differences_of_coarse_values_are_no_certainty() -> None:
    """An accuracy on a hundred samples: two seeds that differ by the same hundredth are soon found."""
    for seeds, contenders in [(2, (0, 1)), (11, (0, 1)), (12, (0,))]:
        verdict = judge([dict.fromkeys(range(seeds), 0.91), dict.fromkeys(range(seeds), 0.9)], 0.05)
        assert verdict is not None
        assert verdict.contenders == contenders


def test_nothing_is_known_without_values() -> None:
    assert judge([{}, {}], 0.05) is None
    alone = judge([{0: 1.0}, {0: 2.0}], 0.05)
    assert alone is not None
    assert (alone.leader, alone.contenders, alone.within) == (1, (0, 1), float("inf"))
