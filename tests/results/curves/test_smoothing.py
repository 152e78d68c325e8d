from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.results.curves.smoothing import ema, sliding, thin

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf])), max_size=60)


@given(VALUES, st.integers(1, 12))
def test_a_sliding_mean_is_that_of_its_window_and_gaps_do_not_spread(values: list[float], window: int) -> None:
    found = sliding(values, window)
    assert len(found) == len(values)
    before = (window - 1) // 2
    for place, item in enumerate(found):
        around = [v for v in values[max(0, place - before) : place - before + window] if math.isfinite(v)]
        assert item.count == len(around)
        if around:
            assert item.mean == pytest.approx(statistics.fmean(around), abs=1e-6)
        if len(around) > 1:
            assert item.std == pytest.approx(statistics.stdev(around), rel=1e-6, abs=1e-6)
        else:
            assert math.isnan(item.std)


def test_a_huge_value_is_forgotten_once_it_has_left_the_window() -> None:
    found = sliding([0.1, 0.2, 1e20, 0.1, 0.2, 0.3, 0.4], 3)
    assert found[5].mean == pytest.approx(0.3)
    assert found[5].std == pytest.approx(0.1)


def test_a_window_has_as_many_values_as_it_says() -> None:
    assert [item.count for item in sliding([1.0] * 7, 5)] == [3, 4, 5, 5, 5, 4, 3]
    assert [item.count for item in sliding([1.0] * 5, 1)] == [1] * 5


@given(VALUES, st.floats(0, 0.99))
def test_a_moving_average_stays_within_the_values_and_keeps_the_gaps(values: list[float], weight: float) -> None:
    smoothed = ema(values, weight)
    assert [math.isfinite(value) for value in smoothed] == [math.isfinite(value) for value in values]
    known = [value for value in values if math.isfinite(value)]
    for value in smoothed:
        if math.isfinite(value):
            assert min(known) - 1e-3 <= value <= max(known) + 1e-3


def test_a_moving_average_begins_at_the_first_value() -> None:
    assert ema([3.0, 3.0, 5.0], 0.5) == pytest.approx([3.0, 3.0, (0.25 * 3 + 0.5 * 3 + 1.0 * 5) / 1.75])
    assert ema([1.0, 2.0, 3.0], 0.0) == [1.0, 2.0, 3.0]


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(math.nan)), max_size=300), st.integers(4, 50))
def test_thinning_keeps_the_ends_and_the_extremes(values: list[float], most: int) -> None:
    kept = thin(values, most)
    assert len(kept) == len(values) if len(values) <= most else 2 <= len(kept) <= most
    assert kept == sorted(set(kept))
    if values:
        assert (kept[0], kept[-1]) == (0, len(values) - 1)
    known = [value for value in values if math.isfinite(value)]
    if known:
        left = [values[place] for place in kept if math.isfinite(values[place])]
        assert (min(left), max(left)) == (min(known), max(known))
