"""The alerts of a sweep's trials that nobody has been told of, gathered so that they do not keep a phone ringing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.plural import counted
from hyperherd.records.alerts import LEVELS, Alert, alert_files, read_file
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.notify_settings import ALERT
from hyperherd.sweep.notifying.message import Message, named, some_of
from hyperherd.sweep.notifying.told import Told

_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 900.0
"""Seconds between two messages: it doubles with each, as long as alerts keep coming."""
_KINDS = {"info": "info", "warning": "warning", "error": "failure"}


@dataclass
class AlertNews:
    """Alerts that are new, and when they may be told.

    Args:
        sweep_dir: absolute.
        name: of the sweep.
        told: what people know.
    """

    sweep_dir: Path
    name: str
    told: Told
    _new: list[tuple[PlannedTrial, Alert]] = field(default_factory=list)
    _read: dict[str, int] = field(default_factory=dict)
    """File, as `Told` has it -> how many alerts of it were in a message or wait for one."""
    _sizes: dict[str, int] = field(default_factory=dict)
    _quiet_until: float = 0.0
    _pause: float = _FIRST_PAUSE

    def read(self, trial: PlannedTrial) -> None:
        """Take in what a trial has raised since it was read last."""
        if trial.dir is None:
            return
        directory = self.sweep_dir / trial.dir
        for name, (path, size) in alert_files(directory).items():
            of = f"{ALERT} {trial.number}/{name}"
            if self._sizes.get(of) == size:
                continue
            self._sizes[of] = size
            found = read_file(path, directory)
            known = self._read.setdefault(of, self.told.number(of))
            self._new += [(trial, alert) for alert in found[known:]]
            self._read[of] = max(len(found), known)

    def messages(self, *, at_once: bool = False) -> Iterator[Message]:
        """Yield a message with all that is new, if it is time for one, or `at_once`, as nobody could send it later."""
        now = time.monotonic()
        if not self._new or (now < self._quiet_until and not at_once):
            return
        is_calm = now > self._quiet_until + 2 * self._pause
        self._pause = _FIRST_PAUSE if is_calm else min(2 * self._pause, _LONGEST_PAUSE)
        self._quiet_until = now + self._pause
        found, self._new = self._new, []
        found.sort(key=lambda one: (-LEVELS.index(one[1].level), one[1].time))
        first, worst = found[0]
        one = f"{worst.level} from trial {first.number}"
        lines = [f"{alert.level}, trial {named(trial)}: {alert.text}" for trial, alert in found]
        yield Message(
            f"sweep {self.name}: {one if len(found) == 1 else counted(len(found), 'alert')}",
            some_of(lines, "alert"),
            _KINDS[worst.level],
            settles={of: count for of, count in self._read.items() if count != self.told.number(of)},
        )
