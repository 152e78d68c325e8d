"""Trials as one collection: what varies among them, which of them is best, and all of them as a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, overload

from hyperherd.errors import NothingFound, ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.text.format import Gap
from hyperherd.results.trials.objective import Objective, ask_objective, choose_objective, metric_names, turned
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.space.values import equal

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas
    import pyarrow
    from matplotlib.figure import Figure

    from hyperherd.results.statistics.configurations import Groups
    from hyperherd.results.statistics.diff import Diff
    from hyperherd.results.statistics.effects import Effects
    from hyperherd.results.statistics.failures import Failures

__all__ = ["Sweep", "Trial", "Trials"]


class Trials(Sequence[Trial]):
    """Trials of one or more sweeps, in the order of their numbers; never changed once made.

    It offers the Arrow C stream interface, so ``pandas.DataFrame.from_arrow``, ``polars.DataFrame`` and DuckDB take it
    as it is.
    """

    def __init__(self, trials: Iterable[Trial], objective: Objective | None = None) -> None:
        self._trials = tuple(trials)
        self._asked = objective

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    @overload
    def __getitem__(self, index: int | str) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Trials: ...
    def __getitem__(self, index: int | str | slice) -> Trial | Trials:
        """Return the trial at a position or of a label (``trials["16"]``), or a slice, judged as these are.

        Raises:
            NothingFound: no trial has that label.
            ResultsError: several have it.
        """
        if isinstance(index, slice):
            return self._like(self._trials[index])
        if isinstance(index, str):
            named = [trial for trial in self._trials if index in (trial.label, trial.name)]
            return _only(named, f"called {index!r}")
        return self._trials[index]

    def __add__(self, other: Iterable[Trial]) -> Trials:
        """Return the trials of both, each once."""
        found = {_place(trial): trial for trial in (*self._trials, *other)}
        return Trials(found.values(), self._asked)

    def __repr__(self) -> str:
        from hyperherd.results.pages.overview import Screen, render

        return render(self, Screen())

    def _repr_html_(self) -> str:
        from hyperherd.results.pages.notebook import to_html

        return to_html(self)

    def _like(self, trials: Iterable[Trial]) -> Trials:
        """Return some of these, judged as these are."""
        return Trials(trials, self.objective)

    @cached_property
    def objective(self) -> Objective | None:
        """What they are judged by: asked for, else saved with their sweep, else guessed; None if nothing tells."""
        return self._asked or choose_objective(self._trials)

    def filter(self, *texts: str, **wanted: Any) -> Trials:
        """Return the trials of which all filters hold, judged as these are.

        Args:
            texts: as on the command line: ``lr=0.001,0.01``, ``width>=128``, ``val/acc>0.9``, ``state!=failed``,
                ``name~regex``; a comma is "any of", values have the types they have in overrides.
            wanted: name -> value, list of values (any of), ``hyperherd.between(low, high)`` or any callable that takes
                the value; ``a__b`` is ``a.b``.

        Raises:
            ResultsError: a filter means nothing, or no trial has what it asks about.
        """
        from hyperherd.results.trials.filters import select

        return self._like(select(self, texts, wanted))

    def one(self, *texts: str, **wanted: Any) -> Trial:
        """Return the only trial of which all filters hold (see :meth:`filter`).

        Raises:
            NothingFound: there is none.
            ResultsError: there are several.
        """
        asked = ", ".join([*texts, *(f"{name}={value!r}" for name, value in wanted.items())])
        return _only(self.filter(*texts, **wanted), f"with {asked}" if asked else "")

    def latest(self) -> Trial:
        """Return the trial that started last.

        Raises:
            NothingFound: none has started.
        """
        started = [trial for trial in self._trials if trial.started is not None]
        if not started:
            raise NothingFound("no trial has started")
        return max(started, key=lambda trial: trial.started or 0.0)

    @property
    def completed(self) -> Trials:
        """Those that ran to their end."""
        return self._where(lambda state: state is TrialState.COMPLETED)

    @property
    def failed(self) -> Trials:
        """Those that failed."""
        return self._where(lambda state: state is TrialState.FAILED)

    @property
    def problems(self) -> Trials:
        """Those that someone should look at: failed, stalled, lost or unreadable ones."""
        return self._where(lambda state: state.problem)

    def _where(self, wanted: Callable[[TrialState], bool]) -> Trials:
        return self._like(trial for trial in self._trials if wanted(trial.state))

    def seeds(self, err: str = "std", *, keys: Sequence[str] = ()) -> Groups:
        """Return the configurations: trials that differ in nothing but their seed, with the spread of their values.

        Args:
            err: ``std`` (of the sample, n-1), ``sem``, ``ci`` (95 %, Student's t) or ``range``.
            keys: the parameters that are seeds, ``*`` allowed; without any, what the sweep says, else ``seed, *.seed``.

        Raises:
            ResultsError: there is no such `err`.
        """
        from hyperherd.results.statistics.configurations import by_configuration

        return by_configuration(self, err, keys)

    def group(self, *names: str, err: str = "std") -> Groups:
        """Return the trials by the values of some names (parameters, config values, ``state``, ...)."""
        from hyperherd.results.statistics.configurations import by_names

        return by_names(self, names, err)

    def setting(self, trial: Trial, name: str) -> Any:
        """Return the value of a parameter for one of these trials.

        A parameter that only another sweep varies has the value that stands in this trial's config.

        Returns:
            the value; a gap if the trial has no such parameter, or cannot be read.
        """
        if name in trial.params:
            return trial.params[name]
        if trial.state is TrialState.UNREADABLE and not trial.params:
            return Gap.MISSING
        if len(self.sweeps) == 1 or name in self._swept[trial.sweep]:
            return Gap.NOT_APPLICABLE
        from hyperherd.results.trials.quantities import lookup

        return lookup(trial.config, name)

    def count_of(self, name: str) -> int:
        """Return how many different values a parameter has; where it is absent or unknown is none."""
        values = [trial.params[name] for trial in self._trials if name in trial.params]
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= {int, float, str, bool}:
            return len(set(values))
        return len({(type(value), repr(value)) for value in values})

    @cached_property
    def _swept(self) -> dict[Sweep, set[str]]:
        """Sweep -> the parameters that any of its trials has."""
        swept: dict[Sweep, set[str]] = defaultdict(set)
        for trial in self._trials:
            swept[trial.sweep].update(trial.params)
        return swept

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The parameters whose values differ, or that some trial does not have."""
        return tuple(name for name in self.params if name not in self.constant)

    @cached_property
    def constant(self) -> dict[str, Any]:
        """The parameters that every trial has with the same value."""
        known = self._with_params
        shared = known[0].params if known else {}
        return {name: value for name, value in shared.items() if all(_has(trial, name, value) for trial in known)}

    @cached_property
    def params(self) -> tuple[str, ...]:
        """All parameters, in the order in which the trials have them."""
        return tuple(dict.fromkeys(name for trial in self._trials for name in trial.params))

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        """All metrics and final values, sorted."""
        return tuple(metric_names(self._trials))

    @cached_property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The sweeps they belong to."""
        return tuple(dict.fromkeys(trial.sweep for trial in self._trials))

    @cached_property
    def scripts(self) -> dict[Sweep, str]:
        """The name of each sweep's script if there are several: what one does says nothing about another one.

        Names, not paths: people move their projects, and use them on several machines.
        """
        names = {sweep: PurePath(sweep.script).name for sweep in self.sweeps}
        return names if len(set(filter(None, names.values()))) > 1 else {}

    @property
    def counts(self) -> dict[TrialState, int]:
        """How many trials are in each state that occurs."""
        found = Counter(trial.state for trial in self._trials)
        return {state: found[state] for state in (TrialState.COMPLETED, *TrialState) if state in found}

    @cached_property
    def ranked(self) -> tuple[Trial, ...]:
        """The finished trials with a finite objective value, best first; empty without an objective."""
        return tuple(trial for standing, trial in self._standings if standing == 0) if self.objective else ()

    @cached_property
    def _standings(self) -> list[tuple[int, Trial]]:
        """The trials, best first: 0 for those that are ranked, 1 for other finished ones, 2 for the rest."""
        objective = self.objective
        orders = [objective.order(trial) if objective else (0, 0.0) for trial in self._trials]
        places = sorted(range(len(orders)), key=orders.__getitem__)
        return [(orders[place][0], self._trials[place]) for place in places]

    def sorted(self) -> Trials:
        """Return them best first; those that cannot be ranked follow: finished ones, then the others."""
        return self._like(trial for _, trial in self._standings) if self.objective else self

    def best(self) -> Trial:
        """Return the best finished trial.

        Raises:
            ResultsError: there is no objective, or no finished trial has a finite value of it.
        """
        if self.ranked:
            return self.ranked[0]
        if self.objective is None:
            raise ResultsError("nothing says what these trials are judged by: ask .judged_by('metric', 'max' or 'min')")
        raise ResultsError(f"no finished trial has a finite value of {self.objective.label!r}")

    def judged_by(self, metric: str | None = None, direction: str | None = None) -> Trials:
        """Return the same trials judged by another objective.

        Args:
            metric: ``METRIC`` or ``METRIC:last|max|min|mean:K|@STEP``; None keeps the metric.
            direction: ``max`` or ``min``; None takes it from the sweep, the metric's name or the aggregate.

        Raises:
            ResultsError: no trial has the metric, or nothing tells which way is better.
        """
        if metric is not None:
            return Trials(self._trials, ask_objective(self._trials, metric, direction))
        if direction is None:
            return self
        if self.objective is None:
            raise ResultsError(f"a direction needs a metric; there are: {', '.join(self.metric_names) or 'none'}")
        return Trials(self._trials, turned(self.objective, direction))

    def effects(self, metric: str | None = None, direction: str | None = None) -> Effects:
        """Return what matters for the objective, or another metric; see :mod:`hyperherd.results.statistics.effects`."""
        from hyperherd.results.statistics.effects import effects

        return effects(self.judged_by(metric, direction))

    def diff(self, a: int | str | Trial, b: int | str | Trial) -> Diff:
        """Return what differs between two of them, given or named; see :mod:`hyperherd.results.statistics.diff`."""
        from hyperherd.results.statistics.diff import diff

        return diff(*(item if isinstance(item, Trial) else self[str(item)] for item in (a, b)))

    def sql(self, query: str) -> pyarrow.Table:
        """Return what a query makes of the views trials, metrics and configs; needs DuckDB (``[sql]``).

        Raises:
            ResultsError: DuckDB is missing or cannot make sense of it, or the query does more than read.
        """
        from hyperherd.results.tables.sql import sql

        return sql(self, query)

    def export(
        self, folder: str | os.PathLike[str], form: str = "parquet", *, escape_formulas: bool = False
    ) -> list[Path]:
        """Write trials, metrics and a description of their columns into a folder.

        See :mod:`hyperherd.results.tables.archive`.

        Args:
            folder: made if it is missing; no file in it is ever overwritten.
            form: ``parquet``, ``csv`` or ``jsonl``.
            escape_formulas: whether in CSV a text that a spreadsheet would take for a formula gets a ``'`` before it.

        Returns:
            the files written.
        """
        from hyperherd.results.tables.archive import export

        return export(self, folder, form, escape_formulas=escape_formulas)

    def failures(self) -> Failures:
        """Return what went wrong, grouped; see :mod:`hyperherd.results.statistics.failures`."""
        from hyperherd.results.statistics.failures import failures

        return failures(self)

    def table(self) -> pyarrow.Table:
        """Return one row per trial: sweep, number, state, parameters, metrics (final value, else last), directory."""
        from hyperherd.results.tables.arrow import trial_table

        return trial_table(self)

    def metrics(self, names: Iterable[str] | None = None) -> pyarrow.Table:
        """Return the history of all trials, one row per metric, step and attempt (docs/format.md), with their numbers.

        Args:
            names: only these metrics.
        """
        from hyperherd.results.tables.arrow import metric_table

        return metric_table(self, None if names is None else list(names))

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a pandas data frame; needs pandas."""
        return self.table().to_pandas()

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
        most: int | None = 10,
    ) -> Figure:
        """Return the curves of a metric as a matplotlib Figure: mean and band over seeds, best points marked.

        Args:
            metric: what to draw; None draws what they are judged by.
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

        Raises:
            ResultsError: no trial has a curve of the metric, or matplotlib is not installed.
        """
        from hyperherd.results.curves.figures import plot

        look = {"right": right, "hue": hue, "band": band, "smooth": smooth, "window": window, "x": x, "most": most}
        return plot(self, metric, y_range=y_range, log_x=log_x, log_y=log_y, **look)

    def report(self, path: str | Path = "report.html", *, replace: bool = False) -> Path:
        """Write everything about the trials into one HTML file that works offline, and return its path.

        Args:
            path: the file.
            replace: whether a file that exists may be replaced.

        Raises:
            ResultsError: the file exists.
        """
        from hyperherd.results.report import write_report

        return write_report(self, path, replace=replace).path

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table().__arrow_c_stream__(requested_schema)

    @property
    def _with_params(self) -> list[Trial]:
        # What cannot be read says nothing about which parameters a trial has.
        return [trial for trial in self._trials if trial.params or trial.state is not TrialState.UNREADABLE]


def _has(trial: Trial, name: str, value: Any) -> bool:
    return name in trial.params and equal(trial.params[name], value)


def _only(found: Sequence[Trial], asked: str) -> Trial:
    if not found:
        raise NothingFound(f"no trial {asked}".rstrip())
    if len(found) > 1:
        raise ResultsError(
            f"{len(found)} trials {asked}".rstrip() + f": {', '.join(trial.label for trial in found[:10])}"
        )
    return found[0]


def _place(trial: Trial) -> object:
    """Return what tells a trial from all others, however it was reached."""
    return (trial.sweep.dir, trial.number) if trial.dir is None else trial.dir.absolute()
