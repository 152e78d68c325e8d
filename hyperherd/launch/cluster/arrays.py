"""How many jobs belong into one array, and how the cap on jobs that run at once is shared among several arrays."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from hyperherd.launch.base import TrialJob


@dataclass(frozen=True)
class ArrayShare:
    """What one array may use of the sweep's cap.

    Attributes:
        parallelism: how many of its jobs may run at once.
        after: the index, among the arrays planned together, of the one that has to end first; None for none.
    """

    parallelism: int
    after: int | None = None


def split(jobs: Sequence[TrialJob], largest: int) -> list[list[TrialJob]]:
    """Divide `jobs` into arrays: all jobs of one get the same resources, and none holds more than `largest`."""
    groups: dict[str, list[TrialJob]] = {}
    for job in jobs:
        groups.setdefault(json.dumps(dict(job.resources), sort_keys=True, default=str), []).append(job)
    return [group[start : start + largest] for group in groups.values() for start in range(0, len(group), largest)]


def share(sizes: Sequence[int], cap: int) -> list[ArrayShare]:
    """Share `cap` among arrays of these sizes so that never more than `cap` jobs run at once.

    Arrays stand in lanes, as many as there are arrays or, if that is less, as `cap` allows; each lane has its share of
    the cap, by the jobs in it, and an array waits for the one before it in its lane. Nobody has to watch over that.
    """
    # Greedy, largest array first: lanes of about equal length end at about the same time.
    lanes = [(0, lane) for lane in range(min(len(sizes), cap))]
    lane_of, load = [0] * len(sizes), [0] * len(lanes)
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        jobs, lane = heapq.heappop(lanes)
        lane_of[index], load[lane] = lane, jobs + sizes[index]
        heapq.heappush(lanes, (load[lane], lane))
    widths = _divide(cap, load)
    last: dict[int, int] = {}
    shares = []
    for index, lane in enumerate(lane_of):
        shares.append(ArrayShare(min(widths[lane], sizes[index]), last.get(lane)))
        last[lane] = index
    return shares


def _divide(cap: int, loads: Sequence[int]) -> list[int]:
    """Divide `cap` in proportion to `loads`, at least 1 each; what is left over goes to the most loaded."""
    spare, total = cap - len(loads), sum(loads)
    widths = [1 + spare * load // total for load in loads]
    # Rounding down leaves slots over; unused, they would make the cap smaller than configured.
    for lane in sorted(range(len(loads)), key=lambda lane: -loads[lane])[: cap - sum(widths)]:
        widths[lane] += 1
    return widths


@dataclass
class _Array:
    """An array as planned, and once it is submitted its id and what is known of its jobs.

    Attributes:
        width: how many of its jobs are to run at once.
        limit: how many the scheduler runs at once, as far as it has confirmed.
        before: the planned array that has to end before one of its jobs starts.
        after: the arrays of earlier rounds that have to.
        open: its jobs that have not ended.
        running: how many of them run, as the scheduler last reported; it may be more than `width` for a while.
        is_settling: whether jobs may run that started before its limit was lowered, and were not seen yet.
    """

    width: int
    limit: int = 0
    before: _Array | None = None
    after: tuple[_Array, ...] = ()
    id: str | None = None
    open: set[int] = field(default_factory=set)
    running: int = 0
    is_fixed: bool = False
    is_settling: bool = False

    @property
    def used(self) -> int:
        """How many of the sweep's jobs at once it may come to."""
        if self.before is not None and self.before.open:
            return 0  # the array before it in its lane uses the lane's share
        return min(max(self.width, self.limit, self.running), len(self.open))


