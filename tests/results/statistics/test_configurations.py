from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results.builder import SweepBuilder, every_state, sweep24

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import SweepRecord
from hyperherd.records.trial import TrialError
from hyperherd.results.statistics.best import winners
from hyperherd.results.statistics.distributions import t_bound
from hyperherd.results.statistics.spread import Spread, spread

numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(deadline=None)
@given(numbers)
def test_spread_is_that_of_scipy(values: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats")
    numpy = pytest.importorskip("numpy")
    found = Spread(tuple(values))
    close = {"rel": 1e-9, "abs": 1e-9}
    assert found.mean == pytest.approx(numpy.mean(values), **close)
    assert found.std == pytest.approx(numpy.std(values, ddof=1), **close)
    assert found.sem == pytest.approx(stats.sem(values), **close)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert found.ci == pytest.approx(half, **close)
    assert found.bounds("range") == (min(values), max(values))


@pytest.mark.parametrize("freedom", [*range(1, 60), 99, 100, 1000, 9999])
def test_quantiles_are_exact(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    # SciPy before 1.16, which is all that Python 3.10 has, is itself off by up to 2e-11 here.
    assert t_bound(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-10)
    assert t_bound(freedom, 0.99) == pytest.approx(stats.t.ppf(0.995, freedom), rel=1e-10)


def test_of_a_single_value_no_spread_is_claimed() -> None:
    one = Spread((0.5,))
    assert (one.n, one.mean, one.std, one.sem, one.ci, one.bounds("range")) == (1, 0.5, None, None, None, (None, None))
    assert (Spread(()).n, Spread(()).mean, Spread(()).error("ci")) == (0, None, None)
    assert spread([None, math.nan, math.inf, 1.0]).values == (1.0,)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_neither_run_over_nor_under(scale: float) -> None:
    assert Spread((scale, 2 * scale, 3 * scale)).std == pytest.approx(scale)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 9))
def test_equal_values_have_no_spread_at_all(value: float, count: int) -> None:
    found = spread([value] * count)
    assert (found.mean, found.std, found.sem, found.ci) == (value, 0.0, 0.0, 0.0)


def test_scripts_are_told_apart(tmp_path: Path) -> None:
    for name, acc in (("a", 0.9), ("b", 0.5)):
        sweep = SweepBuilder(tmp_path / name)
        record = SweepRecord.read(sweep.dir)
        replace(record, script=f"/home/me/{name}.py").write(sweep.dir)
        for seed in range(2):
            sweep.trial({"val/acc": acc}, params={"lr": 0.1, "seed": seed})
            hydra = sweep.dir / str(seed) / ".hydra"
            hydra.mkdir()
            (hydra / "config.yaml").write_text(f"lr: 0.1\nseed: {seed}\n")
    trials = load(tmp_path)
    assert [(group.settings, group.spread("val/acc").mean, len(group.counted)) for group in trials.seeds()] == [
        ({"script": "a.py"}, 0.9, 2),
        ({"script": "b.py"}, 0.5, 2),
    ]
    assert trials.effects().trials == 4
    assert [effect.parameter for effect in trials.effects().parameters] == ["script"]
    assert "   1  a.py    2/2    0.9000 ± 0" in repr(trials.seeds())
    assert len(trials.filter(script="a.py")) == 2
    assert load(tmp_path / "a").scripts == {}


def test_a_trial_that_was_given_no_seed_has_that_of_its_config(tmp_path: Path) -> None:
    """`best --seeds` of a configuration that ran with the app's own seed may ask for that one again."""
    sweep = SweepBuilder(tmp_path / "s")
    for number, (params, acc) in enumerate(
        [({"lr": 0.1}, 0.5), ({"lr": 0.1, "seed": 7}, 0.6), ({"lr": 0.1, "seed": 8}, 0.8)]
    ):
        sweep.trial({"val/acc": acc}, params=params, ended=200.0 + number)
        hydra = sweep.dir / str(number) / ".hydra"
        hydra.mkdir()
        (hydra / "config.yaml").write_text(f"lr: 0.1\nseed: {params.get('seed', 7)}\n")
    (group,) = load(sweep.dir).seeds()
    assert [trial.number for trial in group.counted] == [1, 2]
    assert [trial.number for trial in group.superseded] == [0]
    assert (group.planned, group.spread("val/acc").mean) == (2, 0.7)
    assert list(winners(load(sweep.dir))[0].seeds) == ["7", "8"]


