"""The rows of a trial's journals and parts, merged into `metrics.parquet`.

It imports pyarrow, so it is imported inside functions only.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from hyperherd.metrics.rows.phases import metric_of
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.store import parquet
from hyperherd.metrics.store.default_view import LoggedAgain
from hyperherd.metrics.store.find import add_parts, open_base
from hyperherd.metrics.store.footer import Footer
from hyperherd.metrics.store.sorted_rows import SortedRows
from hyperherd.metrics.summary.of_rows import summarize
from hyperherd.paths import TrialPaths
from hyperherd.plural import counted
from hyperherd.records.disk.atomic import FileOps, replace

logger = logging.getLogger("hyperherd")


def merge_rows(
    paths: TrialPaths, sources: Mapping[str, SourceName], objective: Mapping[str, Any] | None, files: FileOps
) -> Footer:
    """Replace `metrics.parquet` by its own rows and those of the sources it does not hold yet; return its footer."""
    with SortedRows(paths.root) as stored:
        base = open_base(paths)
        old = base.footer if base else Footer()
        if base is not None:
            stored.add_file(base)
        # An earlier merger died after its file got its name: only deleting the sources is left to do.
        if old.sources and sources.keys() <= set(old.sources):
            return old
        fresh = {name: about for name, about in sources.items() if name not in old.sources}
        held = add_parts(stored, paths.metrics, fresh)
        journals = {name: about for name, about in fresh.items() if about.is_journal and name not in held}
        stored.add_journals(paths.metrics, journals)
        again = LoggedAgain(max(about.attempt for about in fresh.values()))
        rows = partial(stored.default_rows, again=again)
        stats, result = summarize(rows, objective or old.spec, stored.attempts)
        # Sources of earlier merges stay named: one that could not be deleted still lies there, and would count twice.
        names = dict.fromkeys([*old.sources, *fresh, *held])
        footer = Footer(tuple(names), stats, result, stored.count, stored.skipped, stored.final, stored.attempts)
        replace(paths.parquet, lambda stream: parquet.write(stored.batches(), footer, stream), files)
        _report_again(paths, again.series)
        return footer


def _report_again(paths: TrialPaths, series: Collection[str]) -> None:
    """Warn of values that are not shown because another one of the same step came after them."""
    names = sorted(set(map(metric_of, series)))
    if names:
        more = f" and {counted(len(names) - 3, 'more metric')}" if len(names) > 3 else ""
        logger.warning(
            "%s%s of %s: logged again at steps that had another value. All values are kept, and the last one of a step "
            "is shown. If they are of several trainings or folds, log each of them in a phase of its own: "
            "with hyperherd.phase(NAME).",
            ", ".join(map(repr, names[:3])),
            more,
            paths.root.name,
        )
