"""What is claimed of sweeps with a known truth, in few draws each: `benchmarks/what_matters.py` takes a thousand."""

from __future__ import annotations

import math
import random

import pytest
from results.statistics.importance.designs import as_trials, log_uniform
from results.statistics.importance.known_truth import (
    BY_SETTING,
    DYING,
    NULLS,
    PAIRS,
    POWERS,
    SHARES,
    Dying,
    Power,
    Shared,
    wrong,
)

from hyperherd.results.statistics.distributions import f_tail, fisher, telling_share
from hyperherd.results.statistics.failures import failures
from hyperherd.results.statistics.importance.effects import effects


def test_where_nothing_matters_nothing_is_named() -> None:
    """In 5 % of all sweeps at most; 12 of 100 leave room for chance."""
    kinds = [kind for kind in NULLS if not kind.name.endswith(("x200", "x100", "x100, skewed"))]
    named = [
        (kind.name, seed)
        for seed in range(4)
        for kind in kinds
        if any(effect.matters for effect in effects(kind.draw(seed)).parameters)
    ]
    assert len(kinds) >= 24
    assert len(named) <= 12, named


def test_of_two_hundred_parameters_and_twelve_trials() -> None:
    """More parameters than trials are tested one by one: a strong one is named, and nothing else."""
    draw = random.Random(0)
    rows = [({f"p{index}": log_uniform(draw) for index in range(200)}, draw.gauss(0, 0.1)) for _ in range(12)]
    found = effects(as_trials([(params, math.log10(params["p7"]) + noise) for params, noise in rows]))
    assert [effect.parameter for effect in found.parameters if effect.matters] == ["p7"]


@pytest.mark.parametrize("kind", [kind for kind in POWERS if kind.name.startswith("36x5")], ids=lambda kind: kind.name)
def test_an_effect_of_five_standard_errors_is_named(kind: Power) -> None:
    pytest.importorskip("numpy")
    named = 0
    for seed in range(40):
        trials, _ = kind.draw(seed)
        named += next(effect for effect in effects(trials).parameters if effect.parameter == "p0").matters
    assert named >= 35


def test_intervals_that_are_sure_hold_the_truth() -> None:
    found = []
    for seed in range(7):
        for kind in PAIRS:
            trials, difference = kind.draw(seed)
            if wrong(effects(trials), difference):
                found.append((kind.name, seed))
    assert len(found) <= 11, found


@pytest.mark.parametrize("kind", SHARES, ids=lambda kind: kind.name)
def test_shares_are_near_the_truth(kind: Shared) -> None:
    """On average over the parameters and five sweeps; the noise of one kind is four times as much as all effects."""
    errors = []
    for seed in range(5):
        trials, true = kind.draw(seed)
        found = {effect.parameter: effect.share or 0.0 for effect in effects(trials).parameters}
        whole = sum(found.values()) or 1.0
        errors += [abs(found.get(name, 0.0) / whole - share) for name, share in true.items()]
    assert sum(errors) / len(errors) < (0.3 if kind.noise > 1 else 0.15)


def test_where_failures_are_chance_no_setting_is_blamed() -> None:
    blamed = [(kind.name, seed) for seed in range(10) for kind in DYING if failures(kind.draw(seed)).rates.splits]
    assert len(blamed) <= 8, blamed


@pytest.mark.parametrize("kind", BY_SETTING, ids=lambda kind: kind.name)
def test_a_setting_that_fails_more_often_is_found(kind: Dying) -> None:
    found = [failures(kind.draw(seed)).rates.splits for seed in range(10)]
    right = [splits for splits in found if splits and (splits[0].parameter, splits[0].relation) == ("p0", ">=")]
    assert len(right) >= 6


def test_survivors_that_differ_are_named() -> None:
    """What has no value is left out of the effects, and with it a part of the space."""
    for trials in (BY_SETTING[1].draw(1),):
        (split,) = effects(trials).survivors.splits
        assert (split.parameter, split.relation) == ("p0", ">=")
        assert split.failed + split.others_failed == len(trials.failed)


@pytest.mark.parametrize("seed", range(20))
def test_tails_are_those_of_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(seed)
    ratio, between, within = draw.expovariate(0.2), draw.randint(1, 12), draw.randint(1, 400)
    assert f_tail(ratio, between, within) == pytest.approx(stats.f.sf(ratio, between, within), rel=1e-9, abs=1e-14)
    share = telling_share(0.01, between, within)
    assert stats.f.sf(share / between * within / (1 - share), between, within) == pytest.approx(0.01, rel=1e-6)
    having, others = draw.randint(1, 60), draw.randint(1, 60)
    failed, others_failed = draw.randint(0, having), draw.randint(0, others)
    table = [[failed, having - failed], [others_failed, others - others_failed]]
    exact = stats.fisher_exact(table).pvalue
    assert fisher(failed, having, failed + others_failed, having + others) == pytest.approx(exact, rel=1e-6)
    greater = stats.fisher_exact(table, alternative="greater").pvalue
    one_sided = fisher(failed, having, failed + others_failed, having + others, one_sided=True)
    assert one_sided == pytest.approx(greater, rel=1e-6)
