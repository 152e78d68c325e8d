"""How far a sweep has come, and how long the rest takes."""

from __future__ import annotations

import pytest

from hyperherd.results.text.format import duration
from hyperherd.results.text.progress import Pace, Underway, steps_left


@pytest.mark.parametrize(
    ("step", "max_step", "step_seconds", "silent", "left"),
    [
        (30, 90, 2.0, 0.0, 120.0),
        (30, 90, 2.0, 20.0, 100.0),
        (30, 90, 2.0, 900.0, 0.0),
        (30, 90, 2.0, -50.0, 120.0),  # a clock that was set back
        (95, 90, 2.0, 0.0, 0.0),
        (30, -1, 2.0, 0.0, None),
        (30, None, 2.0, 0.0, None),
        (None, 90, 2.0, 0.0, None),
        (30, 90, None, 0.0, None),
        (30, 90, -1.0, 0.0, None),
    ],
)
def test_steps_left(step, max_step, step_seconds, silent, left) -> None:
    assert steps_left(step, max_step, step_seconds, silent) == left


def test_nothing_is_known_of_a_sweep_that_does_not_run_or_says_nothing() -> None:
    assert Pace([10.0], [], 5, 1).seconds_left is None
    assert Pace([], [Underway(10.0, None)], 5, 0).seconds_left is None
    assert Pace([], [], 0, 0).share == 0.0


def test_the_first_running_trial_tells_for_the_others() -> None:
    pace = Pace([], [Underway(60.0, 40.0), Underway(50.0, None)], 2, 0)
    assert pace.seconds_left == pytest.approx((40 + 50 + 2 * 100) / 2)
    assert pace.share == pytest.approx(0.6 / 4)


def test_the_longest_running_trial_is_waited_for() -> None:
    assert Pace([100.0], [Underway(10.0, 500.0), Underway(90.0, None)], 0, 1).seconds_left == 500.0


def test_the_bar_in_both_alphabets() -> None:
    pace = Pace([10.0], [Underway(5.0, 5.0)], 1, 1)
    assert pace.line(unicode=True) == "[██████████░░░░░░░░░░] 50 %, about 15s left"
    assert pace.line(unicode=False) == "[##########..........] 50 %, about 15s left"
    assert Pace([], [], 3, 1).line(unicode=False) == "[#####...............] 25 %"


def test_no_duration_is_negative() -> None:
    assert duration(-5.0) == "0s"
