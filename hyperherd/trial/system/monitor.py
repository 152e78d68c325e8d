"""A thread that logs what the trial takes of its machine; nothing that goes wrong in it reaches the training.

Its rows are of a phase of their own, `system`, at the seconds since the trial's first attempt began: whatever a
training counts, they neither move its steps nor are replaced by those of a later training or attempt.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.phases import SYSTEM
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.files import read_json
from hyperherd.records.places import in_place
from hyperherd.trial.log import CurrentTrial, found_trial
from hyperherd.trial.notes import GPUS, note
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.system.gpus import GIVEN, Energy, read_gpus
from hyperherd.trial.system.nvidia_smi import MASK
from hyperherd.trial.system.processes import TreeUse, tree_use

_FIRST = 2.0
"""Seconds until the first reading; a short trial has one as well."""
_LONGEST = 86400.0
_LAST_SECONDS = 1.0
"""How long the end of a trial waits for a row that is being written."""

log = logging.getLogger("hyperherd")


def log_system(every_s: float = 30.0) -> None:
    """Log what the running trial takes of its machine, again and again until it ends, as metrics under ``system/``.

    ``cpu_percent`` (100 is one core) and ``memory_gib`` of the trial's process with all that it has started, on Linux;
    of each GPU that it sees, where there is nvidia-smi: ``gpu0/use_percent``, ``gpu0/memory_gib``, ``gpu0/power_w`` and
    ``gpu0/energy_wh``. Tables show them if asked to (``-c system/gpu0/use_percent``); their steps are seconds since the
    trial began. Of several processes of a trial the first one logs; a further call in a trial changes nothing.

    Args:
        every_s: seconds between two readings, at least 1 and at most a day.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job.
        ValueError: `every_s` is none of these.
    """
    every_s = checked_seconds(every_s)
    trial = found_trial()
    if current_rank() == 0 and not any(isinstance(item, SystemMonitor) for item in trial.beside):
        monitor = SystemMonitor(trial, every_s)
        trial.beside.append(monitor)
        monitor.start()


def checked_seconds(every_s: float) -> float:
    """Return the time between two readings.

    Raises:
        ValueError: it is less than 1, more than a day, or not a number.
    """
    if isinstance(every_s, bool) or not isinstance(every_s, int | float) or not 1 <= every_s <= _LONGEST:
        raise ValueError(f"log_system needs at least 1 second, and at most a day, between readings, not {every_s!r}")
    return float(every_s)


class SystemMonitor(threading.Thread):
    """Reads and logs until it is closed, or something fails."""

    def __init__(self, trial: CurrentTrial, every_s: float) -> None:
        super().__init__(name="hyperherd-system", daemon=True)
        self._trial = trial
        self._every = every_s
        self._began = _began(trial)
        self._pid = os.getpid()
        self._closed = threading.Event()
        self._writing = threading.Lock()
        self._energy = Energy()
        self._before: tuple[float, TreeUse | None] = time.monotonic(), tree_use(os.getpid())

    def run(self) -> None:
        """Read and log."""
        pause = min(_FIRST, self._every)
        while not self._closed.wait(pause):
            pause = self._every
            try:
                self._log({**self._of_processes(), **self._of_gpus()})
            except Exception:  # The boundary to the user's training: whatever fails here ends this thread alone.
                log.warning("what this trial takes of its machine is not logged any more", exc_info=True)
                return

    def close(self) -> None:
        """Stop; nothing is logged when it returns."""
        self._closed.set()
        # A process that the trial forked has no such thread, and perhaps a lock that nobody lets go.
        if os.getpid() == self._pid and self._writing.acquire(timeout=_LAST_SECONDS):
            self._writing.release()

    def _log(self, values: dict[str, float | None]) -> None:
        known = {f"system/{name}": value for name, value in values.items() if value is not None}
        with self._writing:
            if known and not self._closed.is_set():
                now = time.time()
                self._trial.writer.log_rows([(known, max(0, int(now - self._began)), now)], SYSTEM)

    def _of_processes(self) -> dict[str, float | None]:
        (then, before), now, use = self._before, time.monotonic(), tree_use(os.getpid())
        self._before = now, use
        if use is None:
            return {}
        # A descendant that ended without being waited for takes its time with it.
        spent = max(0.0, use.cpu_seconds - before.cpu_seconds) if before is not None else None
        percent = None if spent is None or now <= then else 100 * spent / (now - then)
        return {"cpu_percent": percent, "memory_gib": use.memory_bytes / 2**30}

    def _of_gpus(self) -> dict[str, float | None]:
        gpus = read_gpus(os.environ.get(MASK))
        if gpus and os.environ.get(GIVEN) != "":  # else trials of one launcher see the same ones
            note(GPUS, len(gpus))
        energy = self._energy.add([gpu.power_w for gpu in gpus])
        found: dict[str, float | None] = {}
        for place, (gpu, hours) in enumerate(zip(gpus, energy, strict=True)):
            found[f"gpu{place}/use_percent"] = gpu.percent
            found[f"gpu{place}/memory_gib"] = gpu.memory_gib
            found[f"gpu{place}/power_w"] = gpu.power_w
            found[f"gpu{place}/energy_wh"] = hours
        return found


def _began(trial: CurrentTrial) -> float:
    """Return when the trial's first attempt was claimed; now, if it has no attempts."""
    for number in range(trial.attempt + 1):
        with suppress(OSError, FormatError):
            claimed = read_json(in_place(TrialPaths(trial.trial_dir).attempts / str(number), trial.trial_dir))
            if isinstance(moment := claimed.get("time"), int | float) and 0 < moment <= time.time():
                return float(moment)
    return time.time()
