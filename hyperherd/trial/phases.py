"""Which phase of its trial a value belongs to (docs/format.md, Phases): of a trainer that runs, or of a block.

Invariant: within an attempt no two phases that trainers begin have one name, and a newer attempt's phase has the name
of the older attempts' phase that it continues: a retry that skips a finished pretraining must not take its place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

from hyperherd.metrics.rows.journal import blocks, parse
from hyperherd.metrics.rows.phases import TRAININGS, as_phase, metric_of, phase_of
from hyperherd.metrics.rows.sources import list_sources, this_host
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.guarded import open_regular

Logged = Mapping[str, set[str]]
"""Phase -> the metrics that were logged in it."""


@dataclass(eq=False)
class RunningPhase:
    """A phase that has begun; it has its name once that is certain."""

    kind: str
    """``fit``, ``validate``, ...; empty for one that a block named."""
    prefix: str
    name: str | None = None
    resumed: list[tuple[int, tuple[str, ...] | None]] = field(default_factory=list)
    """What was announced before it had its name."""


class Phases:
    """The phases of one attempt as this process runs them; any thread may log.

    Args:
        writer: what is logged through; it is told the phase.
        read_older: returns what older attempts have logged.
        read_others: returns what other processes of this attempt have logged so far.
    """

    def __init__(
        self, writer: MetricWriter, read_older: Callable[[], Logged], read_others: Callable[[], Logged]
    ) -> None:
        self._writer = writer
        self._read_older = read_older
        self._read_others = read_others
        self._active: list[RunningPhase] = []
        self._used: set[str] = set()
        self._naming = threading.RLock()
        self.is_waiting = False
        """Whether the running phase gets its name with the first metrics that are logged in it."""

    def begin(self, kind: str, prefix: str = "") -> RunningPhase:
        """Begin a phase of a trainer.

        Args:
            kind: ``fit``, ``train``, ``validate``, ``test``, ``predict`` or ``evaluate``.
            prefix: what it is named by, such as ``fold0``; empty: by the block around it, else it is numbered.
        """
        block = next((phase for phase in reversed(self._active) if not phase.kind), None)
        base = as_phase(prefix).rstrip("/") or (block.name if block is not None and block.name else "")
        return self._push(RunningPhase(kind, base))

    def enter(self, name: str) -> RunningPhase:
        """Begin a phase that a block of the program names."""
        return self._push(RunningPhase("", "", as_phase(name)))

    def go_on(self, phase: RunningPhase) -> None:
        """Go on with a phase that has ended."""
        self._push(phase)

    def end(self, phase: RunningPhase) -> None:
        """End a phase; what is logged from now on belongs to the one around it."""
        with self._naming:
            if phase in self._active:
                self._active.remove(phase)
            self._tell()

    def resumed(self, step: int, metrics: Iterable[str] | None) -> None:
        """Announce where the running phase goes on; once it is certain which one that is."""
        with self._naming:
            if self.is_waiting:
                self._active[-1].resumed.append((step, None if metrics is None else tuple(metrics)))
            else:
                self._writer.resumed(step, metrics)

    def settle(self, metrics: Iterable[str]) -> None:
        """Give the running phase its name, now that something is logged in it."""
        with self._naming:
            if not self.is_waiting:
                return
            phase = self._active[-1]
            phase.name = self._named(phase, {as_phase(name) for name in metrics if isinstance(name, str)})
            self._tell()
            for step, names in phase.resumed:
                self._writer.resumed(step, names)
            phase.resumed.clear()

    def _push(self, phase: RunningPhase) -> RunningPhase:
        with self._naming:
            self._active.append(phase)
            self._tell()
        return phase

    def _tell(self) -> None:
        phase = self._active[-1] if self._active else None
        # In this order: another thread that logs meanwhile may take the old name, but never none.
        self._writer.phase = (phase.name or "") if phase is not None else ""
        self.is_waiting = phase is not None and phase.name is None

    def _named(self, phase: RunningPhase, metrics: set[str]) -> str:
        """Return the name of a trainer's phase that begins to log these metrics."""
        metrics.discard("epoch")  # Every phase has it.
        names = _names(phase.kind, phase.prefix)
        others = self._read_others()
        used = self._used | {name for name, logged in others.items() if logged & metrics}
        # A prefix says itself which phase of the older attempts a training continues.
        older = {} if phase.prefix and phase.kind in TRAININGS else self._read_older()
        known = [name for name in islice(names, len(older) + 1) if name in older and name not in used]
        whole = [name for name in known if metrics <= older[name]]
        some = [name for name in known if metrics & older[name]]
        if phase.resumed and known:
            found = (whole or some or known)[-1]  # What was cut off is the last that there was.
        elif whole:
            found = whole[0]
        else:
            taken = used | set(some)
            found = next(name for name in _names(phase.kind, phase.prefix) if name not in taken)
        self._used.add(found)
        return found


def _names(kind: str, prefix: str) -> Iterator[str]:
    """Yield the names of phases of one kind in their order: the first that trains has the prefix alone."""
    base = f"{prefix}/{kind}" if prefix else kind
    yield prefix if kind in TRAININGS else base
    for number in count(2):
        yield f"{base}-{number}"


def logged_before(trial_dir: Path, attempt: int) -> Logged:
    """Return the phases of older attempts, and the metrics that each of them has."""
    if attempt == 0:
        return {}
    from hyperherd.metrics.reader import read_attempts  # It imports pyarrow, as the merge at this attempt's start did.

    found: dict[str, set[str]] = {}
    for older, start in read_attempts(trial_dir).items():
        for series in start.first if older < attempt else ():
            found.setdefault(phase_of(series), set()).add(metric_of(series))
    return found


def logged_by_others(trial_dir: Path, attempt: int) -> Logged:
    """Return the phases that other processes of an attempt log to, such as one that was spawned for a training."""
    folder = TrialPaths(trial_dir).metrics
    found: dict[str, set[str]] = {}
    for name, about in list_sources(folder).items():
        if about.is_journal and about.attempt == attempt and (about.pid, about.host) != (os.getpid(), this_host()):
            with suppress(FileNotFoundError), open_regular(folder / name) as stream:  # it may be rolled meanwhile
                for block in blocks(stream):
                    for series in set(parse(block).metric):
                        found.setdefault(phase_of(series), set()).add(metric_of(series))
    return found


@contextmanager
def entered(phases: Phases, name: str) -> Iterator[None]:
    """Log what the block logs in the phase `name`."""
    phase = phases.enter(name)
    try:
        yield
    finally:
        phases.end(phase)
