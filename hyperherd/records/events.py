"""`events/`: what a sweep did to its trials, append only, one file per writer, so that nothing is ever rewritten."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from hyperherd.paths import SweepPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import append, dumps, read_lines
from hyperherd.records.disk.ownership import file_mode, is_own, make_folder
from hyperherd.records.job_ids import is_batch_name, is_job_id
from hyperherd.records.states import FailureCause, TrialState

log = logging.getLogger("hyperherd")

SUBMITTING = "submitting"
SUBMITTED = "submitted"
RETRIED = "retried"
ENDED = "ended"
REQUEUED = "requeued"
POSTPONED = "postponed"
"""What was to be submitted was not, and is to be later."""
CONTINUED = "continued"
"""A person wants a trial that was pruned, paused, stopped or cancelled to be run on."""
PENDING = "pending"
"""A job waits in a queue; the message is the scheduler's reason."""
PRUNED = "pruned"
"""A trial is not started, because its configuration was pruned."""
VERDICTS = frozenset({*(cause.value for cause in FailureCause), "lost", "cancelled", PRUNED})


@dataclass(frozen=True)
class Event:
    """One line: something done to, or found out about, one attempt of a trial."""

    event: str
    number: int
    attempt: int
    time: float = field(default_factory=time.time)
    job_id: str | None = None
    job_name: str | None = None
    launcher: str | None = None
    """Whose queue the job is in; None if the job cannot outlive its sweep."""
    cluster: str | None = None
    """The name of the cluster that has the job; None if it is not known."""
    message: str | None = None
    beats: int | None = None
    """Of a verdict: how many signs of life the attempt had given when it was judged, if it had begun."""
    seq: int = 0
    """Place among the events of all writers: greater than that of any event its writer had read."""

    @property
    def verdict(self) -> tuple[TrialState, FailureCause | None] | None:
        """What it records about an attempt that could not record its own end; None if it is not a verdict."""
        if self.event not in VERDICTS:
            return None
        if self.event in ("lost", "cancelled", PRUNED):
            return TrialState(self.event), None
        return TrialState.FAILED, FailureCause(self.event)


class EventLog:
    """Appends events of one process; the file is made at the first one.

    Events that the disk does not take are kept, and written before the next ones.
    """

    def __init__(self, sweep_dir: Path) -> None:
        # A file of our own: appends of several hosts to one file overwrite each other on NFS, which has no O_APPEND.
        host = socket.gethostname().split(".")[0]
        self._path = SweepPaths(sweep_dir).events / f"{host}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"
        self._kept = b""
        # Not the time: the hosts that a sweep is resumed from have clocks that differ.
        self._seq = max((event.seq for event in _events(self._path.parent)), default=0)

    def write(self, events: Iterable[Event], *, first: bool = False, durable: bool = True) -> None:
        """Append events, durably: they are on the disk when this returns, or are kept and the user has been warned.

        Args:
            events: what is to be noted.
            first: whether they must be on the disk before anything else is done.
            durable: whether to wait until the disk has them; what is noted elsewhere too need not.

        Raises:
            OSError: `first`, and they are not; they are not kept then.
        """
        lines = "".join(self._line(event) for event in events).encode("utf-8", "surrogatepass")
        if not lines:
            return
        try:
            self._append(self._kept + lines, durable=durable)
        except OSError as error:
            if first:
                raise
            if not self._kept:
                log.warning("what happens to trials cannot be noted for now: %s: %s", self._path, error)
            self._kept += lines
        else:
            self._kept = b""

    def _line(self, event: Event) -> str:
        self._seq += 1
        values = {key: value for key, value in asdict(replace(event, seq=self._seq)).items() if value is not None}
        return dumps(values) + "\n"

    def _append(self, lines: bytes, *, durable: bool) -> None:
        make_folder(self._path.parent)
        descriptor = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW, file_mode())
        try:
            # The launcher acts when this returns: an intent that a crash forgets is a job that nobody looks for.
            append(descriptor, lines, durable=durable)
        finally:
            os.close(descriptor)


def read_events(sweep_dir: Path) -> list[Event]:
    """Return the events of all writers in their order; lines that are not events are skipped.

    Writers count on from what they read. The time orders what earlier versions wrote, and what two wrote at once.
    """
    # Of events at the same time, those of one writer keep their order.
    return sorted(_events(SweepPaths(sweep_dir).events), key=lambda event: (event.seq, event.time))


def submitted_by_others(sweep_dir: Path) -> set[tuple[int, str | None]]:
    """Return number of trial and name of batch of what other users submitted, as the owners of the files show."""
    own: set[tuple[int, str | None]] = set()
    others: set[tuple[int, str | None]] = set()
    for path in SweepPaths(sweep_dir).events.glob("*.jsonl"):
        found = own if is_own(path) else others
        found.update((event.number, event.job_name) for event in _events_in(path) if event.event == SUBMITTING)
    return others - own


def _events(folder: Path) -> Iterator[Event]:
    for path in sorted(folder.glob("*.jsonl")):
        yield from _events_in(path)


def _events_in(path: Path) -> Iterator[Event]:
    known = {item.name for item in fields(Event)}
    for raw in read_lines(path):
        try:
            event = Event(**{key: value for key, value in raw.items() if key in known})
        except TypeError:
            continue
        if _typed(event):
            yield event


def _typed(event: Event) -> bool:
    return not kinds.fault(vars(event), _KINDS) and _may_be_asked_for(event)


_KINDS: dict[str, kinds.Kind] = {
    "event": kinds.text,
    "number": kinds.whole,
    "attempt": kinds.count,
    "time": kinds.moment,
    "beats": kinds.optional(kinds.count),
    "seq": kinds.count,
    **dict.fromkeys(("job_id", "job_name", "launcher", "cluster", "message"), kinds.optional(kinds.text)),
}


def _may_be_asked_for(event: Event) -> bool:
    """Return whether the id and the name of its job can be passed to a scheduler."""
    known = event.job_id is None or is_job_id(event.job_id)
    return known and (event.job_name is None or is_batch_name(event.job_name))
