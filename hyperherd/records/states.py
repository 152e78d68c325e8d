"""The states of a trial and the causes of its failure: the only words for them, in code, on disk and on screen."""

from __future__ import annotations

from enum import Enum


class TrialState(str, Enum):
    """Where a trial stands. A trial itself writes the first six; the others are found by looking."""

    RUNNING = "running"
    """An attempt has started and speaks."""
    COMPLETED = "completed"
    """The task function returned."""
    FAILED = "failed"
    """An attempt ended in an error; the cause says which."""
    PRUNED = "pruned"
    """Stopped early by a pruning rule; its values stand, its end is none."""
    PAUSED = "paused"
    """Stopped by a pruning rule at a rung, to be run on from its checkpoint if it comes to be among the best there."""
    CANCELLED = "cancelled"
    """Stopped by a person: Ctrl-C, SIGTERM, or a cancelled job."""
    WAITING = "waiting"
    """Planned, and handed to nobody yet."""
    SUBMITTED = "submitted"
    """Handed to a launcher; no attempt has started."""
    REQUEUED = "requeued"
    """Begun, and put back into its scheduler's queue, where it waits for its next attempt."""
    STALLED = "stalled"
    """Running by its own record, but without a heartbeat for too long."""
    LOST = "lost"
    """Running by its own word, but its process or its job is gone."""
    MISSING = "missing"
    """Its end is on record, but its directory is gone."""
    UNREADABLE = "unreadable"
    """Its directory cannot be read."""
    UNKNOWN = "unknown"
    """Written by Hydra without HyperHerd: nobody noted how it ended."""

    def __str__(self) -> str:
        return self.value

    @property
    def finished(self) -> bool:
        """Whether its values may be ranked: it ran to its end, or nobody can say that it did not."""
        return self in (TrialState.COMPLETED, TrialState.UNKNOWN)

    @property
    def ended(self) -> bool:
        """Whether an attempt has said how it ended."""
        return self in (
            TrialState.COMPLETED,
            TrialState.FAILED,
            TrialState.PRUNED,
            TrialState.PAUSED,
            TrialState.CANCELLED,
        )

    @property
    def problem(self) -> bool:
        """Whether someone should look at it."""
        return self in (
            TrialState.FAILED,
            TrialState.STALLED,
            TrialState.LOST,
            TrialState.MISSING,
            TrialState.UNREADABLE,
        )

    @property
    def done(self) -> bool:
        """Whether nothing is left to be run: it completed, or was pruned."""
        return self in (TrialState.COMPLETED, TrialState.PRUNED)

    @property
    def settled(self) -> bool:
        """Whether a sweep may end well with it: it is done, or paused, where it waits for a better place."""
        return self.done or self is TrialState.PAUSED

    @property
    def held_back(self) -> bool:
        """Whether a pruner has stopped it for its values, for good or for now."""
        return self in (TrialState.PRUNED, TrialState.PAUSED)


class FailureCause(str, Enum):
    """Why an attempt failed."""

    EXCEPTION = "exception"
    OOM = "oom"
    TIMEOUT = "timeout"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    SIGNAL = "signal"
    EXIT = "exit"

    def __str__(self) -> str:
        return self.value