class ConcurrencyCap:
    """Keeps the cap on jobs that run at once over all arrays of a sweep, those of later rounds included."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._array_of: dict[int, _Array] = {}

    @property
    def free(self) -> int:
        """How many more jobs may run at once; not above 0 if there is no room."""
        return self._cap - sum(array.used for array in self._arrays())

    @property
    def is_idle(self) -> bool:
        """Whether no job is on its way."""
        return not any(True for _ in self._arrays())

    def plan(self, jobs: Sequence[TrialJob], largest: int) -> list[list[TrialJob]]:
        """Divide `jobs` into arrays, and give each a share of what earlier arrays leave of the cap.

        If they leave nothing of it, the new arrays wait for all of them: nobody may be there to watch over the cap.
        """
        batches = split(jobs, largest)
        free, after = self.free, tuple[_Array, ...]()
        if free < 1:
            free, after = self._cap, tuple(self._arrays())
        planned: list[_Array] = []
        for part in share([len(batch) for batch in batches], free):
            before = None if part.after is None else planned[part.after]
            planned.append(_Array(part.parallelism, part.parallelism, before, after))
        for batch, array in zip(batches, planned, strict=True):
            self._array_of.update({job.number: array for job in batch})
        return batches

    def of(self, jobs: Sequence[TrialJob]) -> tuple[int, tuple[str, ...]]:
        """Return how many of a planned batch may run at once, and the ids of the arrays that have to end before."""
        array = self._array_of[jobs[0].number]
        before = array.after if array.before is None else (array.before,)
        # Of one that has ended, or was not submitted after all, the scheduler may not know the id.
        return array.width, tuple(one.id for one in before if one.open and one.id is not None)

    def submitted(self, jobs: Sequence[TrialJob], array_id: str) -> None:
        """Note that a batch is on its way."""
        array = self._array_of[jobs[0].number]
        array.id, array.open = array_id, {job.number for job in jobs}

    def adopted(self, jobs: Sequence[TrialJob], array_id: str) -> int | None:
        """Note what is left of an array of an earlier sweep; returns the width it has to get if it may be too wide."""
        width = min(self._cap, len(jobs))
        array = _Array(width, width, id=array_id, open={job.number for job in jobs})
        self._array_of.update({job.number: array for job in jobs})
        return self._cap if len(jobs) > self._cap else None  # that sweep may have had a greater cap

    def ended(self, job: TrialJob) -> None:
        """Note that a job has ended."""
        array = self._array_of.get(job.number)
        if array is not None and job.number in array.open:
            array.open.discard(job.number)
            if not array.is_settling:  # else another job may have taken its place before the limit was lowered
                array.running = max(array.running - 1, 0)

    def seen(self, running: Collection[int]) -> None:
        """Note which jobs run, as the scheduler reports it now."""
        for array in self._arrays():
            array.running, array.is_settling = len(array.open.intersection(running)), False

    def narrower(self, wanted: int) -> tuple[str, int] | None:
        """Let an array leave room for `wanted` other jobs; returns its id and new width, or None if none can.

        There is room when :meth:`limited` has confirmed it, jobs of it have ended, and :meth:`seen` has reported that
        no others have started.
        """
        arrays = [array for array in self._arrays() if array.used and not array.is_fixed]
        if not arrays or sum(min(array.width, len(array.open)) for array in self._arrays() if array.used) < self._cap:
            return None  # an array is narrower already than what runs of it
        array = max(arrays, key=lambda array: min(array.width, len(array.open)))
        width = min(array.width, len(array.open))
        if width < 2 or array.id is None:  # a width of 0 would mean no limit: it is this array's turn until it ends
            return None
        array.width = width - min(wanted, width // 2)
        return array.id, array.width

    def wider(self) -> tuple[str, int] | None:
        """Give an array that has more jobs than it may run what is free; returns its id and new width, or None."""
        free = self.free
        waiting = [array for array in self._arrays() if 0 < array.used < len(array.open) and not array.is_fixed]
        if free < 1 or not waiting:
            return None
        array = max(waiting, key=lambda array: len(array.open) - array.width)
        if array.id is None:
            return None
        array.width = min(array.width + free, len(array.open))
        return array.id, array.width

    def limited(self, array_id: str, width: int) -> None:
        """Note that the scheduler has taken the width of an array; as many may run as before until fewer are seen."""
        for array in self._arrays():
            if array.id == array_id:
                array.running = max(array.running, min(array.limit, len(array.open)))
                array.is_settling |= width < array.limit
                array.limit = width

    def not_limited(self, array_id: str) -> None:
        """Note that the scheduler does not take the width of an array, now or ever."""
        for array in self._arrays():
            if array.id == array_id:
                array.width, array.is_fixed = array.limit, True

    def _arrays(self) -> Iterator[_Array]:
        """Yield the arrays that have jobs which have not ended, each once."""
        yield from {id(array): array for array in self._array_of.values() if array.open}.values()
