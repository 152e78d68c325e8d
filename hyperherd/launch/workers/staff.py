"""How many workers there are: as many of each kind as are wanted, and no more than have something to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobHandle, NotNow, TrialJob
from hyperherd.launch.commands import Outage
from hyperherd.launch.workers.submission import WorkerJobs
from hyperherd.records.workers.queue import kind_of


@dataclass
class Kind:
    """The workers whose jobs have the same resources.

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

    @property
    def names(self) -> Iterable[tuple[str, str | None]]:
        """Name and id of each job."""
        return ((handle.batch, handle.job_id) for handle in self.jobs.values())


class Staff:
    """The workers of one sweep that are jobs.

    Args:
        jobs: submits and watches them.
        workers: how many of each kind.
        at_once: how many trials each runs side by side.
    """

    def __init__(self, jobs: WorkerJobs, workers: int, at_once: int) -> None:
        self._jobs = jobs
        self._workers = workers
        self._at_once = at_once
        self._kinds: dict[str, Kind] = {}

    @property
    def kinds(self) -> Collection[Kind]:
        """All kinds."""
        return self._kinds.values()

    def kind_of(self, resources: Mapping[str, Any]) -> Kind:
        """Return the workers that have these resources."""
        name = kind_of(resources)
        if name not in self._kinds:
            self._kinds[name] = Kind(name, dict(resources), self._workers)
        return self._kinds[name]

    def want_again(self, kind: Kind) -> None:
        """Want workers of a kind of which all were cancelled: more is to run."""
        kind.wanted = kind.wanted or self._workers

    def places(self, kind: Kind) -> int:
        """Return how many trials its workers run at once, when all have begun."""
        return len(kind.jobs) * self._at_once

    def hire(self, kind: Kind, waiting: Collection[int], batch: str) -> None:
        """Submit workers until there are enough for what is in the queue.

        Args:
            kind: of them.
            waiting: the trials in the queue, by number.
            batch: in which they were handed over; the names of the jobs begin with it.

        Raises:
            NotNow: the scheduler does not take them now.
            SweepError: it refuses them.
        """
        if kind.unsure is not None:  # it may have taken them: only under the same name are they found
            self._submit(kind, *kind.unsure)
        needed = -(-len(kind.open) // self._at_once)  # rounded up
        missing = min(kind.wanted, needed) - len(kind.jobs)
        if missing < 1 or not waiting:
            return
        for part in self._jobs.batches(self._jobs.jobs(missing, kind.resources)):
            kind.submissions += 1
            self._submit(kind, f"{batch}-w{kind.submissions}", part)

    def try_to_hire(self, kind: Kind, waiting: Collection[int], batch: str) -> str:
        """Do as :meth:`hire`, later if the scheduler does not take them now; return why it refuses them, if so."""
        if not kind.outage.is_due:
            return ""
        try:
            self.hire(kind, waiting, batch)
        except NotNow as delay:
            kind.outage.failed(str(delay))
        except SweepError as error:
            kind.wanted = 0
            return str(error)
        else:
            kind.outage.over(self._jobs.name)
        return ""

    def dismiss(self, began: Collection[tuple[str, str]]) -> None:
        """Cancel workers that have not begun: nothing is left for them. Those that run end by themselves.

        Args:
            began: name and id of the jobs that have.
        """
        for kind in self.kinds:
            idle = [handle for handle in kind.jobs.values() if (handle.batch, handle.job_id) not in began]
            for handle in idle:
                del kind.jobs[handle.job.number]
            self._jobs.cancel(idle)

    def _submit(self, kind: Kind, name: str, jobs: Sequence[TrialJob]) -> None:
        kind.unsure = name, jobs
        try:
            handles = self._jobs.submit(jobs, name)
        except NotNow as delay:
            if delay.is_full:
                kind.unsure = None
            raise
        except SweepError:
            kind.unsure = None
            raise
        kind.unsure = None
        # A controller that crashed may give an id twice. The earlier job is watched no more then: its trials are judged
        # by their signs of life, as those of workers that somebody started by hand.
        ids = {handle.job_id for handle in handles}
        for one in self.kinds:
            one.jobs = {number: handle for number, handle in one.jobs.items() if handle.job_id not in ids}
        kind.jobs.update({handle.job.number: handle for handle in handles})
