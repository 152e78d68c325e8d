"""The part of a trial's rows that does not grow: what is merged, what older attempts left, what has been rolled.

Invariant: pyarrow is imported only if there is such a part, and rows are read only where the footer does not tell it:
where a newer attempt supersedes some of them, or another objective is asked for.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.metrics.rows.cuts import NO_STEP, AttemptStart, Cuts, joined
from hyperherd.metrics.rows.journal import Final, latest
from hyperherd.metrics.rows.phases import PhaseOrder, is_phased, phase_of
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.rows.stats import ObjectiveResult, Stats, combine, combine_stats
from hyperherd.paths import TrialPaths

if TYPE_CHECKING:
    from hyperherd.metrics.store.footer import Footer


@dataclass(frozen=True)
class Places:
    """Where the rows lie, at one instant."""

    version: object = None
    """Changes whenever `metrics.parquet` is replaced."""
    footer: Footer | None = None
    older: Mapping[str, SourceName] = field(default_factory=dict)
    """Unmerged journals and parts of attempts before the newest."""
    newest: int = 0
    """The newest attempt that has logged."""


@dataclass(frozen=True)
class FilesSummary:
    """What some rows say."""

    places: Places = field(default_factory=Places)
    stats: Mapping[str, Stats] = field(default_factory=dict)
    """By series."""
    objective: ObjectiveResult | None = None
    final: Mapping[str, Final] = field(default_factory=dict)
    attempts: Mapping[int, AttemptStart] = field(default_factory=dict)
    effect: object = None
    """What the newest attempt's unmerged rows change in these; see `effect_of`."""
    lasts: Mapping[str, int] = field(default_factory=dict)
    """The last step of every series, before anything was superseded."""

    @property
    def best_place(self) -> tuple[str, int | None] | None:
        """Phase and step of the objective's best value."""
        return (self.objective.phase, self.objective.best_step) if self.objective else None

    def with_newer(self, newer: FilesSummary, at_best: Mapping[str, float]) -> FilesSummary:
        """Return what these rows and those of a part that came after them say together.

        Args:
            newer: what the part says.
            at_best: what the part has of other metrics at the best step of these, or before it.
        """
        attempts = joined([self.attempts, newer.attempts])
        return replace(
            self,
            stats=combine_stats(self.stats, newer.stats),
            objective=combine(self.objective, self.stats, newer.objective, PhaseOrder(attempts), at_best),
            final=latest([*self.final.items(), *newer.final.items()]),
            attempts=attempts,
        )

    def effect_of(self, own: AttemptStart) -> object:
        """Return what the newest attempt changes in these rows, given how it began; None if nothing.

        It supersedes some of them, or makes another phase of the objective's the one that counts.
        """
        newest = self.places.newest
        older = {attempt: item for attempt, item in self.attempts.items() if attempt < newest}
        if not older:
            return None
        cuts = Cuts({**older, newest: own})
        firsts = {
            series: NO_STEP if cuts.restart(phase_of(series)) == newest else own.cut(series) for series in self.lasts
        }
        superseded = {series: step for series, step in firsts.items() if step <= self.lasts[series]}
        counts = self._counting({**older, newest: own})
        moved = counts if counts != self._counting(older) else None
        return (superseded, moved) if superseded or moved else None

    def _counting(self, attempts: Mapping[int, AttemptStart]) -> str | None:
        """Return the objective's series that counts among these, if attempts began so."""
        if self.objective is None or not is_phased(self.lasts):
            return None
        return PhaseOrder(attempts).shown(self.lasts).get(self.objective.metric)


def summarize_files(paths: TrialPaths, places: Places, spec: Mapping[str, Any] | None) -> FilesSummary:
    """Return what the rows in `places` say for the objective `spec`.

    Raises:
        OSError: ENOENT or ESTALE if a file was merged away or replaced meanwhile.
    """
    footer = places.footer
    if footer is None and not places.older:
        return FilesSummary(places)
    if footer is None or places.older or footer.attempts is None or not footer.has_objective(spec):
        settled = _from_rows(paths, FilesSummary(places), spec, {})
    else:
        objective = footer.objective if spec else None
        settled = FilesSummary(places, footer.metrics, objective, footer.final, footer.attempts)
    lasts = {name: item.last_step for name, item in settled.stats.items() if item.last_step is not None}
    return replace(settled, lasts=lasts)


