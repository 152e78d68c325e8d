"""The state of a trial: what follows from its own record, what was done to it, the clock and the process table.

Nothing here is ever stored, so no two files can disagree about a state.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hyperherd.records.events import CONTINUED, ENDED, PENDING, POSTPONED, REQUEUED, SUBMITTED, SUBMITTING, Event
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialRecord

SILENCE = 180.0
"""Seconds without a heartbeat after which a running trial is stalled."""

READMITTED = (TrialState.PRUNED, TrialState.PAUSED, TrialState.CANCELLED)
"""How a trial may have ended that a person can have run on."""
_GONE = "but its directory, or its trial.json, is gone"
_REASONS_TO_END_IT = frozenset({"timeout", "preempted", "node_failure", "oom"})


@dataclass(frozen=True)
class Observer:
    """Who asks: a trial's process can be checked on its own host only."""

    now: float = field(default_factory=time.time)
    host: str = field(default_factory=socket.gethostname)
    is_held: bool = True
    """Whether the sweep that was to start the trials may still do so."""


@dataclass(frozen=True)
class TrialStatus:
    """Where a trial stands, and on whose word."""

    state: TrialState
    attempt: int = 0
    cause: FailureCause | None = None
    reason: str = ""
    silent: float = 0.0
    """Seconds since a stalled trial last gave a sign of life."""


def derive_status(
    record: TrialRecord | None, events: Iterable[Event], observer: Observer, silent: float | None = None
) -> TrialStatus:
    """Return where a trial stands.

    Args:
        record: its `trial.json`, or None if no attempt has written one.
        events: all events about it, in their order.
        observer: who asks, when, and on which host.
        silent: seconds since its `trial.json` was written, by the clock of the file system (`FilesClock`); without
            that the clock of the trial's host is compared with the observer's.
    """
    history, earlier = _since_the_directory(list(events)), None
    attempt = max((event.attempt for event in history), default=0)
    is_readmitted = record is not None and record.state in READMITTED and _is_continued(record, history)
    # What is done stays done, whatever was tried with it since; but a person may have a pruned trial run on.
    if record is not None and record.state.done and not is_readmitted:
        return TrialStatus(record.state, record.attempt, record.cause, _reason(record))
    if record is not None and record.attempt >= attempt:
        if is_readmitted and attempt <= record.attempt:
            return TrialStatus(TrialState.WAITING, record.attempt, reason=f"{record.state}, and to be continued")
        if record.state is not TrialState.RUNNING:
            return _requeued(record, history) or _last_word(record, history)
        attempt = record.attempt
    else:
        earlier = record if record is not None and record.state is TrialState.FAILED else None
        record = None
    own = [event for event in history if event.attempt == attempt]
    if earlier is not None and [event.event for event in own if event.verdict][-1:] == ["cancelled"]:
        return _last_word(earlier, history)  # what was to be run again never was: the error stands
    for event in reversed(own):
        if event.event == SUBMITTING:  # anew: earlier verdicts are about a job that never started
            break
        if event.event == CONTINUED and record is None:
            return TrialStatus(TrialState.WAITING, attempt, reason="cancelled, and to be continued")
        if event.event == POSTPONED and record is None:
            if earlier is not None and not observer.is_held:
                return _last_word(earlier, history)  # nobody runs it again: the error stands
            return TrialStatus(TrialState.WAITING, attempt, reason=event.message or "")
        if event.event == ENDED and record is None:
            return TrialStatus(TrialState.MISSING, attempt, None, f"its end is recorded ({event.message}), {_GONE}")
        if event.event == REQUEUED and (record is None or not _refutes(record, event)):
            return TrialStatus(TrialState.REQUEUED, attempt, reason=event.message or "")
        if event.verdict is not None and (record is None or not _refutes(record, event)):
            state, cause = event.verdict
            return TrialStatus(state, attempt, cause, event.message or "")
    if record is not None:
        return _alive(record, observer, silent)
    status = _not_begun(own, attempt, observer)
    if status.state is TrialState.WAITING and earlier is not None and not any(event.launcher for event in own):
        return _last_word(earlier, history)  # as above; a queue may have it, whoever died before that was noted
    return status


def _is_continued(record: TrialRecord, history: Iterable[Event]) -> bool:
    """Return whether somebody wants a trial to run on that has ended as its record says; it may have run on since."""
    ends = [(event.attempt, event.beats) for event in history if event.event == CONTINUED and event.beats is not None]
    return any((record.attempt, record.beats) <= end for end in ends)


def _since_the_directory(history: list[Event]) -> list[Event]:
    """Return the events since the last submission as an attempt that there had been before.

    Attempts are counted in the trial's directory: the one before was gone, and what was noted until then is about it.
    """
    greatest, first, ended = -1, 0, set[int]()
    for place, event in enumerate(history):
        # One that has not ended was submitted later, by a host whose clock is behind: nobody submits a trial that is.
        if event.event == SUBMITTING and event.attempt < greatest and greatest in ended:
            greatest, first, ended = event.attempt, place, set()
        if event.event == ENDED or event.verdict is not None:
            ended.add(event.attempt)
        greatest = max(greatest, event.attempt)
    return history[first:]


