from __future__ import annotations

import itertools
import math
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results.builder import SweepBuilder
from results.statistics.importance.designs import SWEEP, as_trials

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.pages.effects import effects_page, effects_record
from hyperherd.results.statistics.importance.effects import Effects, ParameterEffect, effects
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap


def grid(seed: int, *, holes: float = 0.0, seeds: int = 3) -> list[tuple[dict[str, Any], float]]:
    """A grid of lr x model x seed with random effects of the first two, and some trials missing."""
    draw = random.Random(seed)
    lrs = {lr: draw.gauss(0, 3) for lr in (1e-3, 1e-2, 1e-1, 1)}
    models = {model: draw.gauss(0, 0.3) for model in ("cnn", "mlp", "vit")}
    points = itertools.product(lrs, models, range(seeds))
    return [
        ({"lr": lr, "model": model, "seed": number, "epochs": 5}, lrs[lr] + models[model] + draw.gauss(0, 0.2))
        for lr, model, number in points
        if draw.random() >= holes
    ]


def of(found: Effects, name: str) -> ParameterEffect:
    (effect,) = (item for item in found.parameters if item.parameter == name)
    return effect


@pytest.mark.parametrize("seed", range(8))
def test_tests_and_shares_are_those_of_statsmodels(seed: int) -> None:
    """On levels; a number is a line and a curve. Shares are those of the sums of squares, without chance."""
    api = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    pd = pytest.importorskip("pandas")
    draw = random.Random(seed)
    rows = [({**params, "lr": f"v{params['lr']}"}, value + draw.gauss(0, 2)) for params, value in grid(seed, holes=0.3)]
    frame = pd.DataFrame([{**params, "y": value} for params, value in rows])
    table = anova.anova_lm(api.ols("y ~ C(lr) + C(model)", frame).fit(), typ=2)
    total = ((frame.y - frame.y.mean()) ** 2).sum()
    chance = table.loc["Residual", "sum_sq"] / table.loc["Residual", "df"] / total
    found = effects(as_trials(rows))
    assert not found.ranks
    first, second = sorted(table["PR(>F)"][:2])
    ps = {first: min(1, 2 * first), second: min(1, max(2 * first, second if 2 * first <= 0.05 else 2 * second))}
    for name in ("lr", "model"):
        squares, freedom, _, p = table.loc[f"C({name})"]
        effect = of(found, name)
        assert effect.p == pytest.approx(ps[p])
        assert effect.matters == (ps[p] <= 0.05)
        assert effect.unique == pytest.approx(squares / total)
        assert effect.chance == pytest.approx(freedom * chance)
        assert effect.share == pytest.approx(max(0.0, squares / total - freedom * chance))


@pytest.mark.parametrize("seed", range(8))
def test_unique_shares_are_those_of_statsmodels(seed: int) -> None:
    api = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    pd = pytest.importorskip("pandas")
    rows = grid(seed, holes=0.3)
    frame = pd.DataFrame([{**params, "y": value} for params, value in rows])
    table = anova.anova_lm(api.ols("y ~ C(lr) + C(model)", frame).fit(), typ=2)
    total = ((frame.y - frame.y.mean()) ** 2).sum()
    found = effects(as_trials(rows))
    assert of(found, "lr").unique == pytest.approx(table.loc["C(lr)", "sum_sq"] / total)
    assert of(found, "model").unique == pytest.approx(table.loc["C(model)", "sum_sq"] / total)


@pytest.mark.parametrize("seed", range(4))
def test_unique_shares_are_those_of_least_squares(seed: int) -> None:
    np = pytest.importorskip("numpy")
    rows = grid(seed, holes=0.4)
    y = np.array([value for _, value in rows])

    def residual(*names: str) -> float:
        columns = [np.ones(len(rows))]
        for name in names:
            for level in {params[name] for params, _ in rows}:
                columns.append(np.array([float(params[name] == level) for params, _ in rows]))
        design = np.stack(columns, 1)
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    total = float(((y - y.mean()) ** 2).sum())
    found = effects(as_trials(rows))
    assert of(found, "lr").unique == pytest.approx((residual("model") - residual("lr", "model")) / total)
    assert of(found, "model").unique == pytest.approx((residual("lr") - residual("lr", "model")) / total)


