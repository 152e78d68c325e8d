"""Why a running trial is to end before it is done: a rule or a person has judged it, or a person has stopped it."""

from __future__ import annotations

from dataclasses import dataclass

from hyperherd.records.states import TrialState


@dataclass(frozen=True)
class StopVerdict:
    """Why a running trial is to end now.

    Attributes:
        state: ``PRUNED`` (a rule or a person has judged its values), ``PAUSED`` (a rule has, and may come to another
            judgement) or ``CANCELLED`` (stopped by a person, who may go on with it).
        reason: one line for people, without control characters.
    """

    state: TrialState
    reason: str
