from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder, every_state

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.pages.best import best_page, best_record
from hyperherd.results.statistics.best import winners
from hyperherd.results.text.layout import Screen


def test_configurations_compete_by_their_mean(sweep: SweepBuilder) -> None:
    """The luckiest single seed does not win, nor does what survived of an incomplete configuration."""
    for lr, values in {0.1: (0.99, 0.5), 0.2: (0.8, 0.9), 0.3: (0.7, 0.7)}.items():
        for seed, value in enumerate(values):
            sweep.trial({"val/acc": value}, params={"lr": lr, "seed": seed})
    sweep.trial({"val/acc": 1.0}, params={"lr": 0.4, "seed": 0})
    sweep.failed(params={"lr": 0.4, "seed": 1})
    found = winners(load(sweep.dir), 9)
    assert [(winner.rank, winner.group.settings["lr"]) for winner in found] == [(1, 0.2), (2, 0.1), (3, 0.3)]
    best = found[0]
    assert (best.seeds, best.trial.number, best.value) == ({"0": 0.8, "1": 0.9}, 3, 0.9)
    assert best.spread.mean == pytest.approx(0.85)
    assert best.overrides == ("lr=0.2",)
    assert best.command is not None
    assert best.command.argv[2:] == ("lr=0.2", "seed=1")


def test_trials_compete_without_seeds(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", ("loss", "minimize"))
    for lr in (3, 1, 2):
        sweep.trial({"loss": float(lr)}, params={"lr": lr})
    found = winners(load(sweep.dir), 2)
    assert [(winner.trial.number, winner.seeds, winner.overrides) for winner in found] == [
        (1, {}, ("lr=1",)),
        (2, {}, ("lr=2",)),
    ]


def test_incomplete_ones_win_only_if_there_is_nothing_else(sweep: SweepBuilder) -> None:
    for lr in (0.1, 0.2):
        sweep.trial({"val/acc": lr}, params={"lr": lr, "seed": 0})
        sweep.failed(params={"lr": lr, "seed": 1})
    (only,) = winners(load(sweep.dir), 3)
    assert (only.value, only.group.planned, only.spread.n) == (0.2, 2, 1)
    assert "over 1 of 2 seeds" in best_page(load(sweep.dir), [only], Screen())


def test_the_checkpoint_is_what_the_trainer_took_for_the_best_one(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.9})
    folder = sweep.dir / "0"
    for name in ("step=1.ckpt", "step=9.ckpt"):
        (folder / name).write_bytes(b"weights")
    (sweep.dir / "other.ckpt").write_bytes(b"weights")
    for written, expected in {
        "step=1.ckpt": 1,
        "../other.ckpt": 9,
        "gone.ckpt": 9,
        str(sweep.dir): 9,
        "a\0b": 9,
    }.items():
        content = json.dumps({"checkpoint": {"path": written, "score": 0.9}})
        (folder / ".hyperherd" / "provenance.json").write_text(content)
        [winner] = winners(load(sweep.dir))
        assert winner.checkpoint == folder / f"step={expected}.ckpt", written


def test_nothing_can_win(sweep: SweepBuilder) -> None:
    sweep.failed({"val/acc": 1.0})
    with pytest.raises(ResultsError, match="no finished trial has a finite value of 'val/acc'"):
        winners(load(sweep.dir))


def test_nothing_says_what_wins(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    sweep.trial({"speed": 1.0})
    with pytest.raises(ResultsError, match=r"-m METRIC --direction max\|min; available: speed"):
        winners(load(sweep.dir))


def test_what_did_not_finish_never_wins(tmp_path: Path) -> None:
    (best,) = winners(load(every_state(tmp_path / "s").dir))
    assert best.trial.state is TrialState.COMPLETED
    assert best.trial.number == 1


def test_checkpoints(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 1.0})
    folder = sweep.dir / "0"
    assert winners(load(sweep.dir))[0].checkpoint is None
    for age, name in enumerate(["notes.txt", "a/last.ckpt", "model.pt", "checkpoint-3/weights.pt"]):
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("weights")
        os.utime(path, (1000 - age, 1000 - age))
    assert winners(load(sweep.dir))[0].checkpoint == folder / "a" / "last.ckpt"
    (folder / "model.pt").write_text("newer")
    assert winners(load(sweep.dir))[0].checkpoint == folder / "model.pt"


def test_for_people_and_for_programs(app: App) -> None:
    app.write('from hyperherd import log_result; log_result("val/acc", cfg.lr + cfg.seed / 100)', "lr: 1\nseed: 0\n")
    sweep = app.sweep("lr=0.1,0.2", "seed=0,1")
    trials = load(sweep.dir)
    page = best_page(trials, winners(trials), Screen(width=200))
    assert "1. val/acc 0.2050 ± 0.0071 over 2 of 2 seeds; best: trial 3, 0.21" in page
    assert str(sweep.dir / "3" / ".hydra" / "config.yaml") in page
    record = json.loads(json.dumps(best_record(trials, winners(trials, 2)), allow_nan=False))
    assert [winner["rank"] for winner in record["winners"]] == [1, 2]
    assert record["winners"][0]["seeds"] == {"0": 0.2, "1": pytest.approx(0.21)}
    assert record["winners"][0]["command"]["argv"][-2:] == ["lr=0.2", "seed=1"]
    assert record["winners"][0]["trial"]["number"] == 3
