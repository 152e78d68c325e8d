from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hyperherd.metrics.rows.sources import SourceName, this_host
from hyperherd.records.events import Event
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.status import SILENCE, Observer, derive_status, process_started, same_process
from hyperherd.records.trial import TrialError, TrialRecord

NOW = 1_000_000.0
HERE = Observer(NOW, socket.gethostname())


def record(attempt: int = 0, state: TrialState = TrialState.RUNNING, **fields: object) -> TrialRecord:
    base = TrialRecord(0, "key", "name", (), {}, attempt, state, started=NOW, heartbeat=NOW, host="elsewhere", pid=1)
    return base.with_(**fields)


def event(name: str, attempt: int = 0, time: float = NOW) -> Event:
    return Event(name, 0, attempt, time)


def test_signs_of_life_are_counted_not_timed() -> None:
    """The host of a trial, and the one that judged it, have clocks that differ."""
    judged = Event("lost", 0, 0, time=NOW + 500, beats=3)
    assert derive_status(record(beats=3, heartbeat=NOW + 900), [judged], HERE).state is TrialState.LOST
    assert derive_status(record(beats=4, heartbeat=NOW - 100), [judged], HERE).state is TrialState.RUNNING


def test_why_a_trial_waits_is_known() -> None:
    intent, pending = event("submitting"), Event("pending", 0, 0, job_id="7_1", message="JobHeldAdmin")
    status = derive_status(None, [intent, event("submitted"), pending], HERE)
    assert (status.state, status.reason) == (TrialState.SUBMITTED, "job 7_1 waits: JobHeldAdmin")
    assert derive_status(None, [intent, pending, intent], HERE).reason == ""
    postponed = Event("postponed", 0, 0, message="QOSMaxSubmitJobPerUserLimit")
    status = derive_status(None, [intent, postponed], HERE)
    assert (status.state, status.reason) == (TrialState.WAITING, "QOSMaxSubmitJobPerUserLimit")


@pytest.mark.parametrize(
    ("written", "events", "expected"),
    [
        (None, [], TrialState.WAITING),
        (None, [event("submitting")], TrialState.SUBMITTED),
        (None, [event("submitted"), event("lost")], TrialState.LOST),
        (None, [event("submitted"), event("oom")], TrialState.FAILED),
        (record(), [event("submitted")], TrialState.RUNNING),
        (record(), [event("cancelled")], TrialState.CANCELLED),
        (record(state=TrialState.COMPLETED), [event("lost")], TrialState.COMPLETED),
        (record(state=TrialState.FAILED), [event("submitted", attempt=1)], TrialState.SUBMITTED),
        (record(attempt=1), [event("timeout", attempt=0)], TrialState.RUNNING),
        (record(attempt=0), [event("submitted", attempt=1), event("timeout", attempt=1)], TrialState.FAILED),
        (record(heartbeat=NOW - SILENCE - 1), [], TrialState.STALLED),
        (record(state=TrialState.CANCELLED), [event("timeout")], TrialState.FAILED),
        (record(state=TrialState.CANCELLED), [event("lost")], TrialState.CANCELLED),
        (record(heartbeat=NOW + 1), [event("cancelled")], TrialState.RUNNING),
        (record(state=TrialState.COMPLETED), [event("submitting", attempt=1)], TrialState.COMPLETED),
        (record(state=TrialState.PAUSED), [event("ended"), event("lost")], TrialState.PAUSED),
        (record(state=TrialState.PAUSED), [event("ended"), event("submitting", attempt=1)], TrialState.SUBMITTED),
        (record(state=TrialState.PAUSED), [Event("continued", 0, 0, NOW, beats=0)], TrialState.WAITING),
    ],
)
def test_the_newest_attempt_decides_and_the_trials_own_word_stands(
    written: TrialRecord | None, events: list[Event], expected: TrialState
) -> None:
    assert derive_status(written, events, HERE).state is expected


def test_a_verdict_carries_its_cause() -> None:
    assert derive_status(None, [event("submitted"), event("oom")], HERE).cause is FailureCause.OOM


def test_a_failure_carries_its_reason() -> None:
    failed = record(state=TrialState.FAILED, error=TrialError("ValueError", "boom"))
    assert derive_status(failed, [], HERE).reason == "ValueError: boom"


def test_a_process_is_judged_on_its_own_host_alone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_started(child.pid)
    local = record(host=HERE.host, pid=child.pid, pid_started=started)
    assert derive_status(local, [], HERE).state is TrialState.RUNNING
    child.communicate()
    assert derive_status(local, [], HERE).state is TrialState.LOST
    assert derive_status(local.with_(host="elsewhere"), [], HERE).state is TrialState.RUNNING


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    started = process_started(os.getpid())
    assert started is not None
    assert same_process(os.getpid(), started)
    assert not same_process(os.getpid(), started - 1)


