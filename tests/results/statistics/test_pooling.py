"""The rule that ranks configurations, on draws of which the truth is known; benchmarks/best.py has more of them."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results.best_draws import IDENTIFIABLE, OTHERS, PRUNED, identifiable, ignoring_pruned, others, told

from hyperherd.results.statistics.pooling import Pool, Sample

DRAWS = 100
FEWEST = 89
"""Of 100, where the truth is 95 %: fewer have a probability below one percent."""


@pytest.mark.parametrize("kind", IDENTIFIABLE)
def test_the_best_one_is_named(kind: str) -> None:
    found = [told(drawn) for drawn in identifiable(kind, DRAWS, "suite")]
    assert sum(one.right for one in found) >= FEWEST
    assert sum(one.among for one in found) >= FEWEST


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_claimed_of_the_one_that_is_named_holds(kind: str) -> None:
    found = [told(drawn) for drawn in others(kind, DRAWS, "suite")]
    assert sum(one.covered for one in found) >= FEWEST
    assert sum(one.among for one in found) >= FEWEST


def test_a_pruned_seed_counts_against_its_configuration() -> None:
    kinds = [kind for kind in PRUNED if "close" in kind]
    for kind in kinds:  # what they would have reached is not known, but it is no news about nothing
        drawn = list(others(kind, DRAWS, "suite"))
        counted, ignored = [told(one) for one in drawn], [told(ignoring_pruned(one)) for one in drawn]
        assert sum(one.regret for one in counted) < sum(one.regret for one in ignored)
        assert sum(one.covered for one in counted) >= FEWEST - 10  # less than promised where early values tell all


def test_a_single_lucky_seed_is_drawn_towards_the_others() -> None:
    usual = [Sample((middle - 0.02, middle, middle + 0.02)) for middle in (0.69, 0.695, 0.70, 0.705, 0.71)]
    pool = Pool([*usual, Sample((0.715,))])
    assert pool.order[0] == 4
    assert max(pool.scores) < 0.71
    assert not pool.is_plain
    assert 5 in pool.close(4)


def test_of_one_seed_each_nothing_is_known() -> None:
    pool = Pool([Sample((1.0,)), Sample((3.0,)), Sample((2.0,))])
    assert (pool.order, pool.scores, pool.close(1), pool.interval(1)) == ([1, 2, 0], [1.0, 3.0, 2.0], [0, 2], None)
    assert Pool([]).order == []


def test_a_configuration_that_diverges_more_than_all_others_falls_behind() -> None:
    values = [(0.60 + place / 100, 0.61 + place / 100, 0.62 + place / 100) for place in range(9)]
    prone = Pool([*map(Sample, values), Sample((0.75,), bad=2)])
    assert prone.order.index(9) > 3
    assert Pool([*map(Sample, values), Sample((0.75,))]).order[0] == 9
    everywhere = Pool([*(Sample(one, bad=2) for one in values), Sample((0.75,), bad=2)])
    assert everywhere.order[0] == 9


def test_seeds_that_change_nothing_do_not_blur_the_means() -> None:
    pool = Pool([Sample((1.0, 1.0)), Sample((1.5,)), Sample((1.25, 1.25, 1.25))])
    assert pool.scores == [1.0, 1.5, 1.25]
    assert pool.interval(2) == (1.25, 1.25)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_scale_does_not_matter(scale: float) -> None:
    pool = Pool(Sample(tuple(scale * one for one in values)) for values in ((1, 2), (3, 4, 5), (4,)))
    assert pool.order == [1, 2, 0]
    assert all(scale <= score <= 5 * scale for score in pool.scores)


def test_a_loss_out_of_all_bounds_does_not_blur_the_others() -> None:
    usual = [Sample((-0.1 * one, -0.1 * one - 0.01)) for one in range(1, 6)]
    pool = Pool([*usual, Sample((-1e30,)), Sample((-0.11, -1e25))])
    assert pool.order[:2] == [0, 1]
    assert pool.scores[0] == pytest.approx(-0.105, abs=0.01)


def test_one_configuration_that_varies_far_more_does_not_decide_the_variance() -> None:
    usual = [Sample((one, one + 0.1, one + 0.2)) for one in range(5)]
    assert Pool([*usual, Sample((-90.0, 0.0, 90.0))]).variance < 10 * Pool(usual).variance * 2


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4).map(tuple)


@given(st.lists(st.builds(Sample, numbers, st.integers(0, 2)), min_size=1, max_size=8))
def test_scores_are_numbers_within_what_was_seen(samples: list[Sample]) -> None:
    pool = Pool(samples)
    every = [value for sample in samples for value in sample.values]
    spread = max(every) - min(every) + 1e-9
    assert all(min(every) - spread <= score <= max(every) + 1e-9 * max(map(abs, every)) + 1e-9 for score in pool.scores)
    assert sorted(pool.order) == list(range(len(samples)))
    interval = pool.interval(pool.order[0])
    assert interval is None or (interval[0] <= interval[1] and all(map(math.isfinite, interval)))


def test_thousands_of_configurations_are_ranked_at_once() -> None:
    samples = [Sample(tuple(math.sin(place * seed) for seed in range(1, 2 + place % 3))) for place in range(10_000)]
    start = time.process_time()
    pool = Pool(samples)
    assert len(pool.order) == 10_000
    assert pool.close(pool.order[0])
    assert time.process_time() - start < 2
