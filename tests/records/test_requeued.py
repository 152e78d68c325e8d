"""A trial whose scheduler runs its job again: neither cancelled nor failed, until its job has ended for good."""

from __future__ import annotations

from typing import Any

import pytest

from hyperherd.records.events import Event
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.status import Observer, derive_status
from hyperherd.records.trial import TrialRecord

HERE = Observer(now=100.0, host="here")


def record(state: TrialState, **fields: Any) -> TrialRecord:
    fixed: dict[str, Any] = {"overrides": (), "params": {}, "attempt": 1, "started": 10.0, "heartbeat": 20.0}
    return TrialRecord(number=0, key="k", name="n", state=state, host="there", **{**fixed, **fields})


def event(kind: str, time: float, attempt: int = 1, message: str | None = None) -> Event:
    return Event(kind, 0, attempt, time=time, message=message)


SUBMITTED = event("submitting", 5.0, attempt=0)


@pytest.mark.parametrize("state", [TrialState.CANCELLED, TrialState.FAILED])
def test_by_its_own_record(state: TrialState) -> None:
    status = derive_status(record(state, requeued=True, ended=30.0), [SUBMITTED], HERE)
    assert (status.state, status.attempt) == (TrialState.REQUEUED, 1)


@pytest.mark.parametrize(
    ("own", "state"),
    [
        (record(TrialState.CANCELLED, ended=30.0), TrialState.REQUEUED),
        (record(TrialState.RUNNING), TrialState.REQUEUED),
        (record(TrialState.RUNNING, heartbeat=50.0), TrialState.RUNNING),  # a sign of life refutes it
        (record(TrialState.COMPLETED, ended=30.0), TrialState.COMPLETED),
        (record(TrialState.RUNNING, attempt=2, heartbeat=50.0), TrialState.RUNNING),  # it has begun again
    ],
)
def test_by_what_the_sweep_has_seen(own: TrialRecord, state: TrialState) -> None:
    events = [SUBMITTED, event("requeued", 40.0, message="Slurm: PENDING")]
    status = derive_status(own, events, HERE)
    assert status.state is state
    assert status.reason == ("Slurm: PENDING" if state is TrialState.REQUEUED else "")


def test_its_end_in_the_queue_counts() -> None:
    ended = event("node_failure", 50.0, message="why")
    for own in (record(TrialState.CANCELLED, requeued=True, ended=30.0), record(TrialState.RUNNING)):
        status = derive_status(own, [SUBMITTED, event("requeued", 40.0), ended], HERE)
        assert (status.state, status.cause, status.reason) == (TrialState.FAILED, FailureCause.NODE_FAILURE, "why")
    cancelled = derive_status(record(TrialState.FAILED, requeued=True, ended=30.0), [event("cancelled", 50.0)], HERE)
    assert cancelled.state is TrialState.CANCELLED


def test_signs_of_life_refute_it_whatever_the_clocks_show() -> None:
    requeued = Event("requeued", 0, 1, time=500.0, beats=3)
    assert derive_status(record(TrialState.RUNNING, heartbeat=900.0, beats=3), [requeued], HERE).state is (
        TrialState.REQUEUED
    )
    assert derive_status(record(TrialState.RUNNING, heartbeat=90.0, beats=4), [requeued], HERE).state is (
        TrialState.RUNNING
    )


def test_one_that_waits_and_has_never_begun_is_requeued_too() -> None:
    status = derive_status(None, [event("submitting", 5.0, attempt=0), event("requeued", 6.0, attempt=0)], HERE)
    assert status.state is TrialState.REQUEUED
