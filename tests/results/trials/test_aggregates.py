from __future__ import annotations

import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.results.trials.aggregates import MetricValues, aggregated

SUMMARY = {"last": 9.0, "last_step": 4}


def value(written: str, *values: float) -> float | None:
    found: float | None = aggregated(written, SUMMARY, lambda: (range(len(values)), values))
    return found


def test_the_median_of_the_last_values() -> None:
    assert value("median:3", 100.0, 1.0, 50.0, 2.0) == 2.0
    assert value("median:2", 100.0, 1.0, 50.0, 2.0) == 26.0
    assert value("median:9", 3.0, 1.0) == 2.0
    assert value("median", 5.0, 1.0, 3.0) == 3.0
    assert value("median:1", math.inf) == math.inf
    assert math.isnan(value("median:3", 1.0, math.nan, 2.0) or 0.0)
    assert value("median:3") is None


def test_rows_that_cannot_be_read_have_none() -> None:
    def unreadable() -> MetricValues | None:
        return None

    assert aggregated("median:3", SUMMARY, unreadable) is None
    assert aggregated("@4", SUMMARY, unreadable) == 9.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_it_is_the_median(values: list[float]) -> None:
    assert value("median", *values) == pytest.approx(median(values))