def test_configurations_of_a_sweep(tmp_path: Path) -> None:
    groups = load(sweep24(tmp_path / "s").dir).seeds()
    assert groups.keys == ("seed",)
    assert groups.repeats
    assert [(group.settings["lr"], group.settings["model"]) for group in groups] == [
        *[(1e-2, "cnn"), (1e-2, "mlp"), (1e-3, "cnn"), (1e-1, "mlp"), (1e-3, "mlp")],
        *[(1e-4, "cnn"), (1e-4, "mlp"), (1e-1, "cnn")],
    ]
    assert [len(group.counted) for group in groups] == [3, 3, 3, 2, 3, 3, 3, 0]
    assert all(group.planned == 3 for group in groups)
    assert [str(trial.state) for trial in groups[7].missing] == ["stalled", "failed", "failed"]
    assert len(groups.ranked) == 7
    assert groups.best() is groups[0]


def test_a_seed_that_diverged_is_bad_news_and_one_that_was_lost_is_not(sweep: SweepBuilder) -> None:
    for lr in range(4):
        for seed, acc in enumerate((0.5, 0.6)):
            sweep.trial({"val/acc": acc + lr / 1000}, params={"lr": lr, "seed": seed})
    ends: dict[int, dict[str, Any]] = {
        1: {"state": TrialState.COMPLETED, "metrics": {"val/acc": math.nan}},
        2: {"state": TrialState.FAILED, "cause": FailureCause.OOM},
        3: {"error": TrialError("ValueError", "train/loss is nan at step 10")},
    }
    for lr, end in ends.items():
        told = {"state": TrialState.FAILED, "cause": FailureCause.EXCEPTION, **end}
        sweep.trial(told.pop("metrics", None), params={"lr": lr, "seed": 2}, **told)
    groups = load(sweep.dir).seeds()
    assert [group.settings["lr"] for group in groups] == [2, 0, 3, 1]
    assert [group.bad_seeds(groups.objective) for group in groups if groups.objective] == [0, 0, 1, 1]
    assert not groups.by_mean
    assert "ranked by" in repr(groups)
    assert load(sweep.dir).filter("lr=0,2").seeds().by_mean


@pytest.mark.parametrize(
    ("end", "bad"),
    [
        ({"state": TrialState.PRUNED}, True),
        ({"error": TrialError("FloatingPointError", "")}, True),
        ({"error": TrialError("RuntimeError", "Loss is not finite.")}, True),
        ({"error": TrialError("ValueError", "no config for nancy")}, False),
        ({"error": TrialError("ValueError", "loss is nan"), "cause": FailureCause.NODE_FAILURE}, False),
        ({"cause": FailureCause.TIMEOUT}, False),
        ({"state": TrialState.CANCELLED}, False),
    ],
)
def test_what_a_bad_end_is(sweep: SweepBuilder, end: dict[str, Any], bad: bool) -> None:
    failed = {"state": TrialState.FAILED, "cause": FailureCause.EXCEPTION}
    sweep.trial({"val/acc": 0.5}, params={"lr": 1, "seed": 0})
    for _ in range(2):  # twice the same seed is one
        sweep.trial(params={"lr": 1, "seed": 1}, **{**failed, **end})
    groups = load(sweep.dir).seeds()
    assert groups.objective is not None
    assert groups[0].bad_seeds(groups.objective) == bad


