"""What people have of results in Python: `load`, and trials and configurations with a method for everything else.

Nothing is worked out here: each method hands itself to the room that does it. A method imports its room itself where
neither a table on a terminal nor the end of a sweep needs it, because every one of these waits for this module.
"""

from __future__ import annotations

import copyreg
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.results.curves import MOST_LINES
from hyperherd.results.curves.style import PALETTE, SIZE, FigureStyle
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.loading.load import load_trials
from hyperherd.results.pages.overview import render, render_groups
from hyperherd.results.statistics.configurations import GroupCollection
from hyperherd.results.statistics.failures import Failures, failures
from hyperherd.results.statistics.front import Front, front_of
from hyperherd.results.statistics.importance.effects import Effects, effects
from hyperherd.results.statistics.marginal import best_configurations, check_rest
from hyperherd.results.text.layout import LINES_AROUND_TABLE, Screen
from hyperherd.results.trials.collection import TrialCollection, only
from hyperherd.results.trials.fields import param_field
from hyperherd.results.trials.filters import select
from hyperherd.results.trials.trial import Trial

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import xarray
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from hyperherd.results.statistics.comparison.compare import Comparison
    from hyperherd.results.statistics.diff import Diff

__all__ = ["Groups", "Trial", "Trials", "load"]


class Trials(TrialCollection):
    """Trials of one or more sweeps, in the order of their numbers; never changed once made.

    It offers the Arrow C stream interface, so ``pandas.DataFrame.from_arrow``, ``polars.DataFrame`` and DuckDB take it
    as it is.
    """

    def __repr__(self) -> str:
        return render(self, _screen())

    def _repr_html_(self) -> str:
        from hyperherd.results.pages.notebook import trials_html  # a terminal does not wait for HTML

        return trials_html(self)

    def filter(self, *texts: str, **wanted: Any) -> Self:
        """Return the trials that match all filters, with the same objective.

        Args:
            texts: as on the command line: ``lr=0.001,0.01``, ``width>=128``, ``val/acc>0.9``, ``state!=failed``,
                ``name~regex``; a comma is "any of", values have the types they have in overrides.
            wanted: name -> value, list of values (any of), ``hyperherd.between(low, high)`` or any callable that takes
                the value; ``a__b`` is ``a.b``.

        Raises:
            ResultsError: a filter is invalid, or no trial has the name in it.
        """
        return self.subset(select(self, texts, wanted))

    def one(self, *texts: str, **wanted: Any) -> Trial:
        """Return the only trial that matches all filters (see :meth:`filter`).

        Raises:
            NothingFound: there is none.
            ResultsError: there are several.
        """
        asked = ", ".join([*texts, *(f"{name}={value!r}" for name, value in wanted.items())])
        return only(self.filter(*texts, **wanted), f"with {asked}" if asked else "")

    def seeds(self, err: str = "std", *, keys: Sequence[str] = ()) -> Groups:
        """Return the configurations: trials that differ in nothing but their seed, with the spread of their values.

        Args:
            err: ``std`` (of the sample, n-1), ``sem``, ``ci`` (95 %, Student's t) or ``range``.
            keys: the parameters that are seeds, ``*`` allowed; without any, those of the sweep, else by name.

        Raises:
            ResultsError: `err` is none of these.
        """
        return Groups.by_configuration(self, err, keys)

    def group(self, *names: str, err: str = "std", rest: str = "all") -> Groups:
        """Return the trials by the values of some names (parameters, config values, ``state``, ...).

        Args:
            names: what defines a group.
            err: ``std``, ``sem``, ``ci`` or ``range``, over all that differs within a group.
            rest: ``all``: a group is all of its trials; ``best``: the best configuration among them, with its seeds.

        Raises:
            ResultsError: `err` or `rest` is none of these, or a name is unknown.
        """
        groups = Groups.by_names(self, names, err)
        if check_rest(rest) == "all":
            return groups
        best, keys = best_configurations(self, names, err)
        others = [name for name in self.varying if name not in {*names, *keys}]
        return Groups(self, best, [*groups.fields, *(param_field(self, name) for name in others)], keys, err)

    def front(self) -> Front:
        """Return the Pareto front of several objectives, those of the sweep or of :meth:`judged_by`.

        See :mod:`hyperherd.results.statistics.front`.

        Raises:
            ResultsError: there are not several.
        """
        return front_of(self)

    def effects(self, metric: str | None = None, direction: str | None = None) -> Effects:
        """Return the effects of parameters on a metric; see :mod:`hyperherd.results.statistics.importance.effects`."""
        return effects(self.judged_by(metric, direction))

    def diff(self, a: int | str | Trial, b: int | str | Trial) -> Diff:
        """Return the differences between two of them, given or named; see :mod:`hyperherd.results.statistics.diff`."""
        from hyperherd.results.statistics.diff import diff

        return diff(*(item if isinstance(item, Trial) else self[str(item)] for item in (a, b)))

    def compare(
        self,
        a: str | Trials,
        b: str | Trials | None = None,
        *,
        metrics: Sequence[str] = (),
        direction: str | None = None,
        by: str = "",
    ) -> Comparison:
        """Return how two sweeps or parts of them differ; see :mod:`hyperherd.results.statistics.comparison`.

        Args:
            a: one side: a filter of these trials (``model=cnn``, several joined by `` & ``), or other trials.
            b: the other side; None: these are compared with `a`.
            metrics: ``METRIC`` or ``METRIC:AGG``; without any, the objective.
            direction: ``max`` or ``min`` where a metric's name does not show it.
            by: a setting for whose values there is a comparison each.

        Raises:
            NothingFound: a side has no finished trial.
            ResultsError: the sides share no metric or no configuration, or cannot be told apart.
        """
        from hyperherd.results.statistics.comparison.compare import compare
        from hyperherd.results.statistics.comparison.matching import two_sides

        if isinstance(a, str) and isinstance(b, str):
            one, other, asked = two_sides(self, a, b)
            labels = a, b
        elif isinstance(a, str) or isinstance(b, str):
            raise ResultsError("compare two filters, or two collections of trials, not one of each")
        else:
            one, other, asked = (self, a, []) if b is None else (a, b, [])
            labels = _name_of(one), _name_of(other)
        return compare(one, other, labels=labels, asked=asked, metrics=metrics, direction=direction, by=by)

    def failures(self) -> Failures:
        """Return the failed trials, grouped; see :mod:`hyperherd.results.statistics.failures`."""
        return failures(self)

    def sql(self, query: str) -> pyarrow.Table:
        """Return the result of an SQL query on the views trials, metrics and configs; needs DuckDB (``[sql]``).

        Raises:
            ResultsError: DuckDB is missing or cannot make sense of it, or the query does more than read.
        """
        from hyperherd.results.tables.sql import sql  # imports pyarrow

        return sql(self, query)

    def export(
        self, folder: str | os.PathLike[str], form: str = "parquet", *, escape_formulas: bool = False
    ) -> list[Path]:
        """Write trials, metrics and a description of their columns into a folder.

        See :mod:`hyperherd.results.tables.archive`.

        Args:
            folder: created if it does not exist; no file in it is ever overwritten.
            form: ``parquet``, ``csv`` or ``jsonl``.
            escape_formulas: whether in CSV a text that a spreadsheet would take for a formula gets a ``'`` before it.

        Returns:
            the files written.
        """
        from hyperherd.results.tables.archive import export  # imports pyarrow

        return export(self, folder, form, escape_formulas=escape_formulas)

    def table(self) -> pyarrow.Table:
        """Return one row per trial: sweep, number, state, parameters, metrics (final value, else last), directory."""
        from hyperherd.results.tables.arrow import trial_table  # imports pyarrow

        return trial_table(self)

    def metrics(self, names: Iterable[str] | None = None) -> pyarrow.Table:
        """Return the history of all trials, one row per metric, step and attempt (docs/format.md), with their numbers.

        Args:
            names: only these metrics; of ``METRIC:PHASE`` only that phase.
        """
        from hyperherd.results.tables.arrow import metric_table  # imports pyarrow

        return metric_table(self, None if names is None else list(names))

    def to_pandas(
        self, *, config: bool | Iterable[str] = False, columns: Iterable[str] = (), every_value: bool = False
    ) -> pandas.DataFrame:
        """Return one row per trial as a pandas data frame, of which means may be taken.

        Only trials that count have metrics: finished ones, of several with one configuration and seed the newest. The
        column ``values_are`` is ``final`` for these, ``unfinished`` for trials that run, wait, failed or were stopped,
        and ``superseded`` for repeated ones. Seeds and the numbers of trials are categories, not numbers.

        Args:
            config: names of config values that become columns, too; True: all of them.
            columns: what becomes columns, too, named as for ``-c``: ``gpu``, ``peak_memory``, ``git.commit``.
            every_value: what the others have logged so far, too, as in :meth:`table`.

        Raises:
            ResultsError: pandas is not installed, or no config has such a name.
        """
        from hyperherd.results.tables.frames import trial_frame  # imports pyarrow

        return trial_frame(self, config, columns, every_value=every_value)

    def to_xarray(self, *names: str) -> xarray.Dataset:
        """Return metrics as an xarray dataset: a dimension for each parameter that varies, and one for seeds.

        Only trials that count have values, as in :meth:`to_pandas`; all others are NaN. The variables ``state`` and
        ``number`` tell which trial is in each place; they are empty and -1 where there is none.

        Args:
            names: ``METRIC`` or ``METRIC:AGG``; without any, all metrics that are numbers.

        Raises:
            ResultsError: xarray is not installed, a name is not one of a metric, or the trials are not a grid.
        """
        from hyperherd.results.tables.cubes import trial_dataset

        return trial_dataset(self, names)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table().__arrow_c_stream__(requested_schema)

    def plot(
        self,
        metric: str | None = None,
        *,
        right: str | None = None,
        hue: str | None = None,
        band: str = "std",
        smooth: float | None = None,
        window: int | None = None,
        x: str = "step",
        y_range: tuple[float, float] | None = None,
        log_x: bool = False,
        log_y: bool = False,
        most: int | None = MOST_LINES,
        size: tuple[float, float] = SIZE,
        title: str = "",
        rename: Mapping[str, str] | None = None,
        order: str | Sequence[str] = "best",
        palette: str | Sequence[str] = PALETTE,
        percent: str | Sequence[str] = (),
    ) -> Figure:
        """Return the curves of a metric as a matplotlib Figure: mean and band over seeds, best points marked.

        Its `savefig` embeds fonts as Type 42.

        Args:
            metric: the metric to draw; None: the objective.
            right: a second metric, on an axis of its own.
            hue: one line per value of this parameter; None: one per configuration.
            band: around a mean: ``std``, ``sem``, ``range`` or ``none``.
            smooth: weight of an exponential moving average, 0 to below 1.
            window: steps of a sliding mean, instead of `smooth`.
            x: ``step``, or ``time`` in seconds since a trial's first value.
            y_range: the ends of the metric's axis.
            log_x: logarithmic steps or time.
            log_y: logarithmic values.
            most: lines at most, the best ones; None: all.
            size: width and height in inches.
            title: above the figure.
            rename: name of a metric, axis, parameter or line (``model=cnn``) -> what stands there instead.
            order: of lines: ``best`` first, by ``value``, or the names of those that come first.
            palette: ``okabe-ito``, a colour map of matplotlib's, or colours.
            percent: metrics that are shown times 100.

        Raises:
            ResultsError: no trial has a curve of the metric, an option is invalid, or matplotlib is not installed.
        """
        from hyperherd.results.curves.figures import plot

        options = {"right": right, "hue": hue, "band": band, "smooth": smooth, "window": window, "x": x, "most": most}
        shown = (percent,) if isinstance(percent, str) else percent
        style = FigureStyle(size, title, rename or {}, order, palette, shown)
        return plot(self, metric, style, y_range=y_range, log_x=log_x, log_y=log_y, **options)

    def report(self, path: str | Path = "report.html", *, replace: bool = False) -> Path:
        """Write everything about the trials into one HTML file that works offline, and return its path.

        Args:
            path: the file.
            replace: whether a file that exists may be replaced.

        Raises:
            ResultsError: the file exists.
        """
        from hyperherd.results.report.write import write_report  # imports gzip, hashlib, importlib.resources

        return write_report(self, path, replace=replace).path


