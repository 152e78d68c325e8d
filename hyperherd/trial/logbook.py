"""The trial's own record: `trial.json`, replaced at each change of state and at least every half minute."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from hyperherd.escape import one_line
from hyperherd.metrics.consolidate.merge import merge, move_unreadable
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.paths import METRICS_FILE, TrialPaths
from hyperherd.records.alerts import alert_files, counted_by_level
from hyperherd.records.code import imported_code
from hyperherd.records.disk.files import replace_json
from hyperherd.records.provenance.packages import imported_versions
from hyperherd.records.provenance.record import provenance, versions
from hyperherd.records.states import TrialState
from hyperherd.records.status import process_started
from hyperherd.records.sweep import PlannedTrial, SweepRecord
from hyperherd.records.trial import TrialRecord
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.attempts import next_attempt, scheduler_job
from hyperherd.trial.ending import Ending
from hyperherd.trial.notes import (
    CHECKPOINT,
    GPUS,
    MAX_STEP,
    OBJECTIVE,
    STOPPED,
    TRAINING,
    VERDICT,
    handed_on,
    noted,
)
from hyperherd.trial.system.gpus import given_gpus
from hyperherd.trial.system.machine import gpus_of_torch, machine
from hyperherd.trial.system.usage import Usage

HEARTBEAT_SECONDS = 30.0
LAST_WORD_SECONDS = 30.0
"""How long the end of a trial waits for room on the disk."""
_FIRST_HEARTBEAT = 2.0
_LONGEST_REASON = 2000

log = logging.getLogger("hyperherd")


class Logbook:
    """Keeps the `trial.json` of one attempt while it runs.

    After :meth:`open` a thread writes a heartbeat with the metrics so far; :meth:`close` stops it, merges the metric
    journals and writes the last state. Thread-safe; the disk's errors are warned about once and never reach the trial.
    """

    def __init__(
        self, trial: PlannedTrial, trial_dir: Path, attempt: int, sweep: SweepRecord, sweep_dir: Path | None
    ) -> None:
        self._trial_dir = trial_dir
        self._sweep_dir = sweep_dir
        self._usage = Usage()
        self._sweep = sweep
        self._summary = RunningSummary(trial_dir, sweep.objective)
        self._stopped = threading.Event()
        self._beating: threading.Thread | None = None
        self._failing = False
        self._found: dict[str, Any] = {"code": {}}
        self._objective = sweep.objective
        self._max_step: int | None = None
        self._alert_bytes = 0
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
            gpus=given_gpus(os.environ),
            sweep=None if sweep_dir is None else str(sweep_dir),
        )

    def open(self, *, choices: dict[str, Any], config_hash: str) -> None:
        """Write the first state and the provenance, merge what earlier attempts left, and start the heartbeat.

        Args:
            choices: what is chosen of each config group.
            config_hash: of the config it runs with (docs/format.md).
        """
        self.record = self.record.with_(choices=choices, config_hash=config_hash)
        found = self._provenance()
        self.record = self.record.with_(versions=versions(found))
        # Before the merge, which may take long: from here on the trial is known to run.
        self._write(durable=True)
        if self.record.attempt:
            self._merge()
        self._keep_provenance(found)
        self._beating = threading.Thread(target=self._beat, name="hyperherd-heartbeat", daemon=True)
        self._beating.start()

    def _provenance(self) -> dict[str, Any]:
        folder = self._sweep_dir or self._trial_dir
        try:
            found = provenance(self._sweep.script, self._sweep.invocations, folder)
        except OSError as error:  # git's diff cannot be written
            self._warn(error)
            found = provenance(self._sweep.script, self._sweep.invocations)
        return {**found, "machine": machine()}

    def _keep_provenance(self, found: dict[str, Any]) -> None:
        try:
            replace_json(TrialPaths(self._trial_dir).provenance, found, durable=False)
            self._found = found
        except OSError as error:
            self._warn(error)

    def _take_notes(self) -> None:
        """Take in what callbacks have said since: the objective, and what belongs into the provenance."""
        said = {**handed_on(self._trial_dir, self.record.attempt), **noted()}
        self._max_step = said.get(MAX_STEP)
        objective = self._sweep.objective or said.get(OBJECTIVE)
        if objective != self._objective:
            self._objective, self._summary = objective, RunningSummary(self._trial_dir, objective)
        if self.record.gpus is None and GPUS in said:
            self.record = self.record.with_(gpus=said[GPUS])
        facts = {name: said[name] for name in (TRAINING, CHECKPOINT, STOPPED) if name in said}
        news = {name: value for name, value in facts.items() if value != self._found.get(name)}
        if news:
            self._keep_provenance({**self._found, **news})

    def told(self) -> tuple[StopVerdict | None, bool]:
        """Return the verdict that the training was told of, and whether that was in a process that it has started."""
        for notes, elsewhere in ((noted(), False), (handed_on(self._trial_dir, self.record.attempt), True)):
            if VERDICT in notes:
                told = notes[VERDICT]
                return StopVerdict(TrialState(told["state"]), one_line(told["reason"])[:_LONGEST_REASON]), elsewhere
        return None, False

    def close(self, ending: Ending) -> TrialRecord:
        """Write the last state with everything that was logged; return it."""
        # The heartbeat ends first: one that came after the last state would replace it.
        self._stopped.set()
        if self._beating is not None:
            self._beating.join()
        self._take_notes()
        self._take_late_imports()
        self.record = self.record.with_(resources=self._usage.taken())  # before the merge, which is not the trial's
        self._merge()
        self.record = self.record.with_(
            state=ending.state,
            cause=ending.cause,
            exit_code=ending.exit_code,
            error=ending.error,
            requeued=ending.requeued,
            stop_reason=ending.stop_reason,
            ended=max(time.time(), self.record.started or 0.0),  # the clock may have been set back
        )
        if not self._write(durable=True):
            self._insist()
        return self.record

    def _take_late_imports(self) -> None:
        """Add to the provenance what was imported, and which GPUs were used, since the attempt began."""
        news: dict[str, Any] = {}
        if len(code := imported_code(self._sweep.script)) > len(self._found["code"]):
            news["code"] = code
        if (imported := imported_versions()) != self._found.get("imported"):
            news["imported"] = imported
        if gpus := gpus_of_torch():
            news["machine"] = {**self._found.get("machine", {}), "gpus": gpus}
        if news:
            self._keep_provenance({**self._found, **news})

    def _insist(self) -> None:
        """Write the last state as soon as there is room: without it the trial reads as lost.

        The trial's end waits a while for that; then it goes on in a thread, for as long as the process lives.
        """
        deadline, pause = time.monotonic() + LAST_WORD_SECONDS, 0.1
        while time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            if self._write(durable=True):
                log.warning("the state of trial %d is written after all", self.record.number)
                return
        threading.Thread(target=self._write_some_day, name="hyperherd-last-word", daemon=True).start()

    def _write_some_day(self) -> None:
        # Not once a newer attempt has begun, whose record this would replace.
        while next_attempt(self._trial_dir) <= self.record.attempt + 1 and not self._write(durable=True):
            time.sleep(HEARTBEAT_SECONDS)

    def _beat(self) -> None:
        """Beat often at first, when a user may be watching whether the trial works, then ever more rarely."""
        pause = _FIRST_HEARTBEAT
        while not self._stopped.wait(min(pause, HEARTBEAT_SECONDS)):
            self._take_notes()
            self._usage.look()
            self._write(durable=False)
            pause *= 1.3

    def _write(self, *, durable: bool) -> bool:
        """Write the record with what has been logged so far; return whether that could be done."""
        try:
            self._summary.refresh()
        except Exception as error:  # noqa: BLE001 - Arrow has errors of many kinds; whatever they are, the state is written
            self._set_aside(error)
        self._count_alerts()
        told = _fields(self._summary, self._max_step)
        self.record = self.record.with_(heartbeat=time.time(), beats=self.record.beats + 1, **told)
        try:
            self.record.write(self._trial_dir, durable=durable)
        except OSError as error:
            self._warn(error)
            return False
        return True

    def _count_alerts(self) -> None:
        """Count the alerts of all processes and attempts of the trial, if there are new ones."""
        try:
            size = sum(size for _, size in alert_files(self._trial_dir).values())
            if size != self._alert_bytes:
                self.record = self.record.with_(alerts=counted_by_level(self._trial_dir))
                self._alert_bytes = size
        except OSError as error:
            self._warn(error)

    def _merge(self) -> None:
        # The journals stay as they are when this fails, and are read in their place.
        try:
            footer = merge(self._trial_dir, self._objective)
        except Exception as error:  # noqa: BLE001 - as above
            if self._set_aside(error):
                self._merge()
            return
        if footer is not None:
            self._summary.merged(footer)

    def _set_aside(self, error: Exception) -> bool:
        """Warn of what is wrong with the metrics; return whether a broken file was moved, so that it can go on."""
        self._warn(error)
        # An error of the disk may pass, and the file may be whole.
        if isinstance(error, OSError) and error.errno is not None:
            return False
        try:
            aside = move_unreadable(self._trial_dir)
        except (OSError, ImportError):
            return False
        if aside is not None:
            log.warning("%s of trial %d cannot be read, and is now %s", METRICS_FILE, self.record.number, aside)
        return aside is not None

    def _warn(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.warning("the state of trial %d cannot be saved: %s", self.record.number, error)


def _fields(summary: RunningSummary, max_step: int | None) -> dict[str, Any]:
    return {
        "metrics": summary.metrics,
        "phases": summary.phases,
        "final": summary.final,
        "objective": summary.objective,
        "step": summary.step,
        "max_step": max_step,
        "step_seconds": summary.step_seconds,
    }