def test_less_is_better_too(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", ("loss", "minimize"))
    for lr, losses in ((1, (0.2, 0.3)), (2, (0.9, 0.7)), (3, (0.19, 0.28))):
        for seed, loss in enumerate(losses):
            sweep.trial({"loss": loss}, params={"lr": lr, "seed": seed})
    sweep.trial({"loss": math.nan}, params={"lr": 3, "seed": 2})
    groups = load(sweep.dir).seeds()
    assert [group.settings["lr"] for group in groups] == [1, 3, 2]
    assert list(groups.scores) == sorted(groups.scores)
    assert groups.close == (2,)
    assert groups.interval is not None
    low, high = groups.interval
    assert low < 0.25 < high
    assert high - 0.25 > 0.25 - low  # what was chosen as the best was lucky, if anything


def test_of_twice_the_same_seed_the_newest_finished_one_counts(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.1}, params={"lr": 1, "seed": 0}, ended=200.0)
    sweep.trial({"val/acc": 0.2}, params={"lr": 1, "seed": 0}, ended=300.0)
    sweep.trial({"val/acc": 0.3}, params={"lr": 1, "seed": 0}, ended=250.0)
    sweep.failed({"val/acc": 0.4}, params={"lr": 1, "seed": 0}, ended=900.0)
    sweep.trial({"val/acc": 0.5}, params={"lr": 1, "seed": 1})
    (group,) = load(sweep.dir).seeds()
    assert [trial.number for trial in group.counted] == [1, 4]
    assert [trial.number for trial in group.superseded] == [0, 2, 3]
    assert (group.planned, group.missing) == (2, ())
    assert group.spread("val/acc").values == (0.2, 0.5)


def test_seeds_by_other_names(sweep: SweepBuilder) -> None:
    for seed in range(2):
        sweep.trial({"val/acc": seed / 2}, params={"data.seed": seed, "lr": 1, "fold": seed})
    trials = load(sweep.dir)
    assert trials.seeds().keys == ("data.seed",)
    assert len(trials.seeds()) == 2
    assert len(trials.seeds(keys=("*seed", "fold"))) == 1
    with pytest.raises(ResultsError, match=r"no parameter is called run; available: data.seed, lr, fold"):
        trials.seeds(keys=("run",))
    with pytest.raises(ResultsError, match=r"'stf' is not a measure of spread \(did you mean 'std'\?\)"):
        trials.seeds("stf")


def test_the_sweep_says_what_its_seed_is(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", seed_key="fold")
    for fold in range(2):
        sweep.trial({"val/acc": fold / 2}, params={"fold": fold, "seed": 1})
    assert load(sweep.dir).seeds().keys == ("fold",)


def test_groups_by_names(tmp_path: Path) -> None:
    groups = load(sweep24(tmp_path / "s").dir).group("model", err="ci")
    assert [(group.settings, len(group.counted), group.planned) for group in groups] == [
        ({"model": "cnn"}, 9, 12),
        ({"model": "mlp"}, 11, 12),
    ]
    assert [group.settings for group in load(tmp_path / "s").group("state")][-1] == {"state": "running"}


def test_types_tell_configurations_apart(sweep: SweepBuilder) -> None:
    for value in (1, True, "1", 1.0, None):
        sweep.trial({"val/acc": 0.5}, params={"x": value, "seed": 0})
    assert len(load(sweep.dir).seeds()) == 5


def test_what_cannot_be_read_is_a_configuration_of_its_own(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5}, params={"seed": 0})
    for name in ("a", "b"):
        (sweep.dir / name / ".hydra").mkdir(parents=True)
    groups = load(sweep.dir).seeds()
    assert [group.planned for group in groups] == [1, 1, 1]
    assert groups[1].missing[0].state is TrialState.UNREADABLE


def test_the_table_of_configurations(tmp_path: Path) -> None:
    table = load(sweep24(tmp_path / "s").dir).seeds().table()
    assert table.column_names[:5] == ["lr", "model", "epochs", "n", "planned"]
    row = table.to_pylist()[0]
    values = load(tmp_path / "s").seeds()[0].spread("val/acc")
    assert (row["n"], row["val/acc:mean"], row["val/acc:std"], row["val/acc:ci"]) == (
        *(3, values.mean, values.std, values.ci),
    )
    assert table.to_pylist()[-1]["val/acc:mean"] is None


def test_no_seeds_no_repeats(tmp_path: Path) -> None:
    groups = load(every_state(tmp_path / "s").dir).filter("seed<4").seeds()
    assert not groups.repeats
    assert len(groups) == 4