@pytest.mark.parametrize("seed", range(8))
def test_pairs_and_noise_are_those_of_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    rows = grid(seed, holes=0.2)
    values = {(params["lr"], params["model"], params["seed"]): value for params, value in rows}
    found = effects(as_trials(rows))
    for contrast in of(found, "model").contrasts:
        keys = [key for key in values if key[1] == contrast.value and (key[0], contrast.against, key[2]) in values]
        left = [values[key] for key in keys]
        right = [values[key[0], contrast.against, key[2]] for key in keys]
        test = stats.ttest_rel(left, right)
        assert contrast.pairs == len(keys)
        assert contrast.sem is not None
        assert contrast.mean / contrast.sem == pytest.approx(test.statistic)
        assert contrast.wins == sum(one > other for one, other in zip(left, right, strict=True))
    groups = [
        [value for (lr, model, _), value in values.items() if (lr, model) == key] for key in {key[:2] for key in values}
    ]
    within = sum(statistics.pvariance(group) * len(group) for group in groups)
    assert found.noise is not None
    assert found.noise.freedom == len(rows) - len(groups)
    assert found.noise.std == pytest.approx(math.sqrt(within / found.noise.freedom))


def test_a_small_sure_effect_beside_a_strong_one_is_named() -> None:
    """A strong parameter makes a small sure effect look like nothing by its share alone."""
    draw = random.Random(0)
    rows = [
        (
            {"lr": lr, "model": model, "junk": seed % 2, "seed": seed},
            lr * 10 + (model == "cnn") * 0.02 + draw.gauss(0, 0.002),
        )
        for lr in (0.1, 0.2, 0.3)
        for model in ("cnn", "mlp")
        for seed in range(4)
    ]
    found = effects(as_trials(rows))
    model = of(found, "model")
    assert model.share is not None
    assert model.share < 0.001
    assert model.matters
    assert not of(found, "junk").matters
    assert of(found, "junk").telling
    (contrast,) = model.contrasts
    assert (contrast.value, contrast.against, contrast.wins, contrast.pairs) == ("cnn", "mlp", 12, 12)
    assert contrast.mean == pytest.approx(0.02, abs=0.003)
    assert contrast.sure


def test_a_hole_in_the_grid_misleads_means_but_not_pairs() -> None:
    """The better model failed where everything is good: its mean is worse, and yet it wins every pair."""
    base = {1: 0.1, 2: 0.2, 3: 0.9}
    rows = [({"lr": lr, "model": model}, base[lr] + (model == "cnn") * 0.01) for lr in base for model in ("cnn", "mlp")]
    found = effects(as_trials(rows, states={4: TrialState.FAILED}))
    model = of(found, "model")
    assert (found.trials, found.left_out) == (5, 1)
    assert model.levels[0].value == "mlp"
    assert [(item.value, item.wins, item.pairs) for item in model.contrasts] == [("cnn", 2, 2)]


def test_lower_may_be_better() -> None:
    rows = [({"lr": lr, "seed": seed}, lr + seed / 100) for lr in (0.1, 0.5, 0.2) for seed in (0, 1)]
    effect = of(effects(as_trials(rows, "minimize")), "lr")
    assert [level.value for level in effect.levels] == [0.1, 0.2, 0.5]
    assert [(item.value, item.against, item.wins) for item in effect.contrasts] == [(0.1, 0.2, 2), (0.1, 0.5, 2)]
    assert effect.contrasts[0].mean == pytest.approx(-0.1)


def test_trials_that_a_sampler_chose_are_no_design() -> None:
    rows = [({"lr": lr}, lr) for lr in (0.1, 0.5, 0.2)]
    trials = as_trials(rows)
    assert effects(trials).chosen_by == ()
    chosen = (replace(trial, sweep=replace(trial.sweep, sampler="t\x1bpe")) for trial in trials)
    found = effects(Trials(chosen, trials.objective))
    assert found.chosen_by == ("t\x1bpe",)
    told = effects_page(found, Screen(unicode=True))
    assert "caution: t\\x1bpe chose trials by the values of others" in told
    assert "caution" not in effects_page(effects(trials), Screen(unicode=True))
    assert effects_record(found)["chosen_by"] == ["t\x1bpe"]


def test_what_is_not_finished_or_not_finite_is_left_out() -> None:
    rows = [({"lr": 1}, 0.5), ({"lr": 2}, 0.6), ({"lr": 3}, math.nan), ({"lr": 4}, 99.0), ({"lr": 5}, None)]
    found = effects(as_trials(rows, states={3: TrialState.RUNNING}))
    assert (found.trials, found.left_out) == (2, 3)
    assert [level.value for level in of(found, "lr").levels] == [2, 1]


def test_a_value_for_each_trial_explains_nothing() -> None:
    rows = [({"name": f"n{number}", "lr": number % 2}, float(number)) for number in range(4)]
    found = effects(as_trials(rows))
    assert (of(found, "name").share, of(found, "name").p) == (None, None)
    assert of(found, "lr").unique == pytest.approx(0.2)


