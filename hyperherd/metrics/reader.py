"""Reading a trial's metrics while it runs, after a kill, and after its end (docs/format.md, Each row exactly once).

Invariant: journals are listed before `metrics.parquet` is opened, and what that names is dropped, so each row is read
exactly once; a journal that vanishes in between has been merged, and the reading begins again.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hyperherd.errors import FormatError
from hyperherd.metrics.foreign import list_foreign, read_foreign
from hyperherd.metrics.journal import JournalName, latest, list_journals
from hyperherd.metrics.values import unwrap
from hyperherd.paths import TrialPaths

if TYPE_CHECKING:
    import pyarrow as pa

    from hyperherd.metrics.columns import Columns
    from hyperherd.metrics.parquet import Footer, MetricsFile

_TRIES = 50
SKIPPED = b"hyperherd.skipped"
"""Key of the metadata of a table that :func:`read_metrics` returned: how many lines could not be read."""

T = TypeVar("T")


def read_metrics(trial_dir: Path, metrics: Sequence[str] | None = None, *, raw: bool = False) -> pa.Table:
    """Return a trial's metric rows, sorted by metric, step, attempt and time; its schema is `parquet.SCHEMA`.

    Args:
        trial_dir: the trial's directory; if it has no metrics the table has no rows.
        metrics: names of the metrics wanted; all if None.
        raw: every row that was logged, instead of those that stand: not what a newer attempt did again, and the last
            of several of one metric and step in one attempt.

    Raises:
        FormatError: `metrics.parquet` is broken, or of a newer format than ours.
    """
    return _again(lambda: _read_metrics(TrialPaths(trial_dir), metrics, raw))


def skipped(table: pa.Table) -> int:
    """Return how many lines could not be read when `table` was, all metrics counted."""
    return int((table.schema.metadata or {}).get(SKIPPED, b"0"))


def read_final(trial_dir: Path) -> dict[str, Any]:
    """Return a trial's final values: those logged without a step, the last one of each name."""
    return _again(lambda: _read_final(TrialPaths(trial_dir)))


def read_summary(trial_dir: Path, objective: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``{"metrics", "objective", "rows", "skipped"}`` of a trial, as the footer of `metrics.parquet` has it.

    Args:
        trial_dir: the trial's directory.
        objective: ``{"metric", "direction"}``; None takes the one that `metrics.parquet` has.
    """
    return _again(lambda: _read_summary(TrialPaths(trial_dir), objective))


def _again(read: Callable[[], T]) -> T:
    """Return what `read` returns, once no file vanishes under it."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise
    return read()


@dataclass(frozen=True)
class _Found:
    """Where a trial's rows lie, at one instant."""

    folder: Path
    file: MetricsFile | None
    journals: Mapping[str, JournalName]
    """Those whose rows are not in the file."""
    foreign: Sequence[Path]

    @property
    def footer(self) -> Footer:
        from hyperherd.metrics.parquet import Footer

        return self.file.footer if self.file else Footer()

    def load(self) -> Columns:
        """Return what is not in the file."""
        from hyperherd.metrics.columns import load

        loaded = load(self.folder, self.journals)
        for path in self.foreign:
            for rows in read_foreign(path, self.folder):
                loaded.add(rows, attempt=0)
        return loaded

    def table(self, loaded: Columns, metrics: Sequence[str] | None = None) -> pa.Table:
        """Return the rows in the file and those `loaded`, of all or some metrics, sorted."""
        from hyperherd.metrics import parquet, view

        table = loaded.table(*([self.file.rows(metrics)] if self.file else []))
        if metrics is not None:
            table = parquet.only(table, metrics)
        return view.ordered(table) if len(loaded) else view.unified(table)


@contextmanager
def _find(paths: TrialPaths) -> Iterator[_Found]:
    from hyperherd.metrics.parquet import MetricsFile

    journals = list_journals(paths.metrics)  # Before the file that may replace them.
    foreign = list_foreign(paths.metrics)
    try:
        file = MetricsFile(paths.parquet)
    except FileNotFoundError:
        yield _Found(paths.metrics, None, journals, foreign)
        return
    with file:
        live = {name: about for name, about in journals.items() if name not in file.footer.sources}
        yield _Found(paths.metrics, file, live, foreign)


def _read_metrics(paths: TrialPaths, metrics: Sequence[str] | None, raw: bool) -> pa.Table:
    from hyperherd.metrics import view

    with _find(paths) as found:
        loaded = found.load()
        table = found.table(loaded, metrics)
        count = found.footer.skipped + loaded.skipped
    if not raw:
        table = view.default_view(table)
    return table.replace_schema_metadata({SKIPPED: str(count)})


def _read_final(paths: TrialPaths) -> dict[str, Any]:
    with _find(paths) as found:
        final = latest([*found.footer.final.items(), *found.load().final])
    if not final:
        return _read_summary_json(paths.summary)
    return {name: unwrap(item.value) for name, item in final.items()}


def _read_summary_json(path: Path) -> dict[str, Any]:
    """Return the final values of a program that writes nothing else."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise FormatError(f"{path} holds no JSON object")
    return values


def _read_summary(paths: TrialPaths, objective: Mapping[str, Any] | None) -> dict[str, Any]:
    from hyperherd.metrics import parquet, view

    with _find(paths) as found:
        footer = found.footer
        if footer.rows and not found.journals and not found.foreign and footer.tells(objective):
            return footer.summary()
        loaded = found.load()
        table = found.table(loaded)
    stats, result = view.summarize(view.default_view(table), objective or footer.spec)
    return parquet.Footer((), stats, result, table.num_rows, footer.skipped + loaded.skipped).summary()
