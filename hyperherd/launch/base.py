"""The seam between a sweep and whatever runs its trials: every launcher fills three methods, one with a queue the rest.

A launcher knows overrides, directories and jobs. It does not know states: what became of a trial is read from its
directory, so that a launcher that dies, or lies, costs no result. Where jobs outlive the sweep that submitted them, the
sweep notes their batch's name before and their ids after, so that another sweep can find and adopt them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from hyperherd.records.states import FailureCause


ROUTINE = {"is_routine": True}
"""`extra` of a log record that says no more than a live table of the trials does."""


@dataclass(frozen=True)
class TrialJob:
    """One trial to be launched.

    Attributes:
        number: of the trial; a launcher that can makes it `hydra.job.num`.
        attempt: which execution this will be.
        overrides: all Hydra overrides of the job, those of `hydra.*` included.
        resources: what it gets of the launcher's :attr:`TrialLauncher.resources` in place of what all trials get.
    """

    number: int
    attempt: int
    overrides: tuple[str, ...]
    resources: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobHandle:
    """A trial in the hands of a launcher.

    Attributes:
        job: what was submitted.
        job_id: the scheduler's name for it, ``123`` or ``123_4``; None where there is no scheduler.
        batch: the name of the batch it was submitted in, where a record says so; whoever adopts the job compares it
            with what the scheduler says.
    """

    job: TrialJob
    job_id: str | None = None
    batch: str = ""


@dataclass(frozen=True)
class JobEnd:
    """A launcher has let go of a trial.

    Attributes:
        handle: of the trial.
        returned: what Hydra made of it; None if the launcher has nothing to show.
        reason: why it has nothing to show, or what the verdict rests on.
        verdict: how an attempt ended that could not say so itself, or could not know why it was told to end; None if
            the launcher does not know either.
    """

    handle: JobHandle
    returned: JobReturn | None = None
    reason: str = ""
    verdict: FailureCause | Literal["lost", "cancelled"] | None = None


class TrialLauncher(ABC):
    """Runs trials, somewhere, some time."""

    @property
    def name(self) -> str:
        """What people know it by."""
        return type(self).__name__

    @property
    def resources(self) -> Mapping[str, Any]:
        """What can be given to each trial by itself, and how much each gets unless it asks for another amount."""
        return {}

    @property
    def waits(self) -> bool:
        """Whether somebody is to wait for the jobs; if not, the sweep ends when they are submitted."""
        return True

    @property
    def has_queue(self) -> bool:
        """Whether jobs outlive the sweep that submitted them, so that :meth:`find` and :meth:`adopt` can know them."""
        return False

    @property
    def shows_output(self) -> bool:
        """Whether what trials print may appear where the sweep prints."""
        return False

    def batches(self, jobs: Sequence[TrialJob]) -> Sequence[Sequence[TrialJob]]:
        """Divide `jobs` into what is submitted at once; called before each round of :meth:`submit`."""
        return [jobs] if jobs else []

    @abstractmethod
    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Take a batch over, in its order, and return a handle for each job; they may start at once or later.

        Args:
            jobs: one of :meth:`batches`.
            name: of the batch, like no other's; by it a scheduler can be asked for the jobs.

        Raises:
            SweepError: they cannot be submitted; none of them runs.
        """

    @abstractmethod
    def events(self) -> Iterator[JobEnd | None]:
        """Yield the end of every job submitted or adopted as it comes, until none is left.

        A launcher that can yields None about once a second meanwhile, so that who iterates can look around. More may be
        submitted between two ends, and when iteration was interrupted it can be begun again.
        """

    @abstractmethod
    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Stop these jobs, running or not; those that have ended are passed over. Their ends come as events."""

    def find(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        """Return handles for those of a batch that the scheduler has, after a sweep was killed while submitting it.

        Args:
            jobs: the batch as it was handed to :meth:`submit`, in its order.
            name: the batch's.
        """
        return []

    def adopt(self, handles: Sequence[JobHandle]) -> list[JobHandle]:
        """Take over those of an earlier sweep's jobs that are still queued or running, and return them.

        The ids come from files: a job counts only if the scheduler says that it is this user's and bears the name of
        its batch. Their ends come as events, like those of jobs submitted here.
        """
        return []
