"""A mean over other settings is said to be one, and is never given out as an interval over seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError
from hyperherd.results.tables.pivot import pivot_columns, pivot_groups
from hyperherd.results.tables.records import to_json


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """A sweep of 2 lr x 2 models x 2 widths x 2 seeds, one of which failed; width 2 is best for every lr and model."""
    sweep = SweepBuilder(tmp_path / "s", seed_key="seed")
    for lr in (0.1, 0.2):
        for model in ("a", "b"):
            for width in (1, 2):
                for seed in (0, 1):
                    params = {"lr": lr, "model": model, "width": width, "seed": seed}
                    acc = lr + 0.25 * (model == "b") + 0.125 * width + 0.0625 * seed
                    if params == {"lr": 0.2, "model": "b", "width": 1, "seed": 1}:
                        sweep.failed(params=params)
                    else:
                        sweep.trial({"val/acc": acc}, params=params)
    return sweep.dir


POOLED = (
    "over width, seed: n=3 to 4 per cell, finished trials only; this spread is not one over seeds (--rest best: the "
    "best configuration instead of the mean of all)"
)


@pytest.mark.parametrize(
    ("err", "told"),
    [
        ("std", "mean ± std (n−1)"),
        ("sem", "mean ± std/sqrt(n)"),
        ("ci", "mean ± t·std/sqrt(n)"),
        ("range", "mean and range"),
    ],
)
def test_a_pivot_over_more_than_seeds(swept: Path, capsys: pytest.CaptureFixture[str], err: str, told: str) -> None:
    assert main(["--pivot", "lr", "model", "--err", err, "-f", "table", str(swept)]) == 0
    assert f"\n{told} {POOLED}; (2/3) = 2 of 3 trials counted\n" in capsys.readouterr().out
    assert main(["--pivot", "lr", "model", "--err", err, "-f", "latex", str(swept)]) == 0
    assert capsys.readouterr().err == f"herd-results: {told} {POOLED}\n"


def test_a_pivot_over_seeds_alone(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pivot", "lr", "model", "--err", "ci", "-f", "table", "width=2", str(swept)]) == 0
    assert "\nmean ± 95 % confidence (t) over seed: n=2 per cell, finished trials only;" in capsys.readouterr().out


def test_the_best_over_the_rest(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = load(swept)
    columns = pivot_columns(pivot_groups(trials, "lr", "model", "std", "best"), exact=True)
    assert [column.values for column in columns[1:]] == [
        pytest.approx([0.38125, 0.48125]),
        pytest.approx([0.63125, 0.73125]),
    ]
    assert main(["--pivot", "lr", "model", "--rest", "best", "-f", "table", str(swept)]) == 0
    told = (
        "the best configuration of each cell, mean ± std (n−1) over seed, finished trials only; it was chosen by this"
    )
    assert f"\n{told} mean, which is therefore too good on average" in capsys.readouterr().out


def test_groups_in_python(swept: Path) -> None:
    trials = load(swept)
    pooled = repr(trials.group("lr", "model"))
    assert f"\nmean ± std (n−1) {POOLED.replace('cell', 'group')}" in pooled
    best = trials.group("lr", "model", rest="best")
    assert best[0].settings == {"lr": 0.2, "model": "b", "width": 2}
    assert best.keys == ("seed",)
    assert "\nthe best configuration of each group, mean ± std (n−1) over seed, finished" in repr(best)
    assert json.loads(to_json(trials, groups=trials.group("lr")))["pooled_over"] == ["model", "width", "seed"]
    with pytest.raises(ResultsError, match="'bets' is not a way to take the rest"):
        trials.group("lr", rest="bets")


def test_the_rest_of_nothing(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rest", "best", str(swept)])
    assert "--rest needs --pivot ROW COL" in capsys.readouterr().err
