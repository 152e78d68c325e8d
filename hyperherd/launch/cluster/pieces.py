"""How many jobs belong into one array, and how the cap on jobs that run at once is shared among several arrays."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass

from hyperherd.launch.base import TrialJob


@dataclass(frozen=True)
class Share:
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


def share(sizes: Sequence[int], cap: int) -> list[Share]:
    """Share `cap` among arrays of these sizes so that never more than `cap` jobs run at once.

    Arrays stand in lanes, as many as there are arrays or, if that is less, as `cap` allows; each lane has its share of
    the cap, by the jobs in it, and an array waits for the one before it in its lane. Nobody has to watch over that.
    """
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
        shares.append(Share(min(widths[lane], sizes[index]), last.get(lane)))
        last[lane] = index
    return shares


def _divide(cap: int, loads: Sequence[int]) -> list[int]:
    """Divide `cap` in proportion to `loads`, at least 1 each; what is left over goes to the most loaded."""
    spare, total = cap - len(loads), sum(loads)
    widths = [1 + spare * load // total for load in loads]
    for lane in sorted(range(len(loads)), key=lambda lane: -loads[lane])[: cap - sum(widths)]:
        widths[lane] += 1
    return widths
