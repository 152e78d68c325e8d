from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder, every_state

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.pages.best import best_page, best_record
from hyperherd.results.statistics.best import contenders, seeds_to_add, winners
from hyperherd.results.text.layout import Screen


def test_configurations_compete_by_their_mean(sweep: SweepBuilder) -> None:
    """The luckiest single seed does not win, nor what survived of an incomplete configuration."""
    for lr, values in {0.1: (0.99, 0.5), 0.2: (0.8, 0.9), 0.3: (0.7, 0.7)}.items():
        for seed, value in enumerate(values):
            sweep.trial({"val/acc": value}, params={"lr": lr, "seed": seed})
    sweep.trial({"val/acc": 0.86}, params={"lr": 0.4, "seed": 0})
    sweep.failed(params={"lr": 0.4, "seed": 1})
    found = winners(load(sweep.dir), 9)
    ranked = [(1, 0.2), (2, 0.4), (3, 0.1), (4, 0.3)]
    assert [(winner.rank, winner.group.settings["lr"]) for winner in found] == ranked
    assert found[1].score < found[0].score < 0.85
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


def test_with_one_seed_each_the_values_rank(sweep: SweepBuilder) -> None:
    for lr in (0.1, 0.2):
        sweep.trial({"val/acc": lr}, params={"lr": lr, "seed": 0})
        sweep.failed(params={"lr": lr, "seed": 1})
    first, second = winners(load(sweep.dir), 3)
    assert (first.value, first.group.planned, first.spread.n, first.score) == (0.2, 2, 1, 0.2)
    assert second.value == 0.1
    page = best_page(load(sweep.dir), [first], Screen())
    assert "over 1 of 2 seeds" in page
    assert "one seed each: nothing is known of how far seeds alone lie apart" in page


@pytest.mark.slow
def test_what_is_close_is_said_with_the_command_that_adds_seeds(app: App) -> None:
    app.write('from hyperherd import log_result; log_result("val/acc", cfg.lr + cfg.seed / 100)', "lr: 1\nseed: 0\n")
    sweep = app.sweep("lr=0.1,0.11,0.9,0.91", "seed=0,1,2")
    trials = load(sweep.dir)
    assert trials.seeds().close == (2,)
    [winner] = winners(trials)
    page = best_page(trials, [winner], Screen())
    assert "  not distinguishable from rank 2 at 95 %\n" in page
    assert " 95 %: 0.9" in page
    assert "corrected for the choice among 4" in page
    assert f"herd-results best {shlex.quote(str(sweep.dir))} --close --seeds 0..5 --run" in page
    assert page.splitlines()[-1].strip() in repr(trials.seeds())
    assert [one.group.settings["lr"] for one in contenders(trials)] == [0.91, 0.9]
    assert [winner.rank for winner in contenders(trials.filter("lr=0.91,0.1"))] == [1]
    assert "distinguishable from all others at 95 %" in repr(trials.filter("lr=0.91,0.1").seeds())


def test_seeds_to_add(sweep: SweepBuilder) -> None:
    for seed in (7, 1337):
        for lr in (1, 2):
            sweep.trial({"val/acc": seed / lr}, params={"lr": lr, "seed": seed})
    assert seeds_to_add(load(sweep.dir).seeds()) == "7,1337,1338..1339"
    assert seeds_to_add(load(sweep.dir).seeds(keys=("seed", "lr"))) == ""
    sweep.trial({"val/acc": 1.0}, params={"lr": 1, "seed": "a"})
    assert seeds_to_add(load(sweep.dir).seeds()) == ""


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
