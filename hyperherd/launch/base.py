"""The interface between a sweep and its launcher: every launcher implements three methods, one with a queue all.

A launcher knows overrides, directories and jobs. It does not know states: the state of a trial is read from its
directory, so that a launcher that dies, or reports a wrong end, loses no result. Where jobs outlive the sweep that
submitted them, the sweep notes their batch's name before and their ids after, so that another sweep can find and adopt
them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from hyperherd.records.states import FailureCause


ROUTINE = {"is_routine": True}
"""`extra` of a log record that repeats what the live table of trials shows."""


SignOfLife = Callable[[int], object | None]
"""Returns what a trial's last sign of life was, given its number: anything that differs when there is a new one, or
None if it gives none (it has not begun, it has ended, or its process is known to be gone)."""


class NotNow(Exception):
    """A batch cannot be submitted at the moment, and no job of it was; the same one may be later.

    Args:
        reason: for people.
        is_full: whether the scheduler takes no more jobs until some have ended; fewer may fit.
    """

    def __init__(self, reason: str, *, is_full: bool = False) -> None:
        super().__init__(reason)
        self.is_full = is_full


@dataclass(frozen=True)
class WaitingJob:
    """Why a job in a queue does not run yet.

    Attributes:
        job_id: the scheduler's.
        reason: in the scheduler's words.
        is_stuck: whether that never changes unless somebody acts.
    """

    job_id: str
    reason: str
    is_stuck: bool = False


@dataclass(frozen=True)
class TrialJob:
    """One trial to be launched.

    Attributes:
        number: of the trial; a launcher that can makes it `hydra.job.num`.
        attempt: which execution this will be.
        overrides: all Hydra overrides of the job, those of `hydra.*` included.
        resources: its own values for some of :attr:`TrialLauncher.resources`, in place of those of all trials.
    """

    number: int
    attempt: int
    overrides: tuple[str, ...]
    resources: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobHandle:
    """A trial that was submitted to a launcher.

    Attributes:
        job: what was submitted.
        job_id: the scheduler's name for it, ``123`` or ``123_4``; None where there is no scheduler.
        batch: the name of the batch it was submitted in, if a record holds it; before the job is adopted it is
            compared with the name that the scheduler reports.
    """

    job: TrialJob
    job_id: str | None = None
    batch: str = ""


@dataclass(frozen=True)
class JobEnd:
    """The end of a trial, as its launcher reports it.

    Attributes:
        handle: of the trial.
        returned: Hydra's JobReturn; None if the launcher has none.
        reason: why it has none, or what the verdict is based on.
        verdict: how an attempt ended that could not record that itself, or could not know why it was stopped; None if
            the launcher does not know either.
        rank: the rank whose failure that was, if it is not the one that keeps the trial's record: to that one, which is
            asked to end then, it looks as if somebody had cancelled the trial.
        outranks_record: whether the verdict stands where the trial has recorded that it was cancelled: what ran it
            died, and took the trial along.
    """

    handle: JobHandle
    returned: JobReturn | None = None
    reason: str = ""
    verdict: FailureCause | Literal["lost", "cancelled"] | None = None
    rank: int | None = None
    outranks_record: bool = False


@dataclass(frozen=True)
class JobRequeued:
    """A job that had begun is back in its scheduler's queue, and its trial with it.

    Attributes:
        handle: of the trial.
        reason: in the scheduler's words.
    """

    handle: JobHandle
    reason: str


class TrialLauncher(ABC):
    """Runs trials, here or elsewhere, now or later."""

    @property
    def name(self) -> str:
        """The name shown to users."""
        return type(self).__name__

    @property
    def resources(self) -> Mapping[str, Any]:
        """Resources that a trial can have its own value of, with the value for all other trials."""
        return {}

    @property
    def waits(self) -> bool:
        """Whether the sweep waits for its jobs; if not, it ends when they are submitted."""
        return True

    @property
    def forks(self) -> bool:
        """Whether it forks this process for its trials, so that the sweep may run no thread beside."""
        return False

    @property
    def slots(self) -> int | None:
        """How many trials run at once, if more can be submitted while these run; None if that is not possible."""
        return None

    @property
    def takes_batches(self) -> bool:
        """Whether what is submitted while trials run waits for all of them; it takes `slots` at once then."""
        return False

    @property
    def has_queue(self) -> bool:
        """Whether jobs outlive the sweep that submitted them, so that :meth:`find` and :meth:`adopt` can know them."""
        return False

    @property
    def awaits_workers(self) -> bool:
        """Whether it can await trials that a worker of an earlier sweep runs."""
        return False

    @property
    def cluster(self) -> str:
        """The name of the cluster whose queue it is: on another one the same ids are other jobs. Empty if unknown."""
        return ""

    def awaited_cluster(self) -> str:
        """Return :attr:`cluster`, and wait for the scheduler's answer if it is not known for that reason."""
        return self.cluster

    @property
    def shows_output(self) -> bool:
        """Whether the output of trials may appear in the output of the sweep."""
        return False

    def batches(self, jobs: Sequence[TrialJob]) -> Sequence[Sequence[TrialJob]]:
        """Divide `jobs` into batches, each submitted at once; called before each round of :meth:`submit`."""
        return [jobs] if jobs else []

    @abstractmethod
    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Take a batch over, in its order, and return a handle for each job; they may start at once or later.

        Args:
            jobs: one of :meth:`batches`.
            name: of the batch, unique; a scheduler finds the jobs by it.

        Raises:
            NotNow: they cannot be submitted at the moment; the same batch may be submitted later, under the same name.
            SweepError: they cannot be submitted; none of them runs.
        """

    @abstractmethod
    def events(self) -> Iterator[JobEnd | JobRequeued | None]:
        """Yield the end of every job submitted or adopted as it comes, until none is left.

        Where a scheduler may run a job again, that is yielded too. A launcher that can yields None about once a second
        meanwhile, so that the caller can do other work. More may be submitted between two ends, and an iteration that
        was interrupted can be started again.
        """

    @abstractmethod
    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Stop these jobs, running or not; those that have ended are passed over. Their ends come as events."""

    def room(self, wanted: int) -> int:
        """Return how many more jobs may be submitted now, without more of them running at once than configured."""
        return wanted

    @property
    def waiting(self) -> Mapping[int, WaitingJob]:
        """Why jobs do not run yet, by the numbers of their trials, as far as it is known."""
        return {}

    def listen(self, sign_of_life: SignOfLife) -> bool:
        """Hold no trial for dead that gives signs of life; return False if this launcher cannot be wrong about that."""
        return False

    def find(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Return handles for those of a batch that the scheduler has, after a sweep was killed while submitting it.

        Args:
            jobs: the batch as it was handed to :meth:`submit`, in its order.
            name: the batch's.
        """
        return []

    def adopt(self, handles: Sequence[JobHandle]) -> list[JobHandle]:
        """Take over those of an earlier sweep's jobs that are still queued or running, and return them.

        The ids come from files: a job counts only if the scheduler reports it as this user's and under the name of
        its batch. Their ends come as events, like those of jobs submitted here.
        """
        return []

    @property
    def past_ends(self) -> Sequence[JobEnd]:
        """The ends of jobs given to :meth:`adopt` and :meth:`requeued` that ended while no sweep watched them."""
        return ()

    def requeued(self, handles: Sequence[JobHandle], restarts: Mapping[int, int]) -> list[JobHandle]:
        """Return those of an earlier sweep's jobs that the scheduler runs again, although their trials have ended.

        Args:
            handles: as those of :meth:`adopt`, which is to be called for what is returned.
            restarts: how often a trial's job had been restarted when its last attempt began, by the trial's number.
        """
        return []
