"""Ending trials that run, and having them run on, from outside: what somebody wants is written for the trial to find.

A trial finds it wherever it runs, under every launcher, and whether a sweep process lives or not; it ends at its next
log call. One that never logs again does not end by this: that is what :mod:`hyperherd.sweep.cancel` is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from hyperherd.errors import NothingFound, SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import owner
from hyperherd.records.events import CONTINUED, Event, EventLog
from hyperherd.records.lock import LockHolder, lock_holder
from hyperherd.records.places import check_records_inside
from hyperherd.records.requests import TrialRequest, Wish, ask_to_run_on, ask_to_stop, ask_trial, read_request
from hyperherd.records.states import TrialState
from hyperherd.records.status import READMITTED, Observer, TrialStatus
from hyperherd.records.sweep import PlannedTrial, read_planned
from hyperherd.sweep.cancel import PENDING, cancel
from hyperherd.sweep.resuming.reconcile import beats_of, events_by_trial, status_of

_BEGUN = (TrialState.RUNNING, TrialState.STALLED, TrialState.REQUEUED)
_REASONS = {Wish.PRUNE: "pruned by hand", Wish.STOP: "stopped by hand"}


@dataclass(frozen=True)
class Steered:
    """What came of it.

    Attributes:
        asked: the numbers of the trials that find the request, or run on.
        refused: number -> why nothing was asked of that trial.
        not_started: of those that waited in a queue, and do not any more.
        let_be: of those that were asked to end before, and are not any more.
        holder: the sweep that runs; None if none does.
    """

    asked: tuple[int, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    not_started: tuple[int, ...] = ()
    let_be: tuple[int, ...] = ()
    holder: LockHolder | None = None


def prune(sweep_dir: Path, numbers: Set[int]) -> Steered:
    """Have trials end as pruned at their next log call.

    Raises:
        NothingFound: there is no sweep, or it has no such trial; nothing was asked then.
        Outside: the sweep's files lead elsewhere.
        SweepError: it belongs to another user.
    """
    seen = _Seen(sweep_dir, numbers)
    return _end(seen, seen.meant, Wish.PRUNE)


def stop(sweep_dir: Path, numbers: Set[int] | None = None) -> Steered:
    """Have trials end at their next log call, to be gone on with when their sweep is; all of them: and start no other.

    Raises:
        as :func:`prune`; and SweepError: what waits in a scheduler's queue cannot be taken out of it.
    """
    seen = _Seen(sweep_dir, numbers)
    if numbers is not None:
        return _end(seen, seen.meant, Wish.STOP)
    # First: a trial that begins at this moment, and is not seen to run, finds it.
    ask_to_stop(sweep_dir, _REASONS[Wish.STOP])
    seen = _Seen(sweep_dir, None)
    done = _end(seen, [trial for trial in seen.meant if seen.statuses[trial.number].state in _BEGUN], Wish.STOP)
    # The sweep that runs finds the request, and cancels what has not started; else nobody does.
    if seen.holder is not None:
        return done
    waited = cancel(sweep_dir, PENDING).numbers  # those that were requeued as well
    return replace(done, asked=tuple(number for number in done.asked if number not in waited), not_started=waited)


def run_on(sweep_dir: Path, numbers: Set[int]) -> Steered:
    """Have pruned, paused, stopped or cancelled trials run on; at once if their sweep runs, else when it does.

    A trial that was asked to end, and has not seen that yet, is not asked any more.

    Raises:
        as :func:`prune`.
    """
    seen = _Seen(sweep_dir, numbers)
    ended, asked, refused = [], [], {}
    for trial in seen.meant:
        status = seen.statuses[trial.number]
        if trial.orphan:
            refused[trial.number] = "the sweep does not have it any more (orphaned)"
        elif status.state in READMITTED:
            ended.append(trial)
        elif status.state in _BEGUN and _is_asked(sweep_dir, trial.number):
            asked.append(trial)
        else:
            refused[trial.number] = f"it is {status.state}, neither pruned, paused nor stopped"
    attempts = {trial.number: seen.statuses[trial.number].attempt for trial in (*ended, *asked)}
    # The request before the event: whoever sees that the trial waits may begin it, and has to find this.
    for number, attempt in attempts.items():
        ask_trial(sweep_dir, number, TrialRequest(Wish.CONTINUE, attempt))
    EventLog(sweep_dir).write(
        Event(CONTINUED, one.number, attempts[one.number], beats=beats_of(sweep_dir, one, attempts[one.number]))
        for one in ended
    )
    if ended and seen.holder is not None:
        ask_to_run_on(sweep_dir, [trial.number for trial in ended])
    return Steered(
        tuple(trial.number for trial in ended),
        refused,
        let_be=tuple(trial.number for trial in asked),
        holder=seen.holder,
    )


def _is_asked(sweep_dir: Path, number: int) -> bool:
    request = read_request(sweep_dir, number)
    return request is not None and request.wish is not Wish.CONTINUE


class _Seen:
    """A sweep as it is now, and which of its trials are meant."""

    def __init__(self, sweep_dir: Path, numbers: Set[int] | None) -> None:
        if not SweepPaths(sweep_dir).sweep.exists():
            raise NothingFound(f"{sweep_dir} does not contain a sweep of HyperHerd; give the directory of a sweep")
        check_records_inside(sweep_dir)
        if other := owner(sweep_dir):
            raise SweepError(f"{sweep_dir} belongs to {other}, and its trials heed nobody else; ask its owner")
        self.sweep_dir = sweep_dir
        planned = read_planned(sweep_dir)
        if unknown := (numbers or set()) - {trial.number for trial in planned}:
            raise NothingFound(
                f"{sweep_dir} has no trial {', '.join(map(str, sorted(unknown)))}; herd-results lists its trials"
            )
        events, self.holder = events_by_trial(sweep_dir), lock_holder(sweep_dir)
        observer = Observer(is_held=self.holder is not None)
        self.meant: list[PlannedTrial] = [trial for trial in planned if numbers is None or trial.number in numbers]
        self.statuses: dict[int, TrialStatus] = {
            trial.number: status_of(sweep_dir, trial, events[trial.number], observer) for trial in self.meant
        }


def _end(seen: _Seen, meant: Iterable[PlannedTrial], wish: Wish) -> Steered:
    asked, refused = [], {}
    for trial in meant:
        status = seen.statuses[trial.number]
        if status.state in _BEGUN:
            ask_trial(seen.sweep_dir, trial.number, TrialRequest(wish, status.attempt, _REASONS[wish]))
            asked.append(trial.number)
        else:
            refused[trial.number] = _why_not(status, wish)
    return Steered(tuple(asked), refused, holder=seen.holder)


def _why_not(status: TrialStatus, wish: Wish) -> str:
    if status.state in (TrialState.WAITING, TrialState.SUBMITTED):
        return f"it is {status.state}, and has not begun; `herd-results cancel --only` keeps it from beginning"
    if wish is Wish.STOP and status.state is TrialState.CANCELLED:
        return "it is cancelled already"
    return f"it is {status.state}, and does not run"
