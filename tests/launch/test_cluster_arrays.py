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
    assert allotment.of(first) == (4, ())
    allotment.submitted(first, "10")
    allotment.ended(first[0])
    assert allotment.free == 0
    (again,) = allotment.plan(jobs(0), 100)
    assert allotment.of(again) == (1, ("10",))  # nobody may be there to submit it when there is room
    for job in first[1:4]:
        allotment.ended(job)
    assert allotment.free == 2
    (another,) = allotment.plan(jobs(1), 100)
    assert allotment.of(another) == (1, ())


def test_arrays_in_one_lane_wait_for_one_another() -> None:
    allotment = ConcurrencyCap(1)
    batches = allotment.plan(jobs(0, 1, 2), 1)
    waits = []
    for index, batch in enumerate(batches):
        waits.append(allotment.of(batch))
        allotment.submitted(batch, str(10 + index))
    assert waits == [(1, ()), (1, ("10",)), (1, ("11",))]
    assert allotment.free == 0


def test_several_rounds_without_room_wait_for_all_before_them() -> None:
    """Each of them behind the same one, they would run at once when that had ended."""
    allotment = ConcurrencyCap(1)
    (first,) = allotment.plan(jobs(0, 1, 2), 100)
    allotment.submitted(first, "10")
    for number in (0, 1):
        (again,) = allotment.plan(jobs(number + 10), 100)
        assert allotment.of(again)[1] == ("10", "11")[: number + 1]
        allotment.submitted(again, str(11 + number))


def test_what_an_earlier_sweep_left_in_the_queue_has_its_part_of_the_cap() -> None:
    allotment = ConcurrencyCap(4)
    assert allotment.adopted(jobs(0, 1, 2), "10") is None
    (few,) = allotment.plan(jobs(5, 6), 100)
    assert allotment.of(few) == (1, ())
    allotment = ConcurrencyCap(4)
    assert allotment.adopted(jobs(*range(6)), "10") == 4  # that sweep may have had a greater cap
    (many,) = allotment.plan(jobs(15, 16), 100)
    assert allotment.of(many) == (2, ("10",))


@given(data=st.data(), cap=st.integers(1, 6), count=st.integers(1, 12))
def test_never_more_jobs_run_than_the_cap_however_many_are_run_again(data: st.DataObject, cap: int, count: int) -> None:
    """A scheduler that starts what it may at once, and a launcher that submits retries as soon as there is room."""
    allotment, width, waiting, running, tried = ConcurrencyCap(cap), {}, {}, {}, dict.fromkeys(range(count), 0)
    again: list[int] = []

    def submit(numbers_: list[int]) -> None:
        for batch in allotment.plan(jobs(*numbers_), 100):
            array = str(len(width))
            width[array], after = allotment.of(batch)
            assert after == ()  # nothing is submitted before there is room
            allotment.submitted(batch, array)
            waiting[array], running[array] = [job.number for job in batch], set()

    def start() -> None:
        for array, numbers_ in waiting.items():
            while numbers_ and len(running[array]) < width[array]:
                running[array].add(numbers_.pop(0))
        assert sum(map(len, running.values())) <= cap

    def take(array: str, limit: int) -> None:
        """Take a new limit, now or never, as an array whose limit cannot be changed."""
        if data.draw(st.booleans()):
            width[array] = limit
            allotment.limited(array, limit)
        else:
            allotment.not_limited(array)

    submit(list(range(count)))
    start()
    for _ in range(20 * count):
        if not any(running.values()) and not again:
            break
        if any(running.values()):
            array, number = data.draw(st.sampled_from([(a, n) for a, some in running.items() for n in sorted(some)]))
            running[array].discard(number)
            allotment.ended(jobs(number)[0])
            tried[number] += 1
            again += [number] if tried[number] == 1 else []
            start()
        if data.draw(st.booleans()):  # the scheduler is polled
            allotment.seen({number for some in running.values() for number in some})
            if not again and (change := allotment.wider()):
                take(*change)
        if again and (allotment.is_idle or allotment.free >= 1):
            submit(again)
            again = []
        elif again and (change := allotment.narrower(len(again))):
            take(*change)
        start()
    assert set(tried.values()) == {2}


def test_an_end_that_is_seen_late_makes_no_room() -> None:
    """When two jobs end together, others have taken the places of both before the limit of their array is lowered."""
    allotment = ConcurrencyCap(2)
    (first,) = allotment.plan(jobs(*range(7)), 100)
    allotment.submitted(first, "10")
    allotment.ended(first[0])
    assert allotment.narrower(1) == ("10", 1)
    allotment.limited("10", 1)
    allotment.ended(first[1])
    assert allotment.free < 1
    allotment.seen({2, 3})
    assert allotment.free < 1
    allotment.ended(first[2])
    assert allotment.free == 1


def test_a_retry_need_not_wait_for_the_end_of_the_array() -> None:
    allotment = ConcurrencyCap(3)
    (first,) = allotment.plan(jobs(*range(100)), 100)
    allotment.submitted(first, "10")
    allotment.ended(first[0])
    assert allotment.free < 1
    assert allotment.narrower(1) == ("10", 2)
    allotment.limited("10", 2)
    assert allotment.free < 1  # three still run
    assert allotment.narrower(1) is None
    allotment.seen({1, 2, 3})
    assert allotment.free < 1
    allotment.ended(first[1])
    assert allotment.free == 1
    (again,) = allotment.plan(jobs(0), 100)
    allotment.submitted(again, "11")
    assert allotment.of(again) == (1, ())
    allotment.seen({2, 3, 0})
    assert allotment.wider() is None
    allotment.ended(again[0])
    assert allotment.wider() == ("10", 3)
