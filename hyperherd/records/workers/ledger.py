"""The ledgers: what each worker has claimed and how that ended, a file for each worker, append only.

A sweep that awaits trials of workers reads the ledgers, a few bytes for each trial, and not the folders of all trials.
What became of a trial stands in its own folder: a ledger only shows that it has ended.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hyperherd.paths import SweepPaths
from hyperherd.records.clocks import FilesClock
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import append, dumps
from hyperherd.records.disk.ownership import file_mode, make_folder
from hyperherd.records.lock import BEAT
from hyperherd.records.states import FailureCause
from hyperherd.records.status import SILENCE, process_started, same_process
from hyperherd.records.workers.queue import Attempt

BEGAN = "began"
CLAIMED = "claimed"
ENDED = "ended"
BACK = "back"
"""An attempt was cut short by the end of its worker, and the next one is in the queue."""
LEFT = "left"
"""The worker has ended by itself."""

Verdict = FailureCause | Literal["lost", "cancelled"]

NOTHING_LEFT = "nothing is left to run"
"""Why most workers end."""


@dataclass(frozen=True)
class Entry:
    """One line of a ledger.

    Attributes:
        worker: whose; the name of the file.
        event: one of the above.
        number: of the trial; None if it is not about one.
        attempt: of it.
        verdict: how the attempt ended, if it could not record that itself.
        reason: for people.
        host: of the worker, when it began; empty in the other lines.
        pid: there.
        pid_started: when that process started, as :func:`hyperherd.records.status.process_started` returns it.
        job_id: the scheduler's, if the worker runs in a job.
        batch: the name of that job, if a sweep has submitted it: two schedulers give the same ids to different jobs.
        places: how many trials the worker runs at once.
    """

    worker: str
    event: str
    number: int | None = None
    attempt: int = 0
    verdict: str | None = None
    reason: str = ""
    host: str = ""
    pid: int | None = None
    pid_started: float | None = None
    job_id: str | None = None
    batch: str = ""
    places: int = 1

    @property
    def job(self) -> tuple[str, str] | None:
        """The job that a sweep has submitted the worker as; None if it is another job's or nobody's."""
        return (self.batch, self.job_id) if self.batch and self.job_id else None

    @property
    def known_verdict(self) -> Verdict | None:
        """How the attempt ended, if that is one of the ways that there are."""
        if self.verdict == "lost":
            return "lost"
        if self.verdict == "cancelled":
            return "cancelled"
        return FailureCause(self.verdict) if self.verdict in {cause.value for cause in FailureCause} else None


_KINDS: dict[str, kinds.Kind] = {
    "event": kinds.text,
    "number": kinds.optional(kinds.whole),
    "attempt": kinds.count,
    "verdict": kinds.optional(kinds.text),
    "reason": kinds.text,
    "host": kinds.text,
    "pid": kinds.optional(kinds.whole),
    "pid_started": kinds.optional(kinds.moment),
    "job_id": kinds.optional(kinds.text),
    "batch": kinds.text,
    "places": kinds.count,
}


class Ledger:
    """That of this process.

    Args:
        sweep_dir: of the sweep.
    """

    def __init__(self, sweep_dir: Path) -> None:
        host = socket.gethostname().split(".")[0]
        self.worker = f"{host}-{os.getpid()}-{os.urandom(3).hex()}"
        self._path = _folder(sweep_dir) / f"{self.worker}.jsonl"
        self._touched = 0.0

    def began(self, job_id: str | None, batch: str = "", places: int = 1) -> None:
        """Note that this worker is there.

        Args:
            job_id: of the scheduler's job that it runs in, if any.
            batch: the name under which a sweep has submitted that job; empty if nobody has.
            places: how many trials it runs at once.
        """
        pid = os.getpid()
        began = {"host": socket.gethostname(), "pid": pid, "pid_started": process_started(pid)}
        self._write(BEGAN, **began, job_id=job_id, batch=batch, places=places)

    def beat(self) -> None:
        """Show that this worker is still there; cheap to call often."""
        now = time.monotonic()
        if now - self._touched >= BEAT:
            self._touched = now
            with suppress(OSError):
                os.utime(self._path)

    def claimed(self, attempt: Attempt) -> None:
        """Note that this worker has claimed an attempt, and runs it."""
        self._write(CLAIMED, number=attempt.number, attempt=attempt.attempt)

    def ended(self, attempt: Attempt, verdict: str | None, reason: str) -> None:
        """Note that an attempt has ended."""
        self._write(ENDED, number=attempt.number, attempt=attempt.attempt, verdict=verdict, reason=reason)

    def back(self, attempt: Attempt, reason: str) -> None:
        """Note that an attempt was cut short, and that the next one is in the queue."""
        self._write(BACK, number=attempt.number, attempt=attempt.attempt, reason=reason)

    def left(self, reason: str) -> None:
        """Note that this worker ends."""
        self._write(LEFT, reason=reason)

    def _write(self, event: str, **values: Any) -> None:
        line = {
            "event": event,
            "time": time.time(),
            **{key: value for key, value in values.items() if value is not None},
        }
        make_folder(self._path.parent)
        # Opened anew each time: on NFS other hosts see what was written when it is closed.
        descriptor = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW, file_mode())
        try:
            append(descriptor, (dumps(line) + "\n").encode("utf-8", "surrogatepass"), durable=False)
        finally:
            os.close(descriptor)


class Ledgers:
    """Those of all workers, read from where the last reading ended.

    Args:
        sweep_dir: of the sweep.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self._folder = _folder(sweep_dir)
        self._read: dict[str, int] = {}

    def news(self) -> Iterator[Entry]:
        """Yield what was added since; a line that is not one of a ledger is passed over."""
        with suppress(OSError):
            for path in sorted(self._folder.glob("*.jsonl")):
                yield from self._news_of(path)

    def _news_of(self, path: Path) -> Iterator[Entry]:
        done = self._read.get(path.name, 0)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        with os.fdopen(descriptor, "rb") as stream:
            if os.fstat(descriptor).st_size <= done:
                return
            stream.seek(done)
            lines, end, _ = stream.read().rpartition(b"\n")  # the last line may be half written
        self._read[path.name] = done + len(lines) + len(end)
        for line in lines.splitlines():
            if entry := _entry(path.stem, line):
                yield entry


