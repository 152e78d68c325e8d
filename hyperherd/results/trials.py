"""Trials as one collection: what varies among them, which of them is best, and all of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState
from hyperherd.results.objective import Objective, ask_objective, choose_objective, metric_names, turned
from hyperherd.results.trial import Sweep, Trial
from hyperherd.space.values import equal

if TYPE_CHECKING:
    import pandas
    import pyarrow

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
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Trials: ...
    def __getitem__(self, index: int | slice) -> Trial | Trials:
        """Return the trial at a position, or a slice of the trials, judged as these are."""
        if isinstance(index, slice):
            return Trials(self._trials[index], self.objective)
        return self._trials[index]

    def __repr__(self) -> str:
        from hyperherd.results.text import Screen, render

        return render(self, Screen())

    @cached_property
    def objective(self) -> Objective | None:
        """What they are judged by: asked for, else saved with their sweep, else guessed; None if nothing tells."""
        return self._asked or choose_objective(self._trials)

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

    @property
    def counts(self) -> dict[TrialState, int]:
        """How many trials are in each state that occurs."""
        found = Counter(trial.state for trial in self._trials)
        return {state: found[state] for state in (TrialState.COMPLETED, *TrialState) if state in found}

    @cached_property
    def ranked(self) -> tuple[Trial, ...]:
        """The finished trials with a finite objective value, best first; empty without an objective."""
        objective = self.objective
        return tuple(trial for trial in self.sorted() if objective.ranks(trial)) if objective else ()

    def sorted(self) -> Trials:
        """Return them best first; those that cannot be ranked follow: finished ones, then the others."""
        if self.objective is None:
            return self
        return Trials(sorted(self._trials, key=self.objective.order), self.objective)

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
            metric: ``METRIC`` or ``METRIC:max|min|last``; None keeps the metric.
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

    def table(self) -> pyarrow.Table:
        """Return one row per trial: sweep, number, state, parameters, metrics (final value, else last), directory."""
        from hyperherd.results.arrow import trial_table

        return trial_table(self)

    def metrics(self, names: Iterable[str] | None = None) -> pyarrow.Table:
        """Return the history of all trials, one row per metric, step and attempt (docs/format.md), with their numbers.

        Args:
            names: only these metrics.
        """
        from hyperherd.results.arrow import metric_table

        return metric_table(self, None if names is None else list(names))

    def to_pandas(self) -> pandas.DataFrame:
        """Return :meth:`table` as a pandas data frame; needs pandas."""
        return self.table().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table().__arrow_c_stream__(requested_schema)

    @property
    def _with_params(self) -> list[Trial]:
        # What cannot be read says nothing about which parameters a trial has.
        return [trial for trial in self._trials if trial.params or trial.state is not TrialState.UNREADABLE]


def _has(trial: Trial, name: str, value: Any) -> bool:
    return name in trial.params and equal(trial.params[name], value)