def test_a_process_that_only_waits_to_be_reaped_is_gone_for_states_and_for_journals() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    started = process_started(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    try:
        os.kill(pid, 0)  # a signal still reaches it
        assert not same_process(pid, started)
        assert not SourceName(0, this_host(), pid, "abc").may_be_alive
    finally:
        os.waitpid(pid, 0)


def _event(name: str, attempt: int, time: float, **about: str) -> Event:
    return Event(name, 0, attempt, time, **about)


NOBODY = Observer(NOW, HERE.host, is_held=False)


def test_a_recorded_end_without_a_directory_is_missing() -> None:
    history = [_event("submitting", 0, 1.0), _event("ended", 0, 2.0, message="completed")]
    status = derive_status(None, history, HERE)
    assert (status.state, status.state.problem, status.state.done) == (TrialState.MISSING, True, False)
    assert status.reason == "its end is recorded (completed), but its directory, or its trial.json, is gone"
    assert derive_status(record(state=TrialState.FAILED), history, HERE).state is TrialState.FAILED
    again = [*history, _event("submitting", 0, 3.0)]
    assert derive_status(None, again, HERE).state is TrialState.SUBMITTED
    assert derive_status(None, again, NOBODY).state is TrialState.WAITING


def test_attempts_begin_anew_where_the_directory_was_gone() -> None:
    """They are counted in the directory, so the first one in a new directory has a smaller number than was noted."""
    history = [_event(name, attempt, attempt + 1.0) for attempt in (0, 1) for name in ("submitting", "ended")]
    assert derive_status(None, history, HERE).state is TrialState.MISSING
    history.append(_event("submitting", 0, 9.0))
    assert derive_status(None, history, HERE).state is TrialState.SUBMITTED
    assert derive_status(record(), history, HERE).state is TrialState.RUNNING
    assert derive_status(record(state=TrialState.FAILED), history, HERE).state is TrialState.FAILED
    assert derive_status(None, [*history, _event("oom", 0, 10.0)], HERE).cause is FailureCause.OOM
    behind = [
        _event("submitting", 1, 1.0),
        _event("submitting", 0, 2.0),
        _event("ended", 0, 3.0),
    ]  # another host's clock
    assert derive_status(record(state=TrialState.FAILED), behind, HERE).state is TrialState.SUBMITTED


@pytest.mark.parametrize(
    ("events", "held", "left"),
    [
        ([_event("submitting", 0, 1.0)], TrialState.SUBMITTED, TrialState.WAITING),
        ([_event("submitting", 0, 1.0, launcher="herd_slurm")], TrialState.SUBMITTED, TrialState.WAITING),
        (
            [
                _event("submitting", 0, 1.0, launcher="herd_slurm"),
                _event("submitted", 0, 2.0, launcher="herd_slurm", job_id="7"),
            ],
            TrialState.SUBMITTED,
            TrialState.SUBMITTED,
        ),
        ([], TrialState.WAITING, TrialState.WAITING),
        ([_event("submitting", 0, 1.0), _event("cancelled", 0, 2.0)], TrialState.CANCELLED, TrialState.CANCELLED),
    ],
)
def test_what_a_sweep_was_to_start_waits_when_it_has_died(
    events: list[Event], held: TrialState, left: TrialState
) -> None:
    assert derive_status(None, events, HERE).state is held
    status = derive_status(None, events, NOBODY)
    assert status.state is left
    assert bool(status.reason) is (status.state is TrialState.WAITING and bool(events))


def test_an_error_stands_where_nobody_starts_the_attempt_after_it() -> None:
    failed = record(state=TrialState.FAILED, error=TrialError("ValueError", "boom"))
    again = [_event("retried", 0, 1.0), _event("submitting", 1, 2.0)]
    assert derive_status(failed, again, HERE).state is TrialState.SUBMITTED
    status = derive_status(failed, again, NOBODY)
    assert (status.state, status.attempt, status.reason) == (TrialState.FAILED, 0, "ValueError: boom")
    # A queue may have it, whoever died before that could be noted.
    queued = [_event("submitting", 1, 2.0, launcher="herd_slurm")]
    assert derive_status(failed, queued, NOBODY).state is TrialState.WAITING
    # Unless it is known that it did not take it.
    postponed = [*queued, _event("postponed", 1, 3.0, launcher="herd_slurm", message="QOSMaxSubmitJobPerUserLimit")]
    assert derive_status(failed, postponed, HERE).state is TrialState.WAITING
    assert derive_status(failed, postponed, NOBODY).reason == "ValueError: boom"


def test_a_job_that_waits_in_its_queue_is_there_although_its_submission_was_not_noted() -> None:
    events = [_event("submitting", 0, 1.0, launcher="herd_slurm"), _event("pending", 0, 2.0, job_id="7", message="why")]
    status = derive_status(None, events, NOBODY)
    assert (status.state, status.reason) == (TrialState.SUBMITTED, "job 7 waits: why")