class Roster:
    """Which worker runs what, as the ledgers have it.

    Args:
        sweep_dir: of the sweep.

    Attributes:
        workers: what each began with, by name.
        running: the attempts that were claimed and have not ended, with the names of their workers.
        claims: the workers that have claimed anything.
        left: the workers that have ended by themselves, with the reason.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self._folder = _folder(sweep_dir)
        self._ledgers = Ledgers(sweep_dir)
        self.workers: dict[str, Entry] = {}
        self.running: dict[Attempt, str] = {}
        self.claims: set[str] = set()
        self.left: dict[str, str] = {}

    def news(self) -> list[Entry]:
        """Take in what was added to the ledgers, and return it."""
        found = list(self._ledgers.news())
        for entry in found:
            if entry.event == BEGAN:
                self.workers[entry.worker] = entry
            elif entry.event == LEFT:
                self.left[entry.worker] = entry.reason
            elif entry.number is not None and entry.event == CLAIMED:
                self.running[Attempt(entry.number, entry.attempt)] = entry.worker
                self.claims.add(entry.worker)
            elif entry.number is not None and entry.event in (ENDED, BACK):
                self.running.pop(Attempt(entry.number, entry.attempt), None)
        return found

    def in_job(self, batch: str, job_id: str | None) -> list[str]:
        """Return the workers that ran in a job: several, if it was started again."""
        return [name for name, began in self.workers.items() if began.job == (batch, job_id)]

    def cut_off(self, worker: str) -> list[Attempt]:
        """Return what a worker that is gone has not noted the end of, and forget that it runs."""
        cut = [attempt for attempt, runner in self.running.items() if runner == worker]
        for attempt in cut:
            del self.running[attempt]
        return cut

    def is_dead(self, worker: str) -> bool:
        """Return whether a worker's process is known to be gone, which can be seen on its own host alone."""
        began = self.workers.get(worker)
        if began is None or began.pid is None or began.host != socket.gethostname():
            return False
        return not same_process(began.pid, began.pid_started)

    def places_by_hand(self) -> int:
        """Return how many trials workers run at once that were started by hand and give signs of life."""
        by_hand = (began for began in self.workers.values() if began.job is None)
        return sum(began.places for began in by_hand if self._is_there(began.worker))

    def _is_there(self, worker: str) -> bool:
        if worker in self.left or self.is_dead(worker):
            return False
        try:
            written = (self._folder / f"{worker}.jsonl").stat().st_mtime
        except OSError:
            return False
        return self._clock.since(written) <= SILENCE

    @cached_property
    def _clock(self) -> FilesClock:
        return FilesClock(self._folder)


def _entry(worker: str, line: bytes) -> Entry | None:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    values = {key: raw[key] for key in _KINDS if key in raw}
    if "event" not in values or kinds.fault(values, {key: _KINDS[key] for key in values}):
        return None
    return Entry(worker, **values)


def _folder(sweep_dir: Path) -> Path:
    return SweepPaths(sweep_dir).workers / "ledgers"
