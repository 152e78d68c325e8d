"""Live progress display: a table that is refreshed in place on a terminal, else one line for each change.

It reads the trials' own files, so it is the same under every launcher; the longer that takes, the less often it is
done.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from hyperherd.errors import FormatError
from hyperherd.escape import one_line
from hyperherd.launch.base import ROUTINE, TrialLauncher, WaitingJob
from hyperherd.metrics.store.foreign import first_results
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.pruning.decisions import read_decisions
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.results.files.recorded_metrics import recorded_metrics
from hyperherd.results.text.format import display_width, duration, measure, setting
from hyperherd.results.text.progress import Pace, Underway, steps_left
from hyperherd.results.trials.directions import direction_of
from hyperherd.sweep.streams import is_terminal, is_unicode

log = logging.getLogger("hyperherd")

_ROWS = 10
_PAUSE = 1.0
_SHARE_OF_TIME = 0.05


class Progress:
    """The trials of one launch as their files have them, read again when they change."""

    def __init__(
        self,
        sweep_dir: Path,
        trials: Sequence[PlannedTrial],
        metrics: Sequence[str] = (),
        expected: int | None = None,
        held: Sequence[PlannedTrial] = (),
    ) -> None:
        self.trials = trials
        """It may grow while the sweep runs."""
        self._sweep_dir = sweep_dir
        self._expected = expected or 0
        self.waiting: Callable[[], Mapping[int, WaitingJob]] = dict
        """Returns why jobs in a queue do not run yet."""
        self.began = time.time()
        self._metrics = metrics
        paths = {
            trial.number: TrialPaths(sweep_dir / trial.dir).trial for trial in (*trials, *held) if trial.dir is not None
        }
        self._paths = {trial.number: paths[trial.number] for trial in trials if trial.dir is not None}
        self._known = len(trials)
        self._results = first_results(sweep_dir)
        self._rungs = SweepPaths(sweep_dir).rungs
        # Those from before the launch belong to earlier attempts. The clock of the host that wrote them does not tell.
        self._seen = {number: written for number, path in paths.items() if (written := _written(path))}
        self._seen_at: dict[int, float] = {}
        self.records: dict[int, TrialRecord] = {}
        """The records of the trials that have begun, by number; only those written since the launch began."""

    def read(self) -> list[TrialRecord]:
        """Read what has changed, and return the records whose state or attempt is new."""
        changed = []
        for trial in self.trials[self._known :]:
            if trial.dir is not None:
                self._paths[trial.number] = TrialPaths(self._sweep_dir / trial.dir).trial
        self._known = len(self.trials)
        for number, path in list(self._paths.items()):
            before = self.records.get(number)
            try:
                modified = path.stat().st_mtime_ns
                if modified == self._seen.get(number):
                    continue
                record = TrialRecord.read(path.parent.parent)
            except (OSError, FormatError):  # not there yet
                continue
            told = recorded_metrics(record, str(path.parent.parent), self._results)
            record = record.with_(metrics=told.metrics, step=told.step)
            self._seen[number], self.records[number] = modified, record
            self._seen_at[number] = time.monotonic()
            if before is None or (before.standing, before.attempt) != (record.standing, record.attempt):
                changed.append(record)
        return changed

    @property
    def total(self) -> int:
        """How many trials there are to be, those of a search that it has not asked for yet among them."""
        return max(len(self.trials), self._expected)

    @property
    def running(self) -> list[TrialRecord]:
        """The records of the trials that run, the one that began first first."""
        found = [record for record in self.records.values() if record.state is TrialState.RUNNING]
        return sorted(found, key=lambda record: record.started or 0.0)

    @property
    def counts(self) -> Counter[str]:
        """How many trials are in which state."""
        known = Counter(record.standing.value for record in self.records.values())
        known[TrialState.WAITING.value] = len(self.trials) - len(self.records)
        return +known

    def metric(self, record: TrialRecord) -> str:
        """Return the last values of the metrics that matter, with their names; empty if there are none."""
        names = self._metrics or sorted(filter(direction_of, record.metrics), key=_validation_first)[:1]
        lasts = {name: record.metrics.get(name, {}).get("last") for name in names}
        return " ".join(f"{name} {measure(last)}" for name, last in lasts.items() if last is not None)

    def rung(self, record: TrialRecord) -> str:
        """Return what was decided at the last rung of a trial, in short; empty if nothing was."""
        if not self._rungs.is_dir():
            return ""
        decisions = read_decisions(self._paths[record.number].parent.parent)
        return decisions[-1].short if decisions else ""

    @property
    def pace(self) -> Pace:
        """How far the launch has come, and how long the rest takes."""
        running = self.running
        done = [record for record in self.records.values() if record.state.done and record.ended and record.started]
        return Pace(
            [max((record.ended or 0.0) - (record.started or 0.0), 0.0) for record in done],
            [Underway(self._seconds(record), self.seconds_left(record)) for record in running],
            self.total - len(self.records),
            len(self.records) - len(running),
        )

    def seconds_left(self, record: TrialRecord) -> float | None:
        """Return how long a running trial will take; see the function of this name."""
        return seconds_left(record, self._since(record))

    def _seconds(self, record: TrialRecord) -> float:
        """Return for how long a trial has run: until its last heartbeat by its own clock, from there on by ours."""
        heartbeat = record.heartbeat or record.started or 0.0
        return max(heartbeat - (record.started or heartbeat), 0.0) + self._since(record)

    def _since(self, record: TrialRecord) -> float:
        """Return the seconds since a record was seen to change."""
        return time.monotonic() - self._seen_at[record.number]


def seconds_left(record: TrialRecord, since: float) -> float | None:
    """Return how long a running trial will take by its steps, or None if it has not logged how many there are.

    Args:
        record: of the trial.
        since: seconds since it was seen to change.
    """
    return steps_left(record.step, record.max_step, record.step_seconds, since)


def _written(path: Path) -> int | None:
    with suppress(OSError):  # not there yet
        return path.stat().st_mtime_ns
    return None


def _validation_first(name: str) -> tuple[bool, str]:
    return "val" not in name, name


@contextmanager
def watched(
    launcher: TrialLauncher,
    sweep_dir: Path,
    trials: Sequence[PlannedTrial],
    metrics: Sequence[str] = (),
    expected: int | None = None,
    held: Sequence[PlannedTrial] = (),
) -> Iterator[Callable[[], None]]:
    """Yield a function that shows the progress of the trials; it is cheap to call often.

    Trials that a foreign launcher runs print where the sweep prints, so nothing is drawn there.

    Args:
        launcher: runs the trials.
        sweep_dir: absolute.
        trials: those that are to run; the list may grow.
        metrics: those that matter.
        expected: how many there are to be, if the list is to grow.
        held: those of an earlier launch that may come to be among them.
    """
    progress = Progress(sweep_dir, trials, metrics, expected, held)
    if launcher.shows_output:
        yield lambda: None
    elif is_terminal(sys.stdout):
        # What fails in this machine's own processes is reported by their launcher, with its traceback.
        progress.waiting = lambda: launcher.waiting
        with _painted(progress, sys.stdout, tells_failures=launcher.has_queue) as paint:
            yield _paced(paint)
    elif launcher.has_queue:
        yield _paced(lambda: _report(progress.read()))
        _report(progress.read())  # the last ends came after the last refresh
    else:
        yield lambda: None


def _paced(refresh: Callable[[], None]) -> Callable[[], None]:
    """Return `refresh` such that it runs once a second at most, and less often if that would take much of the time."""
    due = 0.0

    def paced() -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            refresh()
            took = time.monotonic() - now
            due = now + max(_PAUSE, took / _SHARE_OF_TIME)

    return paced


def _report(changed: Sequence[TrialRecord]) -> None:
    for record in changed:
        host = f" on {record.host}" if record.state is TrialState.RUNNING else ""
        error = f": {record.error.type}: {record.error.message}" if record.error else ""
        level = logging.ERROR if record.standing is TrialState.FAILED else logging.INFO
        log.log(level, "%s", one_line(f"trial {record.number} ({record.name}) {record.standing}{host}{error}"))


@contextmanager
def _painted(progress: Progress, terminal: TextIO, *, tells_failures: bool) -> Iterator[Callable[[], None]]:
    """Keep a table at the bottom of the terminal while the block runs; what is logged goes above it."""
    table = _Table(terminal)
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is terminal
    ]
    for handler in handlers:
        handler.setStream(_Above(table))
        handler.addFilter(_is_news)

    def paint() -> None:
        changed = progress.read()
        if tells_failures:
            _report([record for record in changed if record.standing is TrialState.FAILED])
        size = shutil.get_terminal_size()
        table.show(list(lines(progress, size.columns, size.lines, unicode=is_unicode(terminal))))

    try:
        yield paint
    finally:
        table.show([])
        for handler in handlers:
            handler.removeFilter(_is_news)
            handler.setStream(terminal)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(getattr(record, mark, False) for mark in ROUTINE)


class _Table:
    """Lines at the bottom of a terminal, which are refreshed in place."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal
        self._lines: list[str] = []

    def show(self, painted: list[str]) -> None:
        """Put these lines in the place of those that are there."""
        text = self._gone() + "".join(f"{line}\n" for line in painted)
        self._lines = painted  # first: Ctrl-C may strike while the terminal takes the text, which is erased then
        self.terminal.write(text)
        self.terminal.flush()

    def above(self, text: str) -> None:
        """Write `text` where the table begins, and the table after it."""
        self.terminal.write(self._gone() + text + "".join(f"{line}\n" for line in self._lines if text.endswith("\n")))
        self._lines = self._lines if text.endswith("\n") else []

    def _gone(self) -> str:
        return f"\x1b[{len(self._lines)}F\x1b[J" if self._lines else ""


