"""The seam between a sweep and whatever runs its trials: every launcher fills these three methods, and no more.

A launcher knows overrides, directories and jobs. It does not know states: what became of a trial is read from its
directory, so that a launcher that dies, or lies, costs no result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from hyperherd.records.states import FailureCause


@dataclass(frozen=True)
class TrialJob:
    """One trial to be launched.

    Attributes:
        number: of the trial; a launcher that can makes it `hydra.job.num`.
        attempt: which execution this will be.
        overrides: all Hydra overrides of the job, those of `hydra.*` included.
    """

    number: int
    attempt: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class JobHandle:
    """A trial in the hands of a launcher.

    Attributes:
        job: what was submitted.
        job_id: the scheduler's name for it; None where there is no scheduler.
    """

    job: TrialJob
    job_id: str | None = None


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

    @abstractmethod
    def submit(self, jobs: Sequence[TrialJob]) -> list[JobHandle]:
        """Take `jobs` over, in their order, and return a handle for each; they may start at once or later."""

    @abstractmethod
    def events(self) -> Iterator[JobEnd]:
        """Yield the end of every submitted job as it comes, until none is left."""

    @abstractmethod
    def cancel(self, handles: Sequence[JobHandle]) -> None:
        """Stop these jobs, running or not; those that have ended are passed over."""
