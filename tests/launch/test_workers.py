"""Workers without a scheduler: how long one claims trials, and how its machine is shared out."""

from __future__ import annotations

import time

import pytest

from hyperherd.launch.workers.job import WorkerTimes
from hyperherd.launch.workers.loop import Shift
from hyperherd.launch.workers.sharing import pool_options


def test_a_worker_claims_trials_while_there_is_time_for_one_as_long_as_the_longest() -> None:
    now = time.monotonic()
    assert Shift(None, 0.0).has_time(1e9)
    assert Shift(now + 100, 0.0).has_time(90)
    assert not Shift(now + 100, 0.0).has_time(110)
    assert not Shift(now + 100, 110.0).has_time(0)


@pytest.mark.parametrize(
    ("limit", "warned", "claims"),
    [(3600.0, 120.0, 3600 - 120 - 60 - 5), (60.0, 120.0, 60 - 30 - 15 - 5), (120.0, 5.0, 120 - 5 - 30 - 5)],
)
def test_a_worker_is_gone_before_it_could_be_warned(limit: float, warned: float, claims: float) -> None:
    assert WorkerTimes(limit, warned, 7.0).shift(1000.0) == Shift(1000.0 + claims, 7.0)
    assert WorkerTimes(None, warned, 7.0).shift(1000.0) == Shift(None, 7.0)


@pytest.mark.parametrize(
    ("mask", "at_once", "expected"),
    [
        ("", 4, (4, 2, None, 1)),
        ("0,1", 1, (1, 8, 2, 1)),
        ("0,1", 2, (2, 4, 1, 1)),
        ("0,1,2,3", 2, (2, 4, 2, 1)),
        ("0,1", 4, (4, 2, 1, 2)),
        ("0,1", 3, (3, 2, 1, 2)),
    ],
)
def test_cores_and_gpus_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, mask: str, at_once: int, expected: tuple[int, int, int | None, int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    options = pool_options(at_once, 8)
    names = ("max_parallel", "threads", "gpus_per_trial", "trials_per_gpu")
    assert tuple(options[name] for name in names) == expected
