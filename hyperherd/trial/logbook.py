"""The trial's own record: `trial.json`, replaced at each change of state and at least every half minute."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.paths import TrialPaths
from hyperherd.records.files import replace_json
from hyperherd.records.provenance import provenance
from hyperherd.records.states import TrialState
from hyperherd.records.status import process_started
from hyperherd.records.sweep import PlannedTrial, SweepRecord
from hyperherd.records.trial import TrialRecord
from hyperherd.trial.attempts import scheduler_job
from hyperherd.trial.ending import Ending
from hyperherd.trial.log import expected_steps

HEARTBEAT_SECONDS = 30.0
_FIRST_HEARTBEAT = 2.0

log = logging.getLogger("hyperherd")


class Logbook:
    """Keeps the `trial.json` of one attempt while it runs.

    After :meth:`open` a thread writes a heartbeat with the metrics so far; :meth:`close` stops it, merges the metric
    journals and writes the last state. Thread-safe; the disk's errors are warned about once and never reach the trial.
    """

    def __init__(self, trial: PlannedTrial, trial_dir: Path, attempt: int, sweep: SweepRecord, sweep_dir: Path) -> None:
        self._trial_dir = trial_dir
        self._sweep = sweep
        self._summary = RunningSummary(trial_dir, sweep.objective)
        self._stopped = threading.Event()
        self._beating: threading.Thread | None = None
        self._failing = False
        self.record = TrialRecord(
            number=trial.number,
            key=trial.key,
            name=trial.name,
            overrides=trial.overrides,
            params=trial.params,
            attempt=attempt,
            state=TrialState.RUNNING,
            started=time.time(),
            host=socket.gethostname(),
            pid=os.getpid(),
            pid_started=process_started(os.getpid()),
            job_id=scheduler_job(),
            sweep=str(sweep_dir),
        )

    def open(self) -> None:
        """Write the first state and the provenance, merge what earlier attempts left, and start the heartbeat."""
        self._write(durable=True)
        if self.record.attempt:
            self._merge()
        try:
            found = provenance(self._sweep.script)
            replace_json(TrialPaths(self._trial_dir).provenance, found, durable=False)
        except OSError as error:
            self._warn(error)
        self._beating = threading.Thread(target=self._beat, name="hyperherd-heartbeat", daemon=True)
        self._beating.start()

    def close(self, ending: Ending) -> TrialRecord:
        """Write the last state with everything that was logged; return it."""
        self._stopped.set()
        if self._beating is not None:
            self._beating.join()
        self._merge()
        self.record = self.record.with_(
            state=ending.state,
            cause=ending.cause,
            exit_code=ending.exit_code,
            error=ending.error,
            ended=time.time(),
        )
        self._write(durable=True)
        return self.record

    def _beat(self) -> None:
        """Beat often at first, when a user may be watching whether the trial works, then ever more rarely."""
        pause = _FIRST_HEARTBEAT
        while not self._stopped.wait(min(pause, HEARTBEAT_SECONDS)):
            self._write(durable=False)
            pause *= 1.3

    def _write(self, *, durable: bool) -> None:
        try:
            self._summary.refresh()
            self.record = self.record.with_(
                heartbeat=time.time(), beats=self.record.beats + 1, **_fields(self._summary)
            )
            self.record.write(self._trial_dir, durable=durable)
        except OSError as error:
            self._warn(error)

    def _merge(self) -> None:
        # The journals stay as they are when this fails, and are read in their place.
        try:
            merge(self._trial_dir, self._sweep.objective)
        except (OSError, ImportError, FormatError) as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.warning("the state of trial %d cannot be saved: %s", self.record.number, error)


def _fields(summary: RunningSummary) -> dict[str, Any]:
    return {
        "metrics": summary.metrics,
        "final": summary.final,
        "objective": summary.objective,
        "step": summary.step,
        "max_step": expected_steps(),
        "step_seconds": summary.step_seconds,
    }
