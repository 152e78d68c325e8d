"""Differences with their errors, held against SciPy on random data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperherd.results.statistics.comparison.student import Estimate, holm, of_pairs, of_strata
from hyperherd.results.statistics.distributions import f_tail, t_bound, t_tail

stats = pytest.importorskip("scipy.stats")
EXACT = {"rel": 1e-8, "abs": 1e-12}


def draws(*sizes: int, seed: int = 0) -> list[list[float]]:
    rng = random.Random(seed)
    return [[rng.gauss(place, 1 + place) for _ in range(size)] for place, size in enumerate(sizes)]


@pytest.mark.parametrize("seed", range(10))
def test_pairs_are_as_in_scipy(seed: int) -> None:
    a, b = draws(2 + seed, 2 + seed, seed=seed)
    found = of_pairs([y - x for x, y in zip(a, b, strict=True)], 1.0)
    expected = stats.ttest_rel(b, a)
    assert (found.p, found.freedom) == (pytest.approx(expected.pvalue, **EXACT), expected.df)
    ends = expected.confidence_interval(0.95)
    assert found.bounds() == (pytest.approx(ends.low, **EXACT), pytest.approx(ends.high, **EXACT))


@pytest.mark.parametrize(("seed", "sizes"), [(0, (2, 2)), (1, (3, 9)), (2, (9, 2)), (3, (30, 4)), (4, (5, 5))])
def test_one_stratum_is_welch(seed: int, sizes: tuple[int, int]) -> None:
    a, b = draws(*sizes, seed=seed)
    found = of_strata([(a, b)], 1.0)
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert (found.p, found.freedom) == (pytest.approx(expected.pvalue, **EXACT), pytest.approx(expected.df, **EXACT))
    ends = expected.confidence_interval(0.95)
    assert found.bounds() == (pytest.approx(ends.low, **EXACT), pytest.approx(ends.high, **EXACT))


def test_strata_of_one_size_are_a_contrast_of_cell_means() -> None:
    """With equal sizes and both variances pooled over strata the standard error is that of the linear model."""
    strata = [tuple(draws(4, 4, seed=seed)) for seed in range(3)]
    found = of_strata([(a, b) for a, b in strata], 1.0)
    pooled = [sum(stats.tvar(pair[side]) for pair in strata) / 3 for side in (0, 1)]
    assert found.sem == pytest.approx((sum(pooled) / 12) ** 0.5)
    assert found.value == pytest.approx(sum(sum(b) / 4 - sum(a) / 4 for a, b in strata) / 3)


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 3.7, 9, 40, 1e4])
def test_tails(freedom: float) -> None:
    for t in (0.0, 1e-6, 0.5, 2.0, 12.0, 200.0):
        assert t_tail(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-8, abs=1e-6)
        assert f_tail(t, 3, freedom) == pytest.approx(stats.f.sf(t, 3, freedom), rel=1e-8, abs=1e-6)
    for coverage in (0.6, 0.95, 0.999):
        assert t_bound(freedom, coverage) == pytest.approx(stats.t.ppf((1 + coverage) / 2, freedom), rel=1e-7)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_closes_bonferroni(ps: Sequence[float | None]) -> None:
    """A p corrected by Holm is the greatest that Bonferroni has for any set of hypotheses which it belongs to."""
    known = [p for p in ps if p is not None]
    sets = [some for count in range(1, len(known) + 1) for some in combinations(known, count)]
    expected = [None if p is None else min(1.0, max(len(some) * min(some) for some in sets if p in some)) for p in ps]
    assert holm(ps) == [None if p is None else pytest.approx(p) for p in expected]


def test_without_repeats_nothing_is_claimed() -> None:
    one = of_pairs([0.5], 1.0)
    assert (one.value, one.p, one.bounds(), one.detectable()) == (0.5, None, (None, None), None)
    assert of_strata([([1.0], [2.0, 3.0])], 1.0) == Estimate(1.5)


@pytest.mark.parametrize(("count", "p"), [(2, 0.5), (5, 0.0625), (6, 0.03125)])
def test_equal_differences_have_the_p_of_their_signs(count: int, p: float) -> None:
    found = of_pairs([0.1 + 0.2, *[0.3] * (count - 1)], 1.0)
    assert (found.sem, found.p) == (0.0, p)
    assert found.p == stats.binomtest(count, count).pvalue
    assert of_pairs([0.0] * count, 1.0).p == 1.0


def test_what_is_detectable_is_detected_in_four_of_five_cases() -> None:
    count, sigma = 12, 1.0
    delta = Estimate(0.0, sigma / count**0.5, count - 1).detectable() or 0.0
    bound = stats.t.ppf(0.975, count - 1)
    power = 1 - stats.nct.cdf(bound, count - 1, delta / (sigma / count**0.5))
    assert power == pytest.approx(0.8, abs=0.03)
