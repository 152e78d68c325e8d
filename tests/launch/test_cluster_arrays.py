"""Arrays of jobs and their shares of the cap."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from hyperherd.launch.base import TrialJob
from hyperherd.launch.cluster.arrays import ConcurrencyCap, share, split


def jobs(*numbers: int, **resources: object) -> list[TrialJob]:
    return [TrialJob(number, 0, (), resources) for number in numbers]


def numbers(batches: list[list[TrialJob]]) -> list[list[int]]:
    return [[job.number for job in batch] for batch in batches]


def test_jobs_are_divided_by_resources_and_by_size() -> None:
    large = jobs(1, 3, mem_gb=64)
    assert numbers(split([*jobs(0), *large[:1], *jobs(2), *large[1:], *jobs(4, 5)], 3)) == [[0, 2, 4], [5], [1, 3]]


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20), cap=st.integers(1, 40))
def test_never_more_jobs_at_once_than_the_cap(sizes: list[int], cap: int) -> None:
    shares = share(sizes, cap)
    lanes: dict[int, list[int]] = defaultdict(list)
    root: dict[int, int] = {}
    for index, part in enumerate(shares):
        assert 1 <= part.parallelism <= sizes[index]
        assert part.after is None or part.after < index
        root[index] = index if part.after is None else root[part.after]
        lanes[root[index]].append(part.parallelism)
    followers = [part.after for part in shares if part.after is not None]
    assert len(followers) == len(set(followers))  # in a lane one stands behind the other
    assert sum(max(lane) for lane in lanes.values()) <= cap
    if cap >= sum(sizes):
        assert all(part.after is None for part in shares)


def test_later_rounds_get_what_is_left() -> None:
    allotment = ConcurrencyCap(4)
    (first,) = allotment.plan(jobs(*range(6)), 100)
    assert allotment.of(first) == (4, None)
    allotment.submitted(first, "10")
    allotment.ended(first[0])
    (again,) = allotment.plan(jobs(0), 100)
    assert allotment.of(again) == (1, "10")  # what is left is for those that wait in the array
    for job in first[1:4]:
        allotment.ended(job)
    (another,) = allotment.plan(jobs(1), 100)
    assert allotment.of(another) == (1, None)


def test_arrays_in_one_lane_wait_for_one_another() -> None:
    allotment = ConcurrencyCap(1)
    batches = allotment.plan(jobs(0, 1, 2), 1)
    waits = []
    for index, batch in enumerate(batches):
        waits.append(allotment.of(batch))
        allotment.submitted(batch, str(10 + index))
    assert waits == [(1, None), (1, "10"), (1, "11")]


def test_what_an_earlier_sweep_left_in_the_queue_has_its_part_of_the_cap() -> None:
    allotment = ConcurrencyCap(4)
    allotment.adopted(jobs(0, 1, 2), "10")
    (few,) = allotment.plan(jobs(5, 6), 100)
    assert allotment.of(few) == (1, None)
    allotment = ConcurrencyCap(4)
    allotment.adopted(jobs(0), "10")
    allotment.adopted(jobs(1, 2, 3, 4, 7), "11")
    (many,) = allotment.plan(jobs(5, 6, 8, 9), 100)
    assert allotment.of(many) == (4, "11")  # behind the one job of array 10 they would go one by one