def _not_begun(own: Sequence[Event], attempt: int, observer: Observer) -> TrialStatus:
    """Return where a trial stands that has left no word: with a queue, with a sweep that runs, or with nobody."""
    last = next((event for event in reversed(own) if event.event in (SUBMITTING, SUBMITTED, PENDING)), None)
    if last is None:
        return TrialStatus(TrialState.WAITING, attempt)
    # Only the sweep can start what was meant to be submitted; after its death nobody does.
    if last.event != SUBMITTING or observer.is_held:
        return TrialStatus(TrialState.SUBMITTED, attempt, reason=_queue_reason(last))
    return TrialStatus(TrialState.WAITING, attempt, None, "its sweep ended before it started")


def _requeued(record: TrialRecord, history: Iterable[Event]) -> TrialStatus | None:
    """Return that the job of an ended attempt waits in its queue again, or how it ended there; None if neither."""
    said = [event for event in history if event.attempt == record.attempt]
    said = [event for event in said if event.event == REQUEUED or event.verdict]
    if said and said[-1].verdict:  # the job came to an end after all
        state, cause = said[-1].verdict
        return TrialStatus(state, record.attempt, cause, said[-1].message or "") if record.requeued else None
    if not said and not record.requeued:
        return None
    reason = (said[-1].message if said else "") or _reason(record)
    return TrialStatus(TrialState.REQUEUED, record.attempt, reason=reason)


def _refutes(record: TrialRecord, verdict: Event) -> bool:
    """Return whether an attempt gave a sign of life after it was judged: the job was thought lost, or not cancelled."""
    if verdict.beats is not None:
        return record.beats > verdict.beats
    return verdict.time < (record.heartbeat or 0.0)  # an event of an earlier version


def _queue_reason(event: Event) -> str:
    return f"job {event.job_id} waits: {event.message}" if event.event == PENDING else ""


def _last_word(record: TrialRecord, history: Iterable[Event]) -> TrialStatus:
    """Return what an ended attempt recorded; why it was asked to stop it cannot know, a verdict may."""
    if record.state is TrialState.CANCELLED:
        for event in history:
            if event.attempt == record.attempt and _explains(event, record):
                return TrialStatus(TrialState.FAILED, record.attempt, FailureCause(event.event), event.message or "")
        messages = [
            event.message for event in history if event.attempt == record.attempt and event.event == "cancelled"
        ]
        return TrialStatus(
            record.state, record.attempt, record.cause, next(filter(None, messages), _interrupted(record))
        )
    return TrialStatus(record.state, record.attempt, record.cause, _reason(record))


def _explains(event: Event, record: TrialRecord) -> bool:
    """Return whether an event is why an attempt was asked to stop, rather than what was concluded before its record."""
    is_cause = event.event in {cause.value for cause in FailureCause}
    return event.event in _REASONS_TO_END_IT or (is_cause and event.beats is not None and not _refutes(record, event))


def _reason(record: TrialRecord) -> str:
    if record.error is None:
        return record.stop_reason
    return f"{record.error.type}: {record.error.message}".strip(": ")


def _interrupted(record: TrialRecord) -> str:
    """Return why a trial that was told to end did so, as far as it knows itself."""
    return _reason(record) or "it was interrupted (Ctrl-C, or SIGTERM) while it ran"


def _alive(record: TrialRecord, observer: Observer, silent: float | None) -> TrialStatus:
    if record.host == observer.host and record.pid is not None and not same_process(record.pid, record.pid_started):
        return TrialStatus(TrialState.LOST, record.attempt, None, f"process {record.pid} no longer runs")
    if silent is None:  # who only looks at results: clocks may then differ by less than SILENCE
        silent = observer.now - (record.heartbeat or record.started or observer.now)
    if silent > SILENCE:
        return TrialStatus(TrialState.STALLED, record.attempt, None, f"silent for {silent:.0f} s", silent)
    return TrialStatus(TrialState.RUNNING, record.attempt)


def same_process(pid: int, started: float | None = None) -> bool:
    """Return whether process `pid` of this host can still act, and started then, so that it is not a later namesake."""
    if pid <= 0:  # What a signal to these means is a group of processes.
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if fields is None:
        return True
    # A zombie still takes signals until its parent reaps it, but will never write or run anything again.
    return fields[0] not in (b"Z", b"X") and (started is None or float(fields[19]) == started)


def process_started(pid: int) -> float | None:
    """Return when process `pid` started, in clock ticks since boot; None where there is no ``/proc``."""
    fields = _stat(pid)
    return None if fields is None else float(fields[19])


def _stat(pid: int) -> list[bytes] | None:
    """Return the fields of ``/proc/PID/stat`` from the state on; None if they cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The command's name comes before them, in parentheses, and may itself hold blanks and parentheses.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > 19 else None
