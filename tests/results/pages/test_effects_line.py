"""The line "effects" below a table: it says what `effects` says, and nothing where there is nothing to say."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from results.builder import SweepBuilder, sweep24

from hyperherd import load
from hyperherd.results.pages import effects_line as room
from hyperherd.results.pages.effects_line import effects_line
from hyperherd.results.pages.overview import render, render_groups
from hyperherd.results.text.layout import Screen


def told(path: Path) -> str:
    return "\n".join(effects_line(load(path), Screen()))


def test_it_says_what_effects_says(tmp_path: Path) -> None:
    trials = load(sweep24(tmp_path / "s").dir)
    line = "\n".join(effects_line(trials, Screen()))
    found = trials.effects()
    by_name = {effect.parameter: effect for effect in found.parameters}
    assert by_name["lr"].share is not None
    assert found.noise is not None
    assert f"lr ({by_name['lr'].share:.3f} of the variance, p < 0.001)" in line
    assert "model: cnn better than mlp in 9/9 pairs, +0.01500 [+0.01500, +0.01500]" in line
    assert f"seed noise {found.noise.share:.3f} of the variance" in line
    assert "seed (" not in line
    for page in (render(trials, Screen()), render_groups(trials.seeds(), Screen())):
        assert page.rstrip().endswith(line)


def test_few_trials_or_equal_ones_are_told_nothing_of(tmp_path: Path) -> None:
    few = SweepBuilder(tmp_path / "few")
    for lr in (0.1, 0.2, 0.1):
        few.trial({"val/acc": lr}, params={"lr": lr})
    few.failed({"val/acc": 9.0}, params={"lr": 0.2})
    assert told(few.dir) == ""
    same = SweepBuilder(tmp_path / "same")
    for seed in range(6):
        same.trial({"val/acc": seed / 10}, params={"lr": 0.1, "seed": seed})
    assert told(same.dir) == ""
    unjudged = SweepBuilder(tmp_path / "unjudged", objective=None)
    for lr in (0.1, 0.1, 0.2, 0.2):
        unjudged.trial({"thing": lr}, params={"lr": lr})
    assert told(unjudged.dir) == ""


def test_few_trials_are_said_to_be_too_few(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for place, acc in enumerate((0.1, 0.9, 0.9, 0.1)):
        sweep.trial({"val/acc": acc}, params={"opt": ("sgd", "adam")[place // 2], "n": place % 2})
    line = told(sweep.dir)
    assert line.startswith("effects: too few trials to tell what matters (4)")
    assert "opt: sgd and adam cannot be told apart, sgd ahead in 1/2 pairs" in line


def test_what_is_not_told_from_chance_is_not_named(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    draw = random.Random(0)
    for place in range(24):
        sweep.trial({"val/acc": draw.gauss(0.5, 0.1)}, params={"opt": ("sgd", "adam")[place // 12], "n": place % 12})
    assert told(sweep.dir).startswith("effects: no parameter is shown to matter")


def test_equal_values_are_called_equal(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for lr in (0.1, 0.2):
        for model in ("cnn", "mlp"):
            sweep.trial({"val/acc": lr}, params={"lr": lr, "model": model})
    assert "model: cnn and mlp are equal in 2/2 pairs  (" in told(sweep.dir)


def test_it_is_left_out_where_it_would_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sweep24(tmp_path / "s")
    monkeypatch.setattr(room, "_MOST", 23)
    assert told(sweep.dir) == ""


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for place in range(4):
        params = {"\x1b[2Jlr": f"\x1b]0;x{place // 2}", "seed": place % 2}
        sweep.trial({"val/acc": place / 4}, params=params)
    assert "\x1b" not in told(sweep.dir)
    assert "lr" in told(sweep.dir)
