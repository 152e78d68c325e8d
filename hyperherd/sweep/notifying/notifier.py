"""What is worth telling about a sweep that runs, and when; the outbox sends it.

It reads the trials' own files, so it is the same under every launcher; the longer that takes, the less often it does.
Whatever goes wrong here is warned of once, and never reaches the sweep or a trial.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.paths import SweepPaths
from hyperherd.plural import counted
from hyperherd.records.clocks import FilesClock
from hyperherd.records.states import TrialState
from hyperherd.records.status import TrialStatus
from hyperherd.records.sweep import PlannedTrial
from hyperherd.results.text.format import duration
from hyperherd.sweep.notify_settings import ALERT, FINISHED, FIRST_FAILURE, NEW_BEST, STALLED, STOPPED
from hyperherd.sweep.notifying.alert_news import AlertNews
from hyperherd.sweep.notifying.message import Message, named, some_of
from hyperherd.sweep.notifying.outbox import Outbox
from hyperherd.sweep.resuming.reconcile import status_of
from hyperherd.trial.alerts import news_reported_to

log = logging.getLogger("hyperherd")

_PAUSE = 1.0
_SHARE_OF_TIME = 0.05
_STALLED_PAUSE = 30.0
_BEST_PAUSE = 60.0
_LOOKED_AT_ONCE = 50
"""Trials of an earlier invocation that are looked at at a time."""


@dataclass
class LaunchView:
    """What of a launch is looked at.

    Attributes:
        trials: that may run, by number.
        open: returns the numbers of those that were handed over and have not ended.
        statuses: how those that have ended did, by number.
        failed_for_good: returns which have failed and are not run again.
        stopping: returns why the sweep ends early; empty if it does not.
        retries: whether trials that failed may be run again.
    """

    trials: Mapping[int, PlannedTrial]
    open: Callable[[], Collection[int]]
    statuses: Mapping[int, TrialStatus]
    failed_for_good: Callable[[], Collection[int]]
    stopping: Callable[[], str]
    retries: bool = False


@dataclass
class Notifier:
    """Watches the launches of a sweep, and writes messages.

    Args:
        sweep_dir: absolute.
        name: of the sweep.
        on: which events are told.
        outbox: sends them.
    """

    sweep_dir: Path
    name: str
    on: frozenset[str]
    outbox: Outbox
    _view: LaunchView | None = None
    _due: float = 0.0
    _stalled_due: float = 0.0
    _best_due: float = 0.0
    _done: int = 0
    _clock: FilesClock | None = None
    _ended: set[tuple[int, int]] = field(default_factory=set)
    """Number and attempt of each that has ended and was looked at since."""
    _earlier: list[PlannedTrial] = field(default_factory=list)
    _stalled: set[str] = field(default_factory=set)
    _has_failed: bool = False
    _is_stopped: bool = False
    _is_broken: bool = False

    def __post_init__(self) -> None:
        self._alerts = AlertNews(self.sweep_dir, self.name, self.outbox.told)

    @contextmanager
    def watching(self, view: LaunchView, earlier: Sequence[PlannedTrial] = ()) -> Iterator[None]:
        """Look at a launch while the block runs.

        Args:
            view: of it.
            earlier: trials that ran before, whose alerts nobody may have been told of.
        """
        self._view, self._ended, self._done, self._earlier = view, set(), 0, list(earlier)
        try:
            with news_reported_to(self._hear):
                yield
            self._guarded(lambda: self._read_earlier(len(self._earlier)))  # not if it is interrupted: there may be many
        finally:
            self._guarded(self._look_a_last_time)
            self._view = None

    def refresh(self) -> None:
        """Look for what is new, once a second at most, and send it."""
        now = time.monotonic()
        if now >= self._due:
            self._guarded(self._look)
            took = time.monotonic() - now
            self._due = now + max(_PAUSE, took / _SHARE_OF_TIME)

    def finished(self, *, is_clean: bool) -> None:
        """Tell that the sweep has ended."""
        if FINISHED in self.on:
            self.outbox.put(Message(f"sweep {self.name} finished", (), "success" if is_clean else "warning", True))
            self._guarded(self.outbox.pump)

    def interrupted(self, why: str) -> None:
        """Tell that the sweep has ended early."""
        if STOPPED in self.on and not self._is_stopped:
            self.outbox.put(Message(f"sweep {self.name} stopped", (why,), "failure", True))
            self._guarded(self.outbox.pump)

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - the boundary between notifications and the sweep, which goes on
            if not self._is_broken:
                self._is_broken = True
                log.warning("notifications: %s: %s; not reported again", type(error).__name__, error)

    def _hear(self, trial_dir: Path) -> None:
        """Take in what a trial of this very process has to tell, while its launcher keeps the sweep waiting."""
        self._guarded(lambda: self._take_in(trial_dir))

    def _take_in(self, trial_dir: Path) -> None:
        trial = next((one for one in self._trials if self.sweep_dir / str(one.dir) == trial_dir), None)
        if trial is None:
            return
        self._read_alerts([trial])
        if self._view is not None and not self._view.retries:
            status = status_of(self.sweep_dir, trial, ())
            if status.state is TrialState.FAILED:
                self._tell_failure(trial, status.attempt, f"{status.cause}: {status.reason}")
        self._tell_alerts()
        self.outbox.pump()

    @property
    def _trials(self) -> Collection[PlannedTrial]:
        return self._view.trials.values() if self._view is not None else ()

    def _look(self) -> None:
        view = self._view
        if view is not None:
            self._look_for_alerts(view)
            self._look_for_failures(view)
            self._look_for_stalled(view)
            self._look_for_best(view)
        self.outbox.pump()

    def _look_a_last_time(self) -> None:
        if self._view is not None:
            self._look_for_alerts(self._view)
            self._look_for_failures(self._view)
            self._tell_alerts(at_once=True)
        self.outbox.pump()

    def _look_for_alerts(self, view: LaunchView) -> None:
        # By attempt: what was retried, or paused and runs on, ends again.
        ended = {(number, status.attempt) for number, status in view.statuses.items()} - self._ended
        self._read_alerts([view.trials[number] for number in {*view.open(), *(number for number, _ in ended)}])
        self._ended |= ended
        self._read_earlier(_LOOKED_AT_ONCE)
        self._tell_alerts()

    def _read_alerts(self, trials: Iterable[PlannedTrial]) -> None:
        if ALERT in self.on:
            for trial in trials:
                self._alerts.read(trial)

    def _read_earlier(self, most: int) -> None:
        now, self._earlier = self._earlier[:most], self._earlier[most:]
        self._read_alerts(now)

    def _tell_alerts(self, *, at_once: bool = False) -> None:
        for message in self._alerts.messages(at_once=at_once):
            self.outbox.put(message)

    def _look_for_failures(self, view: LaunchView) -> None:
        for number in view.failed_for_good():
            status = view.statuses[number]
            self._tell_failure(view.trials[number], status.attempt, f"{status.cause or status.state}: {status.reason}")
        why = view.stopping()
        if why and not self._is_stopped and STOPPED in self.on:
            self._is_stopped = True
            self.outbox.put(Message(f"sweep {self.name} stopped", (why,), "failure", True))

    def _tell_failure(self, trial: PlannedTrial, attempt: int, why: str) -> None:
        if self._has_failed or FIRST_FAILURE not in self.on:
            return
        of = f"{FIRST_FAILURE} {trial.number}/{attempt}"
        if of in self.outbox.told:  # a resumed sweep hears of it again
            return
        self._has_failed = True
        lines = (f"trial {named(trial)}", why, "later failures are not told one by one")
        self.outbox.put(Message(f"sweep {self.name}: first failure", lines, "failure", settles={of: 1}))

    def _look_for_stalled(self, view: LaunchView) -> None:
        now = time.monotonic()
        if now < self._stalled_due or STALLED not in self.on:
            return
        self._stalled_due = now + _STALLED_PAUSE
        self._clock = self._clock or FilesClock(SweepPaths(self.sweep_dir).records)
        found: dict[str, str] = {}
        for number in view.open():
            status = status_of(self.sweep_dir, view.trials[number], (), clock=self._clock)
            of = f"{STALLED} {number}/{status.attempt}"
            if status.state is TrialState.STALLED and of not in self.outbox.told and of not in self._stalled:
                self._stalled.add(of)
                found[of] = f"trial {named(view.trials[number])}: silent for {duration(status.silent)}"
        if found:
            title = f"sweep {self.name}: {counted(len(found), 'stalled trial')}"
            self.outbox.put(
                Message(title, some_of([*found.values()], "trial"), "warning", settles=dict.fromkeys(found, 1))
            )

    def _look_for_best(self, view: LaunchView) -> None:
        if NEW_BEST not in self.on:
            return
        now = time.monotonic()
        done = sum(status.state.done for status in view.statuses.values())
        if done > self._done and now >= self._best_due:
            self._done = done
            self._best_due = now + max(_BEST_PAUSE, self.outbox.best_took / _SHARE_OF_TIME)
            self.outbox.look_for_best()
