"""Signs of life of trials, read from their records: without the clock of any host but the file server's."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.clocks import FilesClock
from hyperherd.records.states import TrialState
from hyperherd.records.status import SILENCE, same_process
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord


class Pulse:
    """Reads the signs of life of a sweep's trials.

    Args:
        sweep_dir: absolute.
        trials: which.
    """

    def __init__(self, sweep_dir: Path, trials: Iterable[PlannedTrial]) -> None:
        self._sweep_dir = sweep_dir
        self._dirs: dict[int, Path] = {}
        self.add(trials)
        self._clock = FilesClock(SweepPaths(sweep_dir).records)
        self._host = socket.gethostname()

    def add(self, trials: Iterable[PlannedTrial]) -> None:
        """Watch further trials."""
        self._dirs.update({trial.number: self._sweep_dir / trial.dir for trial in trials if trial.dir is not None})

    def sign(self, number: int) -> object | None:
        """Return the last sign of life of a trial: it differs when there is a new one; None if the trial gives none."""
        directory = self._dirs.get(number)
        if directory is None:
            return None
        try:
            if self._clock.since(TrialPaths(directory).trial.stat().st_mtime) > SILENCE:
                return None
            record = TrialRecord.read(directory)
        except (OSError, FormatError):
            return None
        if record.state is not TrialState.RUNNING:
            return None
        is_here = record.host == self._host and record.pid is not None
        if is_here and not same_process(record.pid or 0, record.pid_started):
            return None
        return record.attempt, record.beats