def test_many_numbers_are_judged_in_ranges() -> None:
    draw = random.Random(1)
    rows = [({"lr": draw.random(), "junk": draw.random()}, 0.0) for _ in range(60)]
    rows = [(params, params["lr"] + draw.gauss(0, 0.05)) for params, _ in rows]
    found = effects(as_trials(rows))
    lr, junk = of(found, "lr"), of(found, "junk")
    assert lr.share is not None
    assert junk.share is not None
    assert lr.share > 0.8 > 0.3 > junk.share
    assert sum(level.trials for level in lr.levels) == 60
    assert all(level.upto is not None and level.value < level.upto for level in lr.levels)
    assert lr.contrasts == ()


def test_parameters_that_change_together_are_named_as_confounded() -> None:
    rows = [
        ({"lr": lr, "batch": lr * 10, "act": act, "seed": seed}, lr + seed / 1e3)
        for lr in (1, 2)
        for act in ("relu", "gelu")
        for seed in (0, 1, 2)
    ]
    found = effects(as_trials(rows))
    for name, other in (("lr", "batch"), ("batch", "lr")):
        assert of(found, name).confounded == (other,)
        assert of(found, name).matters
        assert of(found, name).share == pytest.approx(1, abs=1e-4)
        assert of(found, name).contrasts == ()
    assert of(found, "act").confounded == ()
    assert not of(found, "act").matters


def test_a_parameter_that_follows_from_two_others_is_confounded_with_them() -> None:
    draw = random.Random(3)
    rows = [
        ({"a": a, "b": b, "sum": a + b, "other": other}, a + draw.gauss(0, 0.1))
        for a in (1, 2)
        for b in (1, 2)
        for other in (1, 2)
        for _ in range(3)
    ]
    rows = [({**params, "seed": place}, value) for place, (params, value) in enumerate(rows)]
    found = effects(as_trials(rows))
    assert set(of(found, "a").confounded) == {"b", "sum"}
    assert of(found, "a").matters
    assert of(found, "other").confounded == ()


def test_a_parameter_that_some_trials_do_not_have() -> None:
    rows = [({"opt": "sgd", "lr": lr, "seed": seed}, lr + seed / 1e3) for lr in (1, 2) for seed in (0, 1)]
    rows += [
        ({"opt": "adam", "lr": lr, "beta": beta, "seed": seed}, 5 + lr + beta + seed / 1e3)
        for lr in (1, 2)
        for beta in (0.1, 0.2)
        for seed in (0, 1)
    ]
    found = effects(as_trials(rows))
    beta = of(found, "beta")
    assert beta.matters
    assert [(level.value, level.trials) for level in beta.levels] == [(0.2, 4), (0.1, 4), (Gap.NOT_APPLICABLE, 4)]
    assert [(item.wins, item.pairs) for item in beta.contrasts] == [(4, 4)]
    assert of(found, "opt").matters  # and not whether there is a beta, which follows from it
    assert of(found, "opt").contrasts == ()


def test_seeds_that_no_two_configurations_share() -> None:
    rows = [({"lr": lr, "seed": 10 * lr + repeat}, float(lr)) for lr in (1, 2) for repeat in range(3)]
    effect = of(effects(as_trials(rows)), "lr")
    assert effect.over == "configurations"
    assert [(item.value, item.wins, item.pairs, item.sem) for item in effect.contrasts] == [(2, 1, 1, None)]


def test_of_duplicates_the_last_one_counts() -> None:
    rows = [({"lr": 1, "seed": 0}, 0.0), ({"lr": 1, "seed": 0}, 5.0), ({"lr": 2, "seed": 0}, 1.0)]
    found = effects(as_trials(rows))
    assert (found.trials, found.left_out) == (2, 1)
    assert [(item.value, item.mean) for item in of(found, "lr").contrasts] == [(1, 4.0)]


@pytest.mark.parametrize("unit", [1.0, 1e-300, 1e200, 1e307])
def test_huge_and_tiny_values(unit: float) -> None:
    """What diverged is finite too, and its square is not."""
    rows = [({"lr": lr, "seed": seed}, (lr + seed / 10) * unit) for lr in (1, 2) for seed in (0, 1)]
    found = effects(as_trials(rows))
    (effect,) = found.parameters
    assert effect.unique == pytest.approx(1 / 1.01)
    assert effect.share == pytest.approx(1 / 1.01 - 0.005 / 1.01)  # one degree of freedom of two is chance
    assert effect.levels[0].mean == pytest.approx(2.05 * unit)
    assert effect.contrasts[0].mean == pytest.approx(unit)
    assert found.noise is not None
    assert found.noise.std == pytest.approx(math.sqrt(0.005) * unit)