class _Above:
    """A stream that writes above a table."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def write(self, text: str) -> int:
        self._table.above(text)
        return len(text)

    def flush(self) -> None:
        self._table.terminal.flush()


def lines(progress: Progress, width: int, height: int = 24, *, unicode: bool = False) -> Iterator[str]:
    """Yield the table's lines, none wider than `width`; all of them, and the cursor below, fit into `height`."""
    rows, now = min(_ROWS, max(height - 3, 0)), time.time()
    counted = ", ".join(f"{count} {state}" for state, count in progress.counts.items())
    bar = progress.pace.line(unicode=unicode)
    yield _cut(f"{bar}; {counted} of {progress.total}; {duration(now - progress.began)}", width)
    running = progress.running
    for record in running[:rows]:
        left = progress.seconds_left(record)
        parts = (
            one_line(" ".join(f"{name}={setting(value)}" for name, value in record.params.items())),
            _steps(record),
            one_line(progress.metric(record)),
            one_line(progress.rung(record)),
            "" if left is None else f"{duration(left)} left",
        )
        yield _cut(f"  {record.number:>4}  {'  '.join(part for part in parts if part)}", width)
    if len(running) > rows and height > 2:
        yield _cut(f"        {len(running) - rows} more running", width)
    elif height > len(running[:rows]) + 2 and (waiting := progress.waiting()):
        yield _cut(f"  in the queue: {reasons(waiting)}", width)


def reasons(waiting: Mapping[int, WaitingJob]) -> str:
    """Return why jobs wait in one line, the most frequent reason first, each with the id of a job."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for job in waiting.values():
        by_reason[job.reason].append(job.job_id)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    shown = [(len(ids), one_line(reason), ids[0] if len(ids) == 1 else f"{ids[0]}, ...") for reason, ids in ordered]
    return "; ".join(f"{count} {reason} (job {job_ids})" for count, reason, job_ids in shown)


def _steps(record: TrialRecord) -> str:
    if record.step is None:
        return ""
    return f"step {record.step}" + (f"/{record.max_step}" if (record.max_step or 0) > 0 else "")


def _cut(line: str, width: int) -> str:
    """Return `line`, cut so that it does not reach the last column."""
    while display_width(line) >= width:
        line = line[: max(len(line) - max(display_width(line) - width, 0) - 2, 0)] + "~"
        if len(line) <= 1:
            break
    return line
