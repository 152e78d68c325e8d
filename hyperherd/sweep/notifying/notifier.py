"""What is worth telling about a sweep that runs, and when; the outbox sends it.

It reads the trials' own files, so it is the same under every launcher; the longer that takes, the less often it does.
Whatever goes wrong here is warned of once, and never reaches the sweep or a trial.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.masking import masked_params
from hyperherd.paths import SweepPaths
from hyperherd.plural import counted
from hyperherd.records.alerts import LEVELS, Alert, alert_files, read_file
from hyperherd.records.clocks import FilesClock
from hyperherd.records.states import TrialState
from hyperherd.records.status import TrialStatus
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.results.text.format import duration, setting
from hyperherd.sweep.notify_settings import ALERT, FINISHED, FIRST_FAILURE, NEW_BEST, STALLED, STOPPED
from hyperherd.sweep.notifying.message import Message, inert
from hyperherd.sweep.notifying.outbox import Outbox
from hyperherd.sweep.resuming.reconcile import status_of
from hyperherd.trial.alerts import news_reported_to

log = logging.getLogger("hyperherd")

_PAUSE = 1.0
_SHARE_OF_TIME = 0.05
_STALLED_PAUSE = 30.0
_BEST_PAUSE = 60.0
_FIRST_QUIET, _LONGEST_QUIET = 60.0, 900.0
"""Seconds between two messages with alerts: it doubles with each, as long as they keep coming."""
_SHOWN = 5
"""Alerts or trials that one message names."""
_SETTINGS = 6
_LOOKED_AT_ONCE = 50
"""Trials of an earlier invocation that are looked at at a time."""
_KINDS = {"info": "info", "warning": "warning", "error": "failure"}


@dataclass
class LaunchView:
    """What of a launch is looked at.

    Attributes:
        trials: that may run, by number.
        open: returns the numbers of those that were handed over and have not ended.
        statuses: how those that have ended did, by number.
        failed_for_good: returns which have failed and are not run again.
        stopping: returns why the sweep ends early; empty if it does not.
    """

    trials: Mapping[int, PlannedTrial]
    open: Callable[[], Collection[int]]
    statuses: Mapping[int, TrialStatus]
    failed_for_good: Callable[[], Collection[int]]
    stopping: Callable[[], str]


@dataclass
class _Quiet:
    """How long alerts wait, so that a trial that raises them all the time does not keep a phone ringing."""

    until: float = 0.0
    pause: float = _FIRST_QUIET

    def begins(self, now: float) -> None:
        calm = now > self.until + 2 * self.pause
        self.pause = _FIRST_QUIET if calm else min(self.pause * 2, _LONGEST_QUIET)
        self.until = now + self.pause


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
    _quiet: _Quiet = field(default_factory=_Quiet)
    _clock: FilesClock | None = None
    _ended: set[int] = field(default_factory=set)
    _earlier: list[PlannedTrial] = field(default_factory=list)
    _alerts: list[tuple[PlannedTrial, Alert]] = field(default_factory=list)
    _read: dict[str, int] = field(default_factory=dict)
    """File of alerts -> how many of it are in a message or wait for one."""
    _sizes: dict[str, int] = field(default_factory=dict)
    _has_failed: bool = False
    _is_stopped: bool = False
    _is_broken: bool = False

    @contextmanager
    def watching(self, view: LaunchView, earlier: Sequence[PlannedTrial] = ()) -> Iterator[None]:
        """Look at a launch while the block runs.

        Args:
            view: of it.
            earlier: trials that ran before, whose alerts nobody may have been told of.
        """
        self._view, self._ended, self._earlier = view, set(), list(earlier)
        try:
            with news_reported_to(self._hear):
                yield
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
        self._read_alerts(trial)
        try:
            record = TrialRecord.read(trial_dir)
        except (OSError, FormatError):
            record = None
        if record is not None and record.state is TrialState.FAILED:
            error = f"{record.error.type}: {record.error.message}" if record.error else str(record.cause)
            self._tell_failure(trial, record.attempt, error)
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
            self._stalled_due = self._best_due = float("inf")
            for trial in self._earlier:
                self._read_alerts(trial)
            self._look_for_alerts(self._view)
            self._look_for_failures(self._view)
            self._quiet.until = 0.0  # nobody is there to send them later
            self._tell_alerts()
        self.outbox.pump()

    def _look_for_alerts(self, view: LaunchView) -> None:
        ended = view.statuses.keys() - self._ended
        for number in {*view.open(), *ended}:
            self._read_alerts(view.trials[number])
        self._ended |= ended
        now, self._earlier = self._earlier[:_LOOKED_AT_ONCE], self._earlier[_LOOKED_AT_ONCE:]
        for trial in now:
            self._read_alerts(trial)
        self._tell_alerts()

    def _read_alerts(self, trial: PlannedTrial) -> None:
        if trial.dir is None or ALERT not in self.on:
            return
        directory = self.sweep_dir / trial.dir
        for name, (path, size) in alert_files(directory).items():
            of = f"{ALERT} {trial.number}/{name}"
            if self._sizes.get(of) == size:
                continue
            self._sizes[of] = size
            found = read_file(path, directory)
            known = self._read.setdefault(of, self.outbox.told.number(of))
            self._alerts += [(trial, alert) for alert in found[known:]]
            self._read[of] = max(len(found), known)

    def _tell_alerts(self) -> None:
        now = time.monotonic()
        if not self._alerts or now < self._quiet.until:
            return
        self._quiet.begins(now)
        found, self._alerts = self._alerts, []
        found.sort(key=lambda one: (-LEVELS.index(one[1].level), one[1].time))
        worst = found[0][1].level
        lines = [f"{alert.level}, trial {_named(trial)}: {alert.text}" for trial, alert in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"and {counted(len(found) - _SHOWN, 'more alert')}")
        title = f"sweep {self.name}: "
        title += f"{worst} from trial {found[0][0].number}" if len(found) == 1 else counted(len(found), "alert")
        numbers = {trial.number for trial, _ in found}
        settles = {of: read for of, read in self._read.items() if int(of.split()[1].partition("/")[0]) in numbers}
        self.outbox.put(Message(title, tuple(lines), _KINDS[worst], settles=settles))

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
        lines = (f"trial {_named(trial)}", why, "later failures are not told one by one")
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
            if status.state is TrialState.STALLED and of not in self.outbox.told and of not in self._read:
                self._read[of] = 1
                found[of] = f"trial {_named(view.trials[number])}: silent for {duration(status.silent)}"
        if found:
            lines = list(found.values())[:_SHOWN]
            if len(found) > _SHOWN:
                lines.append(f"and {counted(len(found) - _SHOWN, 'more trial')}")
            title = f"sweep {self.name}: {counted(len(found), 'stalled trial')}"
            self.outbox.put(Message(title, tuple(lines), "warning", settles=dict.fromkeys(found, 1)))

    def _look_for_best(self, view: LaunchView) -> None:
        if NEW_BEST not in self.on:
            return
        now = time.monotonic()
        done = sum(status.state.done for status in view.statuses.values())
        if done > self._done and now >= self._best_due:
            self._done = done
            self._best_due = now + max(_BEST_PAUSE, self.outbox.best_took / _SHARE_OF_TIME)
            self.outbox.look_for_best()


def _named(trial: PlannedTrial) -> str:
    """Return the number of a trial with its parameters, those of keys that look like secrets masked."""
    params = list(masked_params(trial.params).items())
    told = [f"{name}={inert(setting(value), 60)}" for name, value in params[:_SETTINGS]]
    more = [f"... {len(params) - _SETTINGS} more"] if len(params) > _SETTINGS else []
    return f"{trial.number} ({' '.join([*told, *more])})" if told else str(trial.number)