def summarize_files_again(
    paths: TrialPaths, settled: FilesSummary, spec: Mapping[str, Any] | None, own: AttemptStart
) -> FilesSummary:
    """Return what the same rows say without those that the newest attempt supersedes, given how it began."""
    return _from_rows(paths, replace(settled, effect=settled.effect_of(own)), spec, {settled.places.newest: own})


def _from_rows(
    paths: TrialPaths, settled: FilesSummary, spec: Mapping[str, Any] | None, own: Mapping[int, AttemptStart]
) -> FilesSummary:
    from hyperherd.metrics.store.default_view import default_view
    from hyperherd.metrics.store.find import add_parts, open_base
    from hyperherd.metrics.store.sorted_rows import SortedRows
    from hyperherd.metrics.summary.of_rows import summarize

    places = settled.places
    with SortedRows() as stored:
        if places.footer is not None:
            base = open_base(paths)
            if base is None or base.footer.sources != places.footer.sources:
                # As if it had vanished: the caller lists the folder and begins again.
                raise OSError(errno.ESTALE, "replaced meanwhile", str(paths.parquet))
            stored.add_file(base)
        held = add_parts(stored, paths.metrics, places.older)
        journals = {name: about for name, about in places.older.items() if about.is_journal and name not in held}
        stored.add_journals(paths.metrics, journals)
        attempts = joined([stored.attempts, own])
        cuts = Cuts(attempts)
        stats, objective = summarize(lambda metrics: default_view(stored.batches(metrics), cuts), spec, attempts)
        return replace(settled, stats=stats, objective=objective, final=stored.final, attempts=stored.attempts)


class Parts:
    """What the parts of the newest attempt say; each is read once."""

    def __init__(self, folder: Path, spec: Mapping[str, Any] | None) -> None:
        self._folder = folder
        self._spec = spec
        self._known: dict[str, tuple[FilesSummary, tuple[str, ...]]] = {}

    def update(self, parts: Mapping[str, SourceName]) -> set[str]:
        """Take in those that there are now; return the names of the sources that they replace."""
        held: set[str] = set()
        known = {}
        # The greatest level first: it names the parts that it replaces, which may still lie there.
        for name in sorted(parts, key=lambda name: parts[name].level, reverse=True):
            if name not in held:
                known[name] = self._known.get(name) or self._read(name)
                held.update(known[name][1])
        self._known = known
        return held

    @property
    def names(self) -> frozenset[str]:
        """Which parts there are."""
        return frozenset(self._known)

    def after(self, settled: FilesSummary) -> FilesSummary:
        """Return what older rows and the parts say together."""
        # In the order of their steps, because `with_newer` takes what came later.
        for name in sorted(self._known, key=lambda name: _first_step(self._known[name][0])):
            part, _ = self._known[name]
            settled = settled.with_newer(part, self._at_best(name, part, settled))
        return settled

    def _at_best(self, name: str, part: FilesSummary, settled: FilesSummary) -> dict[str, float]:
        """Return a part's other metrics at the best step of older rows; only where that lies within are rows read."""
        objective = settled.objective
        step = objective.best_step if objective else None
        if step is None or objective is None or _first_step(part) > step:
            return {}
        from hyperherd.metrics.store.parquet import MetricsFile
        from hyperherd.metrics.store.sorted_rows import SortedRows
        from hyperherd.metrics.summary.of_rows import values_at

        with SortedRows() as stored:
            stored.add_file(MetricsFile(self._folder / name))
            found = values_at(stored.default_rows(), step, objective.phase)
        found.pop(objective.metric, None)
        return found

    def _read(self, name: str) -> tuple[FilesSummary, tuple[str, ...]]:
        from hyperherd.metrics.store.parquet import MetricsFile
        from hyperherd.metrics.store.sorted_rows import SortedRows
        from hyperherd.metrics.summary.of_rows import summarize

        with SortedRows() as stored:
            file = MetricsFile(self._folder / name)
            stored.add_file(file)
            # A part's footer has no objective: which value is best follows from all rows.
            objective = summarize(stored.default_rows, self._spec, stored.attempts)[1] if self._spec else None
            settled = FilesSummary(
                stats=file.footer.metrics, objective=objective, final=stored.final, attempts=stored.attempts
            )
            return settled, file.footer.sources


def _first_step(part: FilesSummary) -> int:
    return min((step for item in part.attempts.values() for step in item.first.values()), default=0)
