"""What the cluster launcher needs of one scheduler; Slurm and LSF each implement it, and nothing else knows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyperherd.records.job_ids import is_batch_name, is_job_id

if TYPE_CHECKING:
    import submitit

    from hyperherd.records.states import FailureCause


QUIET = 'export SUBMITIT_LOG_LEVEL="${SUBMITIT_LOG_LEVEL:-WARNING}"'
"""A line of a job's script: its log begins with what the trial prints, and not with what submitit loads."""


@dataclass(frozen=True)
class JobState:
    """The state of one job, as its scheduler reports it.

    Attributes:
        phase: whether it waits (for the first time or requeued), runs, or has ended for good.
        verdict: how it ended, if the scheduler knows that it did not end by itself.
        reason: in the scheduler's words, for people: its state, exit code, node.
        succeeded: whether it ended with exit code 0.
        restarts: how often it has been put back into the queue after it had begun; None if that is not known.
        waits_for: why a waiting job does not start, in the scheduler's words; empty if it does not report that.
        is_stuck: whether that never changes unless somebody acts.
    """

    phase: Literal["pending", "running", "ended"]
    verdict: FailureCause | Literal["cancelled"] | None = None
    reason: str = ""
    succeeded: bool = False
    restarts: int | None = None
    waits_for: str = ""
    is_stuck: bool = False

    def is_back(self, before: int | None) -> bool:
        """Return whether a job of which a run has ended is to run again, or does.

        Args:
            before: how often it had been restarted when that run began; None if it is not known.
        """
        if self.phase == "pending":
            return True
        again = self.restarts is not None and before is not None and self.restarts > before
        return self.phase == "running" and again


@dataclass(frozen=True)
class RankFailure:
    """How a process of a job ended that has several.

    Attributes:
        rank: which.
        cause: of it.
        reason: for people.
    """

    rank: int
    cause: FailureCause
    reason: str


@dataclass(frozen=True)
class Submission:
    """How one batch of jobs is submitted.

    Attributes:
        folder: where scripts, pickles and the scheduler's logs go.
        name: of the jobs, unchanged, so that :meth:`Cluster.find` finds them.
        resources: some of :attr:`Cluster.resources`, with other values.
        parallelism: how many jobs of the batch may run at once.
        after: ids of arrays or jobs (``123``) that must have ended, in any way, before one of them starts.
    """

    folder: Path
    name: str
    resources: Mapping[str, Any]
    parallelism: int
    after: tuple[str, ...] = ()


class Cluster(ABC):
    """One scheduler, as its commands on this machine show it.

    Job ids are submitit's: ``123``, or ``123_4`` for an array's task.

    Args:
        options: `hydra.launcher`, without what all clusters share; the presets in conf/hydra/launcher explain them.
        folder: where scripts, pickles and logs of all jobs are, if there are any.
    """

    name: str
    """Of the launcher: ``herd_slurm``, ``herd_lsf``."""

    first_index: int = 0
    """Of the first job of an array."""

    kept_variables: frozenset[str] = frozenset()
    """Environment variables that locate the scheduler, and are passed on although :attr:`variables` matches them."""

    def __init__(self, options: Mapping[str, Any], folder: Path | None = None) -> None:
        self._options = options
        self._folder = folder
        self._largest: int | None = None
        self._cluster_name = ""

    @property
    @abstractmethod
    def variables(self) -> tuple[str, ...]:
        """Prefixes of the environment variables that describe a job, and are not handed on to jobs submitted in it."""

    @abstractmethod
    def check(self) -> None:
        """Find out whether jobs can be submitted from here.

        Raises:
            SweepError: the commands are missing or the options cannot be followed; the message names them and the fix.
        """

    @property
    @abstractmethod
    def resources(self) -> Mapping[str, Any]:
        """The options that each job may have of its own (memory, time, GPUs, ...), with what the config gives all."""

    @abstractmethod
    def cluster_name(self) -> str:
        """Return the name of the cluster whose commands are here; empty if it has none.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
        """

    @abstractmethod
    def max_array_size(self) -> int:
        """Return how many jobs one array may hold."""

    @abstractmethod
    def executor(self, submission: Submission) -> submitit.Executor:
        """Return a submitit executor that submits jobs so; a batch of one becomes a job without an array."""

    @abstractmethod
    def query(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """Return the state of these jobs, asked for in one call (or few); jobs it does not know are absent.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
        """

    @abstractmethod
    def find(self, name: str) -> list[str]:
        """Return the ids of this user's jobs called `name` in the order of their array, whether they have ended or not.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
        """

    @abstractmethod
    def cancel(self, job_ids: Collection[str], name: str | None = None) -> None:
        """Ask for the end of these jobs; those that have ended are passed over. A query shows whether they have.

        Args:
            job_ids: of the jobs.
            name: which they must have, or the job is left alone: an id may be another job's by now. None for any.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
            SweepError: one of them is not the id of a job, or the scheduler refuses.
        """

    def limit_array(self, array_id: str, width: int) -> bool:
        """Change how many jobs of an array may run at once; return whether the scheduler has done so.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
        """
        return False

    def confirmed(self, job_ids: Collection[str], name: str) -> set[str]:
        """Return those of these jobs that are this user's and called `name`, as the scheduler reports them.

        An id that a record holds may be of any job: it is asked for before the job is cancelled or adopted.

        Raises:
            SchedulerUnavailable: it cannot be asked at the moment.
        """
        wanted = {job_id for job_id in job_ids if is_job_id(job_id)}
        return wanted & set(self.find(name)) if wanted and is_batch_name(name) else set()

    def holds_back(self, variable: str) -> str:
        """Return which option keeps a variable of the submission's environment from jobs; empty if none does."""
        return ""

    @staticmethod
    def is_preempting() -> bool:
        """Return, in a job that was asked to end, whether it is being preempted and may be requeued."""
        return False

    @staticmethod
    def is_requeued() -> bool:
        """Return, in a job that was asked to end, whether the scheduler is going to run it again."""
        return False

    def cause_in(self, log: str) -> FailureCause | None:
        """Return the cause of death that the scheduler wrote to the end of a job's log."""
        return None

    def failed_rank(self, log: str) -> RankFailure | None:
        """Return the process of a job that failed first, as the scheduler wrote it to the end of the job's log."""
        return None


def place_in_array(job_id: str, first: int) -> int:
    """Return the place of a job in its array, from 0."""
    index = job_id.partition("_")[2]
    return int(index) - first if index else 0
