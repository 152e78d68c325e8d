"""The part of a trial's rows that does not grow: what is merged, and what older attempts left unmerged.

Invariant: pyarrow is imported only if there is such a part, and rows are read only where the footer does not tell it:
where a newer attempt supersedes some of them, or another objective is asked for.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyperherd.metrics.journal import Final, JournalName, Rows, latest
from hyperherd.metrics.stats import Objective, Stats
from hyperherd.paths import TrialPaths

if TYPE_CHECKING:
    from hyperherd.metrics.parquet import Footer


@dataclass(frozen=True)
class Parts:
    """Where the rows lie, at one instant."""

    version: object = None
    """Changes whenever `metrics.parquet` is replaced."""
    footer: Footer | None = None
    older: Mapping[str, JournalName] = field(default_factory=dict)
    """Unmerged journals of attempts before the newest."""
    newest: int = 0
    """The newest attempt that has logged."""


@dataclass(frozen=True)
class Settled:
    """What those rows say."""

    parts: Parts = field(default_factory=Parts)
    stats: Mapping[str, Stats] = field(default_factory=dict)
    objective: Objective | None = None
    final: Mapping[str, Final] = field(default_factory=dict)
    cuts: Mapping[str, int] = field(default_factory=dict)
    """Metric to the first step of the newest attempt, which supersedes rows of these."""

    @property
    def best_step(self) -> int | None:
        """Step of the objective's best value."""
        return self.objective.best_step if self.objective else None

    def new_cuts(self, first: Mapping[str, int]) -> dict[str, int]:
        """Return those of the newest attempt's first steps, by metric, that supersede rows not yet dropped."""
        return {metric: step for metric, step in first.items() if self._is_cut(metric, step)}

    def _is_cut(self, metric: str, step: int) -> bool:
        last = self.stats[metric].last_step if metric in self.stats else None
        return last is not None and step <= last and step < self.cuts.get(metric, step + 1)


def settle(paths: TrialPaths, parts: Parts, spec: Mapping[str, Any] | None, cuts: Mapping[str, int]) -> Settled:
    """Return what the rows in `parts` say for the objective `spec`, without what `cuts` supersede.

    Raises:
        OSError: ENOENT or ESTALE if a file was merged away or replaced meanwhile.
    """
    footer = parts.footer
    if footer is None and not parts.older:
        return Settled(parts)
    if footer is None or parts.older or cuts or not footer.tells(spec):
        return _settle_from_rows(paths, parts, spec, cuts)
    return Settled(parts, footer.metrics, footer.objective if spec else None, footer.final)


def _settle_from_rows(
    paths: TrialPaths, parts: Parts, spec: Mapping[str, Any] | None, cuts: Mapping[str, int]
) -> Settled:
    from hyperherd.metrics import columns, parquet, view

    loaded = columns.load(paths.metrics, parts.older)
    # One row without a value stands for the newest attempt: it supersedes, and is counted nowhere.
    markers = Rows()
    for metric, step in cuts.items():
        markers.add(step, metric, None, None)
    loaded.add(markers, parts.newest)
    stored, final = [], []
    if parts.footer is not None:
        with parquet.MetricsFile(paths.parquet) as file:
            if file.footer.sources != parts.footer.sources:
                raise OSError(errno.ESTALE, "replaced meanwhile", str(paths.parquet))
            stored, final = [file.rows()], list(parts.footer.final.items())
    rows = view.default_view(view.ordered(loaded.table(*stored)))
    stats, objective = view.summarize(rows, spec)
    return Settled(parts, stats, objective, latest([*final, *loaded.final]), cuts)
