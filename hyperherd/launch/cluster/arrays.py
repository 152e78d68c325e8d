"""How many jobs belong into one array, and how the cap on jobs that run at once is shared among several arrays."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
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
    """An array as planned, and once it is submitted its id and those of its jobs that have not ended."""

    share: ArrayShare
    after: str | None = None
    id: str | None = None
    open: set[int] = field(default_factory=set)


class ConcurrencyCap:
    """Keeps the cap on jobs that run at once over all arrays of a sweep, those of later rounds included."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._planned: list[_Array] = []
        self._array_of: dict[int, _Array] = {}

    def plan(self, jobs: Sequence[TrialJob], largest: int) -> list[list[TrialJob]]:
        """Divide `jobs` into arrays, and give each a share of what earlier arrays leave of the cap."""
        batches = split(jobs, largest)
        # Several jobs share one array, which must be counted once.
        running = {id(array): array for array in self._array_of.values() if array.open}.values()
        free, after = self._cap - sum(min(array.share.parallelism, len(array.open)) for array in running), None
        if free < 1:
            # The one with the most room that these can use, and of such the one that is done first.
            before = min(running, key=lambda array: (-min(array.share.parallelism, len(jobs)), len(array.open)))
            # Its width becomes free only when all of it has ended, so new arrays wait for it and take over its width.
            free, after = before.share.parallelism, before.id
        self._planned = [_Array(part, after) for part in share([len(batch) for batch in batches], free)]
        for batch, array in zip(batches, self._planned, strict=True):
            self._array_of.update({job.number: array for job in batch})
        return batches

    def of(self, jobs: Sequence[TrialJob]) -> tuple[int, str | None]:
        """Return how many of a planned batch may run at once, and the id of the array that has to have ended before."""
        array = self._array_of[jobs[0].number]
        earlier = array.share.after
        return array.share.parallelism, array.after if earlier is None else self._planned[earlier].id

    def submitted(self, jobs: Sequence[TrialJob], array_id: str) -> None:
        """Note that a batch is on its way."""
        array = self._array_of[jobs[0].number]
        array.id, array.open = array_id, {job.number for job in jobs}

    def adopted(self, jobs: Sequence[TrialJob], array_id: str) -> None:
        """Note what is left of an array of an earlier sweep, which may have had the whole cap."""
        array = _Array(ArrayShare(min(self._cap, len(jobs))), id=array_id, open={job.number for job in jobs})
        self._array_of.update({job.number: array for job in jobs})

    def ended(self, job: TrialJob) -> None:
        """Note that a job has ended."""
        if array := self._array_of.get(job.number):
            array.open.discard(job.number)
