"""The summary of a running trial, updated by reading only what is new (docs/format.md, `trial.json`).

Invariant: it agrees with the default view of the rows, so nothing that a newer attempt did again is in it. The
newest attempt's journals are read as they grow, in memory that does not; what lies before them is `settled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.metrics.rows.cuts import AttemptStart, joined
from hyperherd.metrics.rows.journal import Final, blocks, latest, parse
from hyperherd.metrics.rows.phases import PhaseOrder, by_phase, phase_of
from hyperherd.metrics.rows.sources import SourceName, list_sources
from hyperherd.metrics.rows.stats import Stats, Stream, combine, combine_stats
from hyperherd.metrics.rows.values import unwrap
from hyperherd.metrics.store.find import is_compacted, is_vanished, open_base
from hyperherd.metrics.summary.of_files import FilesSummary, Parts, Places, summarize_files, summarize_files_again
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.guarded import open_regular

if TYPE_CHECKING:
    from hyperherd.metrics.store.footer import Footer

_TRIES = 20
_Row = tuple[float, int, str, "float | None", "float | None"]


class RunningSummary:
    """What a trial has logged so far, as `trial.json` has it; all empty until `refresh`.

    Exact as long as a metric's steps do not fall within an attempt. Where they do, a value that replaces an earlier one
    at its step is counted beside it, until the journals are merged. The other metrics' values at the objective's best
    step are those logged for that step or, for a metric that has none there, its last one before.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``, or None.
    """

    def __init__(self, trial_dir: Path, objective: Mapping[str, Any] | None) -> None:
        self.metrics: dict[str, dict[str, Any]] = {}
        self.phases: dict[str, dict[str, dict[str, Any]]] = {}
        """Phase -> metric -> the same of each phase, in their order; empty if there is only the one without a name."""
        self.final: dict[str, Any] = {}
        self.objective: dict[str, Any] | None = None
        self.step: int | None = None
        self.step_seconds: float | None = None
        self._paths = TrialPaths(Path(trial_dir).absolute())  # The program may change its folder.
        self._spec = objective
        self._is_compacted: bool | None = None
        self._told: tuple[object, Footer | None] = (None, None)
        self._begin_anew()

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
            except OSError as error:  # Replaced while we read: begin again.
                self._begin_anew()
                if not is_vanished(error) or tries == _TRIES:
                    raise
        self._publish()

    def merged(self, footer: Footer) -> None:
        """Take note of the footer that `metrics.parquet` has now, which need not be read then."""
        self._told = self._version(), footer

    def _begin_anew(self) -> None:
        self._parts = Parts(self._paths.metrics, self._spec)
        self._settled = FilesSummary()
        self._restart()

    def _restart(self) -> None:
        """Begin to read the newest attempt's journals from their start, after what is settled."""
        self._before = self._parts.after(self._settled)
        self._stream = Stream(self._spec, self._before.objective)
        self._final: dict[str, Final] = {}
        self._own = AttemptStart()
        self._offsets: dict[str, int] = {}

    def _read(self) -> None:
        sources = list_sources(self._paths.metrics)  # Before the file that may replace them.
        version, footer = self._merged()
        live = {name: about for name, about in sources.items() if footer is None or name not in footer.sources}
        newest = max([about.attempt for about in live.values()] + [footer.attempt if footer else 0], default=0)
        older = {name: about for name, about in live.items() if about.attempt < newest}
        own = {name: about for name, about in live.items() if about.attempt == newest}
        parts = self._parts.names
        held = self._parts.update({name: about for name, about in own.items() if not about.is_journal})
        journals = {name: about for name, about in own.items() if about.is_journal and name not in held}
        places = Places(version, footer, older, newest)
        if places != self._settled.places:
            self._settled = summarize_files(self._paths, places, self._spec)
            self._restart()
        elif self._parts.names != parts:  # Of what we have read as a journal.
            self._restart()
        self._follow(journals)
        own_beginning = self._beginning()
        if self._settled.effect_of(own_beginning) != self._settled.effect:
            best_place = self._before.best_place
            self._settled = summarize_files_again(self._paths, self._settled, self._spec, own_beginning)
            self._before = self._parts.after(self._settled)
            if self._before.best_place != best_place:  # The other metrics' values at another step are wanted now.
                self._restart()
                self._follow(journals)

    def _beginning(self) -> AttemptStart:
        """Return how the newest attempt began, by all that it has logged."""
        streamed = AttemptStart(self._stream.first, began=self._stream.began)
        newest = self._settled.places.newest
        starts = joined([self._before.attempts, {newest: streamed}, {newest: self._own}])
        return starts[newest]

    def _merged(self) -> tuple[object, Footer | None]:
        """Return the version of `metrics.parquet` and its footer, read only if it is new."""
        version = self._version()
        if version is None:
            return self._compacted()
        known = self._settled.places
        if version == known.version:
            return version, known.footer
        if version == self._told[0]:
            return self._told
        base = open_base(self._paths)
        if base is None:
            return None, None
        with base:
            return version, base.footer

    def _version(self) -> object:
        """Return what changes with every `metrics.parquet`; None without one."""
        try:
            status = self._paths.parquet.stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _compacted(self) -> tuple[object, Footer | None]:
        """Return what a compacted sweep has of the trial; an earlier attempt's, so it does not change under us."""
        if self._is_compacted is None:
            self._is_compacted = is_compacted(self._paths)
        if not self._is_compacted:
            return None, None
        base = open_base(self._paths)
        return ("compacted", base.footer) if base else (None, None)

    def _follow(self, journals: Mapping[str, SourceName]) -> None:
        """Take in what journals hold beyond what we have read of them, in the order of time."""
        rows = [self._rows(name, about.attempt) for name, about in journals.items()]
        # Processes that the trial forked have journals of their own.
        merged: Iterable[_Row] = merge(*rows, key=lambda row: row[0])
        for _, step, metric, value, time in merged:
            self._stream.add(step, metric, value, time)

    def _rows(self, name: str, attempt: int) -> Iterator[_Row]:
        with open_regular(self._paths.metrics / name) as stream:
            stream.seek(self._offsets.get(name, 0))
            for block in blocks(stream):
                if not block.endswith(b"\n"):
                    return  # Being written.
                rows = parse(block)
                for resumed in rows.resumed:
                    self._own.resume(resumed)
                finals = [(key, Final(attempt, *item)) for key, item in rows.final.items()]
                self._final = latest([*self._final.items(), *finals])
                for step, metric, value, time in zip(rows.step, rows.metric, rows.value, rows.time, strict=True):
                    yield time or 0.0, step, metric, value, time
                self._offsets[name] = self._offsets.get(name, 0) + len(block)

    def _publish(self) -> None:
        before, stream = self._before, self._stream
        attempts = joined([before.attempts, {self._settled.places.newest: self._beginning()}])
        order = PhaseOrder(attempts)
        stats = combine_stats(before.stats, stream.stats())
        objective = combine(before.objective, before.stats, stream.objective(), order, stream.at_watched())
        final = latest([*before.final.items(), *self._final.items()])
        shown = order.shown(stats)
        self.metrics = {metric: asdict(stats[shown[metric]]) for metric in sorted(shown)}
        self.phases = {
            phase: {metric: asdict(item) for metric, item in some.items()}
            for phase, some in by_phase(stats, order).items()
        }
        self.objective = objective.as_json() if objective else None
        self.final = {name: unwrap(item.value) for name, item in final.items()}
        self.step = self._last_step(stats, order)
        # A stream that has begun anew has no pace yet; the last known one stands until then.
        self.step_seconds = stream.step_seconds() or self.step_seconds

    def _last_step(self, stats: Mapping[str, Stats], order: PhaseOrder) -> int | None:
        """Return the greatest step of the last phase that trains: what the time left is counted from."""
        stream = self._stream
        phase = order.last_training([*stats, *stream.first])
        steps = [item.last_step for name, item in stats.items() if phase in (None, phase_of(name))]
        if stream.phase in (None, phase):
            steps.append(stream.step)
        return max((step for step in steps if step is not None), default=None)
