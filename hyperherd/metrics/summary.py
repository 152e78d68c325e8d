"""The summary of a running trial, kept up to date at the price of what is new (docs/format.md, `trial.json`).

Invariant: it says what the default view of the rows says, so nothing that a newer attempt did again is in it. The
newest attempt's journals are read as they grow, in memory that does not; what lies before them is `settled`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.metrics.journal import Final, JournalName, blocks, latest, list_journals, parse
from hyperherd.metrics.settled import Parts, Settled, settle
from hyperherd.metrics.stats import Stats, Stream, combine
from hyperherd.metrics.values import unwrap
from hyperherd.paths import TrialPaths

if TYPE_CHECKING:
    from hyperherd.metrics.parquet import Footer

_TRIES = 20
_Row = tuple[float, int, str, "float | None", "float | None"]


class RunningSummary:
    """What a trial has logged so far, as `trial.json` tells it; all empty until `refresh`.

    Exact as long as a metric's steps do not fall within an attempt. Where they do, a value that replaces an earlier one
    at its step is counted beside it, until the journals are merged. The other metrics' values at the objective's best
    step are those logged for that step or, for a metric that has none there, its last one before.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``, or None.
    """

    def __init__(self, trial_dir: Path, objective: Mapping[str, Any] | None) -> None:
        self.metrics: dict[str, dict[str, Any]] = {}
        self.final: dict[str, Any] = {}
        self.objective: dict[str, Any] | None = None
        self.step: int | None = None
        self.step_seconds: float | None = None
        self._paths = TrialPaths(Path(trial_dir).absolute())  # The program may change its folder.
        self._spec = objective
        self._start(Settled())

    def refresh(self) -> None:
        """Take in what is new on disk.

        Raises:
            OSError: a file cannot be read.
            FormatError: `metrics.parquet` is broken, or of a newer format than ours.
        """
        for tries in range(1, _TRIES + 1):
            try:
                self._read()
                break
            except OSError as error:  # Merged away while we read: begin again.
                self._start(Settled())
                if error.errno not in (errno.ENOENT, errno.ESTALE) or tries == _TRIES:
                    raise
        self._tell()

    def _start(self, settled: Settled) -> None:
        """Begin to read the newest attempt's journals, from their start."""
        self._settled = settled
        self._stream = Stream(self._spec, settled.best_step)
        self._final: dict[str, Final] = {}
        self._offsets: dict[str, int] = {}

    def _read(self) -> None:
        journals = list_journals(self._paths.metrics)  # Before the file that may replace them.
        version, footer = self._merged()
        live = {name: about for name, about in journals.items() if footer is None or name not in footer.sources}
        newest = max([about.attempt for about in live.values()] + [footer.attempt if footer else 0], default=0)
        older = {name: about for name, about in live.items() if about.attempt < newest}
        parts = Parts(version, footer, older, newest)
        if parts != self._settled.parts:
            self._start(settle(self._paths, parts, self._spec, {}))
        own = {name: about for name, about in live.items() if about.attempt == newest}
        self._follow(own)
        while cuts := self._settled.new_cuts(self._stream.first):
            best_step = self._settled.best_step
            self._settled = settle(self._paths, parts, self._spec, {**self._settled.cuts, **cuts})
            if self._settled.best_step != best_step:  # The other metrics' values at another step are wanted now.
                self._start(self._settled)
                self._follow(own)

    def _merged(self) -> tuple[object, Footer | None]:
        """Return the version of `metrics.parquet` and its footer, read only if it is new."""
        try:
            status = self._paths.parquet.stat()
        except FileNotFoundError:
            return None, None
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._settled.parts
        if version == known.version:
            return version, known.footer
        from hyperherd.metrics.parquet import MetricsFile

        with MetricsFile(self._paths.parquet) as file:
            return version, file.footer

    def _follow(self, journals: Mapping[str, JournalName]) -> None:
        """Take in what journals hold beyond what we have read of them, in the order of time."""
        rows = [self._rows(name, about.attempt) for name, about in journals.items()]
        merged: Iterable[_Row] = merge(*rows, key=lambda row: row[0])
        for _, step, metric, value, time in merged:
            self._stream.add(step, metric, value, time)

    def _rows(self, name: str, attempt: int) -> Iterator[_Row]:
        with open(self._paths.metrics / name, "rb") as stream:
            stream.seek(self._offsets.get(name, 0))
            for block in blocks(stream):
                if not block.endswith(b"\n"):
                    return  # Being written.
                rows = parse(block)
                finals = [(key, Final(attempt, *item)) for key, item in rows.final.items()]
                self._final = latest([*self._final.items(), *finals])
                for step, metric, value, time in zip(rows.step, rows.metric, rows.value, rows.time, strict=True):
                    yield time or 0.0, step, metric, value, time
                self._offsets[name] = self._offsets.get(name, 0) + len(block)

    def _tell(self) -> None:
        stats = dict(self._settled.stats)
        for name, newer in self._stream.stats().items():
            stats[name] = stats.get(name, Stats()).merged(newer)
        objective = combine(self._settled.objective, self._settled.stats, self._stream)
        final = latest([*self._settled.final.items(), *self._final.items()])
        steps = [item.last_step for item in stats.values()] + [self._stream.step]
        self.metrics = {name: asdict(stats[name]) for name in sorted(stats)}
        self.objective = objective.as_json() if objective else None
        self.final = {name: unwrap(item.value) for name, item in final.items()}
        self.step = max((step for step in steps if step is not None), default=None)
        self.step_seconds = self._stream.step_seconds() or self.step_seconds