class Groups(GroupCollection[Trials]):
    """Groups of trials, best first, by partially pooled means; those without a value come last."""

    def __repr__(self) -> str:
        return render_groups(self, _screen())

    def _repr_html_(self) -> str:
        from hyperherd.results.pages.notebook import groups_html

        return groups_html(self)

    def table(self) -> pyarrow.Table:
        """Return one row per group: its settings, n, planned, and per metric mean, std, sem, ci, min and max."""
        from hyperherd.results.tables.arrow import group_table  # imports pyarrow

        return group_table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a pandas data frame.

        Raises:
            ResultsError: pandas is not installed.
        """
        from hyperherd.results.tables.arrow import data_frame

        return data_frame(self.table())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table().__arrow_c_stream__(requested_schema)


def _screen() -> Screen:
    """Return what an interactive Python shows a value on; elsewhere nothing has to fit."""
    if sys.stdout is None or not sys.stdout.isatty():
        return Screen()
    size = shutil.get_terminal_size()
    return Screen(width=size.columns, rows=max(size.lines - LINES_AROUND_TABLE, 10))


def _name_of(trials: TrialCollection) -> str:
    return ", ".join(sweep.name for sweep in trials.sweeps)


def _plot_trial(trial: Trial, metric: str | None = None, **options: Any) -> Figure:
    """Return the curve of a metric as a matplotlib Figure; see :meth:`hyperherd.Trials.plot` for the arguments."""
    return Trials([trial]).plot(metric, **options)


def _restored(kind: type[Trial], state: dict[str, Any]) -> Trial:
    """Return an unpickled trial."""
    return kind.of_state(state)


def _reduced(trial: Trial) -> tuple[Any, ...]:
    return _restored, (type(trial), trial.state_alone())


# A trial is below all rooms that draw, and loading makes it without them: it declares the method, and gets it here.
Trial.plot = _plot_trial
# A process that unpickles a trial, as a worker of a pool does, may know no other module of ours: this brings it here.
for _kind in (Trial, IndexedTrial):
    copyreg.pickle(_kind, _reduced)


def load(*paths: str | os.PathLike[str]) -> Trials:
    """Return the trials under `paths`: sweeps, folders above them, or single trials; ``./multirun`` without any.

    Everything is read from files: sweeps of HyperHerd with the trials that have not started yet, and what Hydra wrote
    without it. A trial that cannot be read is one in state ``unreadable`` with its reason.

    Raises:
        NothingFound: a path does not exist, or there is no trial under any of them.
    """
    return Trials(load_trials(paths))
