"""A kind of workers: those whose jobs have the same resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperherd.launch.base import JobHandle, TrialJob
from hyperherd.launch.commands import Outage


@dataclass
class Kind:
    """One kind.

    Attributes:
        name: see :func:`hyperherd.records.workers.queue.kind_of`.
        resources: of its jobs.
        wanted: how many there are to be at most.
        open: the numbers of the trials of this kind that have not ended.
        jobs: the jobs of its workers, by their numbers.
        barren: how many of its workers in a row have ended without having started a trial.
        submissions: how often workers were submitted.
        unsure: a submission that the scheduler has not answered, under the name that it has to keep.
        outage: of the scheduler that does not take them.
    """

    name: str
    resources: Mapping[str, Any]
    wanted: int
    open: set[int] = field(default_factory=set)
    jobs: dict[int, JobHandle] = field(default_factory=dict)
    barren: int = 0
    submissions: int = 0
    unsure: tuple[str, Sequence[TrialJob]] | None = None
    outage: Outage = field(default_factory=lambda: Outage("trials run when it takes workers for them"))
