"""Trials as one collection: what varies among them, and which of them is best."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, overload

from hyperherd.errors import NothingFound, ResultsError, some_of
from hyperherd.plural import counted
from hyperherd.records.states import TrialState
from hyperherd.results.trials.beyond_params import BeyondParams, beyond_params
from hyperherd.results.trials.judging import (
    ask_objective,
    choose_objective,
    different_objectives,
    members_by_sweep,
    own_objective,
    several_objectives,
    tied_objectives,
    turned,
)
from hyperherd.results.trials.metric_names import has_metric, metric_names
from hyperherd.results.trials.objective import Objective, in_words
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap, lookup
from hyperherd.space.values import equal

if TYPE_CHECKING:
    from typing_extensions import Self


class TrialCollection(Sequence[Trial]):
    """Trials of one or more sweeps, in the order of their numbers; never changed once made.

    What is made of trials takes any of these; :class:`hyperherd.Trials` is the one that people have, with a method for
    each of the rooms above this one. What is made from a collection is of its own type.
    """

    def __init__(
        self, trials: Iterable[Trial], objective: Objective | None = None, objectives: Sequence[Objective] = ()
    ) -> None:
        self._trials = tuple(trials)
        self._asked = objective
        self._asked_several = tuple(objectives)

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    @overload
    def __getitem__(self, index: int | str) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | str | slice) -> Trial | Self:
        """Return the trial at a position or of a label (``trials["16"]``), or a slice, judged as these are.

        Raises:
            NothingFound: no trial has that label.
            ResultsError: several have it.
        """
        if isinstance(index, slice):
            return self.subset(self._trials[index])
        if isinstance(index, str):
            named = [trial for trial in self._trials if index in (trial.label, trial.name)]
            return only(named, f"called {index!r}")
        return self._trials[index]

    def __add__(self, other: Iterable[Trial]) -> Self:
        """Return the trials of both, each once."""
        found = {_place(trial): trial for trial in (*self._trials, *other)}
        return type(self)(found.values(), self._asked, self._asked_several)

    def subset(self, trials: Iterable[Trial]) -> Self:
        """Return some of these, judged as these are."""
        return type(self)(trials, self.objective, self.objectives)

    @cached_property
    def objective(self) -> Objective | None:
        """The objective: requested, else saved with their sweep, else guessed; None if unknown, or if it is several."""
        return self._asked or (None if self._asked_several else choose_objective(self._trials))

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """The several objectives: requested, else those of all their sweeps; empty if it is one, or none."""
        return self._asked_several or (() if self._asked else several_objectives(self._trials))

    def by_objective(self) -> list[Self]:
        """Return them in parts that are each judged alike, by what judges its sweeps; one part, if that is one."""
        if self.objective is not None or self.objectives or len(self.sweeps) < 2:
            return [self]
        parts: dict[Hashable, tuple[Objective | None, list[Trial]]] = {}
        for sweep, members in members_by_sweep(self._trials).items():
            own = own_objective(sweep, members)
            judged = (own.metric, own.direction) if own else frozenset(sweep.several)
            parts.setdefault(judged, (own, []))[1].extend(members)
        return [type(self)(members, own) for own, members in parts.values()]

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
    def completed(self) -> Self:
        """Those that ran to their end."""
        return self._where(lambda state: state is TrialState.COMPLETED)

    @property
    def failed(self) -> Self:
        """Those that failed."""
        return self._where(lambda state: state is TrialState.FAILED)

    @property
    def problems(self) -> Self:
        """Trials that need attention: failed, stalled, lost or unreadable ones."""
        return self._where(lambda state: state.problem)

    def _where(self, wanted: Callable[[TrialState], bool]) -> Self:
        return self.subset(trial for trial in self._trials if wanted(trial.state))

    def setting(self, trial: Trial, name: str) -> Any:
        """Return the value of a parameter for one of these trials.

        Its parameters come first, then what was chosen of its config groups, then its config: a parameter that only
        another sweep varies has the value that stands there.

        Returns:
            the value; a gap if the trial has no such setting, or cannot be read.
        """
        if name in trial.params:
            return trial.params[name]
        if trial.state is TrialState.UNREADABLE and not trial.params:
            return Gap.MISSING
        is_param = name in self._names
        if is_param and name in self._swept[trial.sweep]:
            return Gap.NOT_APPLICABLE  # a condition took it away
        if name in trial.choices:
            return trial.choices[name]
        if is_param and len(self.sweeps) == 1:
            return Gap.NOT_APPLICABLE
        return lookup(trial.config, name) if trial.config or is_param else Gap.MISSING

    def count_of(self, name: str) -> int:
        """Return how many different values a parameter has; where it is absent or unknown is none."""
        if name in self._names:
            values = [trial.params[name] for trial in self._trials if name in trial.params]
        else:
            found = (self.setting(trial, name) for trial in self._trials)
            values = [value for value in found if not isinstance(value, Gap)]
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= {int, float, str, bool}:
            return len(set(values))
        return len({(type(value), repr(value)) for value in values})

    @cached_property
    def _swept(self) -> dict[Sweep, set[str]]:
        """Sweep -> the parameters that any of its trials has."""
        swept: dict[Sweep, set[str]] = defaultdict(set)
        for sweep, names in dict.fromkeys((trial.sweep, trial.param_names) for trial in self._trials):
            swept[sweep].update(names)
        return swept

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """What tells the trials apart: parameters whose values differ or that some trial does not have, then the rest.

        The rest are config groups of which different options are chosen, and keys of the config that nobody searched,
        if they differ among trials with the same choices.
        """
        return (*(name for name in self.params if name not in self.constant), *self.beyond.choices, *self.beyond.config)

    @cached_property
    def beyond(self) -> BeyondParams:
        """What tells the trials apart beside their parameters."""
        alone = any(trial.number is None for trial in self._trials)  # outside of any sweep: each may have its config
        return beyond_params(self._trials, self._names, several=alone or len(self.sweeps) > 1)

    @cached_property
    def constant(self) -> dict[str, Any]:
        """The parameters that every trial has with the same value."""
        known = self._with_params
        shared = known[0].params if known else {}
        return {name: value for name, value in shared.items() if all(self._has(trial, name, value) for trial in known)}

    @cached_property
    def params(self) -> tuple[str, ...]:
        """All parameters, in the order in which the trials have them."""
        return tuple(self._names)

    @cached_property
    def _names(self) -> dict[str, None]:
        kinds = dict.fromkeys(trial.param_names for trial in self._trials)
        return dict.fromkeys(name for names in kinds for name in names)

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

    def sorted(self) -> Self:
        """Return them best first; those that cannot be ranked follow: finished ones, then the others."""
        if self.objective is None and len(parts := self.by_objective()) > 1:
            return self.subset(trial for part in parts for trial in part.sorted())
        return self.subset(trial for _, trial in self._standings) if self.objective else self

    def best(self) -> Trial:
        """Return the best finished trial.

        Raises:
            ResultsError: there is no objective, or no finished trial has a finite value of it.
        """
        if self.ranked:
            return self.ranked[0]
        if self.objectives:
            raise ResultsError(
                f"these trials have several objectives ({in_words(self.objectives)}), so none is the best: see "
                ".front(), or choose one with .judged_by('metric')"
            )
        if self.objective is None:
            several = "; ".join(different_objectives(self._trials))
            why = f"these trials have different objectives ({several})" if several else "these trials have no objective"
            if tied := tied_objectives(self._trials):
                why += f" ({', '.join(one.metric for one in tied)} are equally likely)"
            raise ResultsError(f"{why}; choose one with .judged_by('metric', 'max'), or 'min'")
        why = f"no finished trial has a finite value of {self.objective.label!r}"
        if not has_metric(self.objective.metric, self._trials):
            known = some_of(self.metric_names)
            why = f"no trial has logged {self.objective.label!r}, the sweep's objective; available: {known}"
        raise ResultsError(why)

    def judged_by(
        self, metric: str | Sequence[str] | None = None, direction: str | Sequence[str] | None = None
    ) -> Self:
        """Return the same trials judged by another objective, or by several.

        Args:
            metric: ``METRIC`` or ``METRIC:AGG`` (``last``, ``max``, ``mean:5``, ...), of another phase
                ``METRIC:PHASE`` or ``METRIC:PHASE:AGG``; several, between which :meth:`front` shows the best
                compromises; None keeps the metric.
            direction: ``max`` or ``min``, one for each metric; None takes it from the sweep, the metric's name or the
                aggregate.

        Raises:
            ResultsError: no trial has the metric, or its direction is unknown.
        """
        metrics, directions = _listed(metric), _listed(direction)
        if directions and len(directions) != max(len(metrics), 1):
            raise ResultsError(
                f"give one direction for each metric, in their order: {counted(len(metrics), 'metric')}, "
                f"{counted(len(directions), 'direction')}"
            )
        asked = zip_longest(metrics, directions) if metrics else ()
        objectives = [ask_objective(self._trials, *one) for one in asked]
        labels = Counter(objective.label for objective in objectives)
        if twice := [label for label, count in labels.items() if count > 1]:
            raise ResultsError(f"the metric {twice[0]!r} is given twice; keep one of them")
        if len(objectives) > 1:
            return type(self)(self._trials, None, objectives)
        if objectives:
            return type(self)(self._trials, objectives[0])
        if not directions:
            return self
        if self.objective is None:
            raise ResultsError(f"a direction needs a metric; available: {some_of(self.metric_names)}")
        return type(self)(self._trials, turned(self.objective, directions[0]))

    @property
    def _with_params(self) -> list[Trial]:
        # The parameters of an unreadable trial are unknown.
        return [trial for trial in self._trials if trial.params or trial.state is not TrialState.UNREADABLE]

    def _has(self, trial: Trial, name: str, value: Any) -> bool:
        if name in trial.params:
            return equal(trial.params[name], value)
        # A group that one sweep searches may be fixed in another; a condition that dropped it has left the choice.
        return len(self.sweeps) > 1 and equal(self.setting(trial, name), value)


def only(found: Sequence[Trial], asked: str) -> Trial:
    """Return the one trial of those that match `asked`; raise if there are none or several."""
    if not found:
        raise NothingFound(f"no trial {asked}".rstrip())
    if len(found) > 1:
        raise ResultsError(
            f"{len(found)} trials {asked}".rstrip() + f": {', '.join(trial.label for trial in found[:10])}"
        )
    return found[0]


def _listed(asked: str | Sequence[str] | None) -> list[str]:
    return [] if asked is None else [asked] if isinstance(asked, str) else list(asked)


def _place(trial: Trial) -> object:
    """Return a key that identifies a trial, however it was reached."""
    return (trial.sweep.dir, trial.number) if trial.dir is None else trial.dir.absolute()