def test_equal_values_and_types() -> None:
    rows = [({"x": 1}, 1.0), ({"x": 1.0}, 1.0), ({"x": True}, 1.0), ({"x": [1]}, 1.0)]
    (effect,) = effects(as_trials(rows)).parameters
    assert [level.trials for level in effect.levels] == [1, 1, 1]  # 1 and 1.0 are one, and so duplicates
    assert (effect.share, effect.unique) == (None, None)
    assert all((item.mean, item.ties) == (0.0, 1) for item in effect.contrasts)


def test_fixed_overrides_of_two_sweeps_are_parameters_too() -> None:
    pool = [
        Trial(
            0,
            "",
            Path("/a/0"),
            SWEEP,
            TrialState.COMPLETED,
            None,
            "",
            {"lr": 1},
            ("epochs=5", "lr=1"),
            final={"y": 1.0},
        ),
        Trial(
            1,
            "",
            Path("/a/1"),
            SWEEP,
            TrialState.COMPLETED,
            None,
            "",
            {"lr": 1},
            ("epochs=9", "lr=1"),
            final={"y": 2.0},
        ),
    ]
    (effect,) = effects(Trials(pool, Objective("y", "maximize"))).parameters
    assert (effect.parameter, effect.contrasts[0].value) == ("epochs", 9)


def test_nothing_to_compare() -> None:
    assert effects(as_trials([])).parameters == ()
    assert effects(as_trials([({"lr": 1}, 1.0)])).parameters == ()
    assert effects(as_trials([({"lr": 1}, 1.0)])).noise is None
    with pytest.raises(ResultsError, match="have no objective"):
        effects(Trials([]))


values = st.sampled_from([1, 1.0, 2, True, None, "a", "b", (1,)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("pqrs"), values), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=12,
    )
)
def test_any_trials_have_effects_in_bounds(rows: list[tuple[dict[str, Any], float]]) -> None:
    found = effects(as_trials(rows))
    for effect in found.parameters:
        assert effect.share is None or 0 <= effect.share <= 1
        assert effect.unique is None or 0 <= effect.unique <= 1
        assert sum(level.trials for level in effect.levels) == found.trials
        for contrast in effect.contrasts:
            assert 0 <= contrast.wins + contrast.ties <= contrast.pairs


@pytest.mark.parametrize("value", [0.7, 0.848, 1e300, -1e-300])
def test_equal_values_have_no_variance_to_share(tmp_path: Path, value: float) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number in range(6):
        sweep.trial({"val/acc": value}, params={"lr": number // 2, "seed": number % 2})
    found = load(sweep.dir).effects()
    assert [(effect.share, effect.unique) for effect in found.parameters] == [(None, None)]
    assert found.noise is not None
    assert (found.noise.std, found.noise.share) == (0.0, None)


def test_rounding_is_no_effect_where_the_objective_follows_exactly() -> None:
    rows = [({"x": float(place), "other": place % 3, "k": "ab"[place % 2]}, 2.0 * place) for place in range(200)]
    found = {effect.parameter: effect.matters for effect in effects(as_trials(rows)).parameters}
    assert found == {"x": True, "other": False, "k": False}
    few = effects(as_trials([(params, 0.1 * value) for params, value in rows[:20]]))
    assert [effect.matters for effect in few.parameters] == [True, False, False]


def crossed(seed: int, strength: float) -> Trials:
    """A grid of two parameters with three seeds; what one does has the sign of the other."""
    draw = random.Random(seed)
    points = itertools.product((-2, -1, 1, 2), (-1, 1), range(3))
    return as_trials(
        [({"a": a, "b": b, "seed": number}, strength * a * b + draw.gauss(0, 1)) for a, b, number in points]
    )


def test_configurations_that_differ_though_no_parameter_does_by_itself() -> None:
    """By the F test of one way; a sentence that no parameter matters must not stand alone there."""
    stats = pytest.importorskip("scipy.stats")
    found = effects(trials := crossed(1, 2.0))
    groups: dict[tuple[Any, Any], list[float]] = {}
    for trial in trials:
        groups.setdefault((trial.params["a"], trial.params["b"]), []).append(trial.final["y"])
    assert found.differ == pytest.approx(stats.f_oneway(*groups.values()).pvalue, rel=1e-6)
    assert not any(effect.matters for effect in found.parameters)
    told = effects_page(found, Screen())
    assert "configurations differ by more than their seeds explain (p < 0.001), yet no single parameter is" in told
    assert effects_record(found)["differ"] == found.differ


def test_configurations_that_do_not_differ_are_rarely_said_to() -> None:
    """In 5 % of all sweeps."""
    said = sum("configurations differ" in effects_page(effects(crossed(seed, 0.0)), Screen()) for seed in range(200))
    assert said <= 20


def test_without_repeated_configurations_nothing_is_said_of_them() -> None:
    assert effects(as_trials([({"a": a}, float(a % 3)) for a in range(12)])).differ is None
