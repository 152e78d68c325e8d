"""Two sweeps or two settings compared: what is paired, what is claimed, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import HyperherdError, NothingFound, ResultsError
from hyperherd.results.api import Trials


def _benchmark(name: str) -> Any:
    """Load a script of `benchmarks/` by its file: on the path, others there would hide folders of tests."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
simulation = _benchmark("compare")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a sweep of lr x seed whose accuracy is 10 lr + shift, plus noise that only its name decides."""

    def written(
        name: str, shift: float = 0.0, *, lrs: tuple[float, ...] = (0.1, 0.2), seeds: Any = range(4),
        noise: float = 0.05, metric: str = "val/acc", **params: Any,
    ) -> Path:  # fmt: skip
        rng = random.Random(name)
        sweep = SweepBuilder(tmp_path / name, (metric, "maximize"), seed_key="seed")
        for lr in lrs:
            for seed in seeds:
                value = 10 * lr + shift + rng.gauss(0, noise)
                sweep.trial({metric: value}, params={"lr": lr, "seed": seed, **params})
        return sweep.dir

    return written


def test_two_sweeps_are_paired_by_configuration_and_seed(write: Write) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = load(write("a", lrs=(0.1,), seeds=range(8))), load(write("b", 0.2, lrs=(0.1,), seeds=range(8)))
    found = a.compare(b)
    (row,) = found.metrics
    values = [[trial.value("val/acc") for trial in side] for side in (a, b)]
    expected = stats.ttest_rel(values[1], values[0])
    assert (row.paired, row.unit, row.n, row.configurations, row.estimate.freedom) == (True, "pair", 8, 1, 7)
    assert row.estimate.p == pytest.approx(expected.pvalue)
    assert (row.better, found.labels, found.seeds, found.treatments) == ("b", ("a", "b"), ("seed",), ())
    several = load(write("c")).compare(load(write("d")))
    assert (several.matched, several.metrics[0].configurations) == (("lr",), 2)
    assert sorted((item.settings["lr"], item.n) for item in several.where) == [(0.1, 4), (0.2, 4)]


def test_lower_is_better(write: Write) -> None:
    a, b = load(write("a")), load(write("b", 0.5))
    assert a.compare(b, metrics=["val/acc"], direction="min").metrics[0].better == "a"
    assert {item.better for item in a.compare(b, metrics=["val/acc"], direction="min").where} == {"a"}


def test_only_what_both_have_is_compared(write: Write) -> None:
    a = load(write("a", lrs=(0.1, 0.2, 0.3), seeds=range(3)))
    b = load(write("b", 1.0, lrs=(0.2, 0.3, 0.4), seeds=range(1, 4)))
    found = a.compare(b)
    assert sorted((item.settings["lr"], item.n) for item in found.where) == [(0.2, 2), (0.3, 2)]
    assert found.left_out == ({"without a counterpart": 5}, {"without a counterpart": 5})
    assert found.metrics[0].b - found.metrics[0].a == pytest.approx(1.0, abs=0.2)


def test_other_seeds_are_compared_unpaired(write: Write) -> None:
    a, b = load(write("a", seeds=range(4))), load(write("b", 0.4, seeds=range(10, 13)))
    (row,) = a.compare(b).metrics
    assert (row.paired, row.unit, row.n, row.configurations, row.better) == (False, "trial", 14, 2, "b")
    assert row.b - row.a == pytest.approx(row.estimate.value)


def test_a_seed_that_moves_all_configurations_counts_once(tmp_path: Path) -> None:
    rng = random.Random(0)
    moves = [0.5, -0.2, 0.3, -0.4]
    for name in ("a", "b"):
        sweep = SweepBuilder(tmp_path / name, seed_key="seed")
        for lr in range(6):
            for seed, move in enumerate(moves):
                value = lr + (move + 0.05 if name == "b" else 0.0) + rng.gauss(0, 0.01)
                sweep.trial({"val/acc": value}, params={"lr": lr, "seed": seed})
    (row,) = load(tmp_path / "a").compare(load(tmp_path / "b")).metrics
    assert (row.unit, row.n, row.estimate.freedom, row.better) == ("seed", 4, 3, None)


def test_settings_of_one_sweep(tmp_path: Path) -> None:
    rng = random.Random(0)
    sweep = SweepBuilder(tmp_path / "s", seed_key="seed")
    for model in ("cnn", "mlp", "rnn"):
        for data in ("x", "y"):
            for seed in range(5):
                good = 0.5 * (model == "cnn") * (1 if data == "x" else -1)
                metrics = {"val/acc": good + rng.gauss(0, 0.05), "val/f1": rng.gauss(0, 1)}
                sweep.trial(metrics, params={"model": model, "data": data, "seed": seed})
    trials = load(sweep.dir)
    found = trials.compare("model=mlp", "model=cnn", metrics=["val/acc", "val/f1"], by="data")
    assert [(row.objective.metric, row.group, row.n) for row in found.metrics] == [
        ("val/acc", "x", 5),
        ("val/acc", "y", 5),
        ("val/f1", "x", 5),
        ("val/f1", "y", 5),
    ]
    assert [row.better for row in found.metrics[:2]] == ["b", "a"]
    assert all((row.p_holm or 0) >= (row.estimate.p or 0) for row in found.metrics)
    assert [(item.name, item.a, item.b) for item in found.treatments] == [("model", ("mlp",), ("cnn",))]
    both = trials.compare("model=mlp & data=x", "model=cnn & data=y")
    assert "the sides differ in several things (model, data)" in both.warnings[0]
    apart = trials.compare("model=mlp & seed=0,1", "model=cnn & seed=2,3,4")
    assert ([item.name for item in apart.treatments], apart.metrics[0].paired) == (["model"], False)
    assert trials.compare("seed=0", "seed=1").metrics[0].n == 6
    some = trials.compare("model=mlp,rnn", "model=cnn", by="data")  # each pair has the mean of two models on its left
    assert some.metrics[0].n == 5


def test_code_and_versions_that_differ_are_named(write: Write) -> None:
    a, b = write("a"), write("b", 0.3)
    for path, commit, torch in ((a, "1111", "2.1"), (b, "2222", "2.2")):
        for number in range(8):
            told = {"format": 1, "git": {"commit": commit}, "packages": {"torch": torch}, "host": commit}
            (path / str(number) / ".hyperherd" / "provenance.json").write_text(json.dumps(told))
    found = load(a).compare(load(b))
    assert [(item.name, item.a, item.b) for item in found.code] == [("commit", "1111", "2222")]
    assert [(item.name, item.a, item.b) for item in found.environment] == [("packages.torch", "2.1", "2.2")]
    assert "several things" not in str(found.warnings)  # the code alone is one thing


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"lrs": (1.0, 2.0)}, "no configuration is in both sides: lr is 0.1, 0.2 in a and 1.0, 2.0 in b"),
        ({"metric": "val/f1"}, "nothing can be compared: val/acc: side b has no value of it .* b logged val/f1"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(write: Write, second: dict[str, Any], message: str) -> None:
    a, b = load(write("a")), load(write("b", **second))
    with pytest.raises(ResultsError, match=message):
        a.compare(b, metrics=["val/acc"])


def test_sides_that_are_none(write: Write) -> None:
    path = write("a")
    trials = load(path)
    refused: list[tuple[tuple[Any, ...], dict[str, Any], str, type[HyperherdError]]] = [
        (("lr=0.1", "seed=1"), {}, r"1 trial would be in both sides \(1\)", ResultsError),
        (("val/acc>0.5", "val/acc<=0.5"), {}, "chooses trials by what was measured", ResultsError),
        (("lr=0.1", "lr=7"), {}, "none of 8 trials matches lr=7", NothingFound),
        (("lr=0.1", "lr=0.2"), {"by": "sed"}, "cannot be split by 'sed'", ResultsError),
        (("lr=0.1", trials), {}, "not one of each", ResultsError),
    ]
    for sides, options, message, kind in refused:
        with pytest.raises(kind, match=message):
            trials.compare(*sides, **options)


def test_paths_and_filters_on_the_command_line(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = str(write("a")), str(write("b", 0.3))
    cases = [
        ([a, b], 0, "val/acc: b is better over 2 configurations"),
        ([a, b, "lr=0.1"], 0, "over 1 configuration"),
        (["lr=0.1", "lr=0.2", a], 0, "a: lr=0.1 · 4 trials, 4 finished"),
        ([a, "lr=0.1"], 2, "give two sweeps or two filters, not one of each"),
        ([a, b, b], 2, "two sweeps are compared as they are"),
        (["3", "4"], 3, "3 is not a path; herd-results diff compares two trials"),
        ([a, b, "lr=5"], 3, "no trial under"),
    ]
    for words, code, told in cases:
        assert main(["compare", *words]) == code
        done = capsys.readouterr()
        assert told in done.out + done.err


def test_a_survivor_is_called_one(write: Write) -> None:
    sweep = SweepBuilder(write("x").parent / "c", seed_key="seed")
    for seed in range(4):
        for lr in (0.1, 0.2):
            params = {"lr": lr, "seed": seed}
            sweep.failed(params=params) if lr == 0.2 and seed else sweep.trial({"val/acc": lr}, params=params)
    found = load(write("a")).compare(load(sweep.dir))
    assert "only what survived is compared: 3 of b failed" in found.warnings
    assert found.left_out[1] == {"failed": 3}


def test_a_guess_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        sweep = SweepBuilder(tmp_path / name, None)
        for lr in range(3):
            sweep.trial({"val/loss": lr * (1.5 if name == "b" else 1)}, params={"lr": lr})
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "val/loss, lower is better (guessed from its name; -m METRIC to change)" in capsys.readouterr().out


def test_too_little_is_called_underpowered(write: Write) -> None:
    found = load(write("a", seeds=range(2), noise=1.0)).compare(load(write("b", seeds=range(2), noise=1.0)))
    assert found.metrics[0].better is None
    assert "underpowered: with " in found.warnings[0]
    one = load(write("c", lrs=(0.1,), seeds=[0])).compare(load(write("d", lrs=(0.1,), seeds=[0])))
    assert one.warnings == ("val/acc: nothing repeats the difference (1 pair), so chance cannot be judged",)


def test_a_side_needs_something_finished(write: Write) -> None:
    with pytest.raises(NothingFound, match="side b has no finished trial"):
        load(write("a")).compare(Trials([]))


@pytest.mark.parametrize("kind", simulation.KINDS, ids=lambda kind: kind.name)
def test_claims_hold_where_the_truth_is_known(kind: simulation.Kind) -> None:
    """100 draws of each kind: 95 % are expected in the interval, and at most 5 % to name a side wrongly.

    The limits leave room for chance: a right method is beyond one of them in 1 of 1,000 runs.
    """
    score = simulation.run(kind, 100)
    assert score.covered >= 87
    assert score.wrong <= 13
