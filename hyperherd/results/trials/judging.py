"""The objective of trials: requested, saved with the sweep, or guessed, and then marked as guessed."""

from __future__ import annotations

import shlex
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hyperherd.errors import ResultsError, some_of
from hyperherd.records.disk.files import number
from hyperherd.results.files.trainer_files import RETURN_VALUE
from hyperherd.results.trials.aggregates import unknown_metric
from hyperherd.results.trials.directions import MINIMIZE, alternatives, direction_of, preference
from hyperherd.results.trials.metric_names import find_metric, has_metric, metric_names, plain_metric
from hyperherd.results.trials.objective import DIRECTIONS, Objective, in_words, saved_objective
from hyperherd.results.trials.phases import name_of
from hyperherd.results.trials.trial import Sweep, Trial

_USUAL = 0.95
"""The part of the trials that has a metric of the objective's kind, as a rule: one that fewer have is a last resort."""
_MOST_NAMED = 8


class JudgedTrials(Protocol):
    """Trials with what judges them, as a collection has it."""

    @property
    def objective(self) -> Objective | None:
        """The objective, if it is one."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives, if they are several."""

    def __iter__(self) -> Iterator[Trial]: ...


def needed(judged: JudgedTrials) -> Objective:
    """Return the objective.

    Raises:
        ResultsError: there is none, or there are several, so a question that needs one cannot be answered.
    """
    objective, trials = judged.objective, list(judged)
    if objective is None:
        known = some_of(metric_names(trials))
        if judges := judged.objectives:
            raise ResultsError(
                f"these trials are judged by several objectives ({in_words(judges)}), and this is asked of one: choose "
                f"it with -m {shlex.quote(judges[0].metric)}, for example; herd-results best shows the best compromises"
            )
        if several := different_objectives(trials):
            raise ResultsError(
                f"these trials have different objectives ({'; '.join(several)}); give one sweep, or choose with "
                f"-m METRIC --direction max|min; available: {known}"
            )
        if why := undecided(trials):
            raise ResultsError(f"these trials have no objective: {why}")
        raise ResultsError(
            f"these trials have no objective; choose a metric and a direction with -m METRIC --direction max|min; "
            f"available: {known}"
        )
    return objective


def choose_objective(trials: Sequence[Trial]) -> Objective | None:
    """Return the default objective of `trials`: their sweeps' own, else a guess, else None.

    A sweep whose own objective nobody logged has no say where there are others; what one was given holds for those that
    were given none, if they logged it. None also where sweeps are judged by different ones.
    """
    sweeps = members_by_sweep(trials)
    if any(sweep.several for sweep in sweeps):
        return None  # No single one puts the trials of such a sweep in order.
    given = {sweep: given_objective(sweep, some) for sweep, some in sweeps.items()}
    logged = {own for sweep, own in given.items() if own and _has_logged(sweeps[sweep], own)}
    without = [sweeps[sweep] for sweep, own in given.items() if own is None]
    if logged:
        one = next(iter(logged)) if len(logged) == 1 else None
        agree = one and all(_has_logged(some, one) or not _candidates(some) for some in without)
        return one if agree else None
    if without:
        return _guess(without)
    saved = saved_objectives(trials)
    return saved[0] if len(saved) == 1 else None


def several_objectives(trials: Iterable[Trial]) -> tuple[Objective, ...]:
    """Return the several objectives that all sweeps of `trials` have; none if it is one, or not the same ones."""
    found = {frozenset(sweep.several): sweep.several for sweep in members_by_sweep(trials)}
    return next(iter(found.values())) if len(found) == 1 else ()


def own_objective(sweep: Sweep, trials: Sequence[Trial]) -> Objective | None:
    """Return what the trials of one sweep are judged by, whatever others are; None also for several objectives."""
    return None if sweep.several else given_objective(sweep, trials) or _guess([trials])


def given_objective(sweep: Sweep, trials: Iterable[Trial]) -> Objective | None:
    """Return the objective that a sweep was given, else the one that callbacks in its trials were."""
    # One finished trial answers for all: they run one script, and there may be thousands.
    first = next((trial for trial in trials if trial.state.finished), None)
    return sweep.objective or (saved_objective(first.objective) if first else None)


def unlogged_objectives(trials: Iterable[Trial]) -> dict[Sweep, Objective]:
    """Return the sweeps whose own objective no trial logged, although one has finished."""
    return {
        sweep: sweep.objective
        for sweep, some in members_by_sweep(trials).items()
        if sweep.objective and not _has_logged(some, sweep.objective) and any(trial.state.finished for trial in some)
    }


def members_by_sweep(trials: Iterable[Trial]) -> dict[Sweep, list[Trial]]:
    """Return the trials of each sweep, in their order."""
    found: dict[Sweep, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.sweep, []).append(trial)
    return found


def _has_logged(trials: Iterable[Trial], objective: Objective) -> bool:
    return has_metric(objective.metric, trials)


@dataclass(frozen=True)
class _Candidate:
    """A metric that a guess may fall on."""

    direction: str
    count: int
    """How many trials have a number of it."""
    most: int
    """How many trials have a number of any metric."""

    @property
    def is_usual(self) -> bool:
        """Whether next to none of the trials would drop out of a ranking by it."""
        return self.count >= _USUAL * self.most


def _guess(sweeps: Iterable[Sequence[Trial]]) -> Objective | None:
    """Return the objective that the metrics' names suggest; None if none stands out."""
    likely = _likely(sweeps)
    return likely[0] if len(likely) == 1 else None


def _likely(sweeps: Iterable[Sequence[Trial]]) -> list[Objective]:
    """Return the metrics that a guess may fall on, more than one where nothing decides between them.

    It is one that all of the sweeps have which have any. How many trials have it comes before what its name promises.
    """
    found = [candidates for some in sweeps if (candidates := _candidates(some))]
    if not found:
        return []
    common = {
        name: _Candidate(first.direction, sum(one[name].count for one in found), sum(one[name].most for one in found))
        for name, first in found[0].items()
        if all(name in one and one[name].direction == first.direction for one in found)
    }
    ranks = {name: (not candidate.is_usual, *preference(name)) for name, candidate in common.items()}
    first = [name for name, rank in ranks.items() if rank == min(ranks.values())]
    return [Objective(name, common[name].direction, source="guessed") for name in alternatives(first)]


def tied_objectives(trials: Sequence[Trial]) -> list[Objective]:
    """Return the metrics that are equally likely to be what trials without any objective are to be judged by."""
    if different_objectives(trials):
        return []
    likely = _likely(members_by_sweep(trials).values())
    return likely if len(likely) > 1 else []


def undecided(trials: Sequence[Trial]) -> str:
    """Return which metrics are equally likely, and what to type to choose; empty if one or none is."""
    tied = tied_objectives(trials)
    if not tied:
        return ""
    options = [f"-m {shlex.quote(one.metric)}" for one in tied[:_MOST_NAMED]]
    more = f" (and {len(tied) - _MOST_NAMED} more)" if len(tied) > _MOST_NAMED else ""
    return f"{len(tied)} metrics are equally likely to be the objective; choose one: {', '.join(options)}{more}"


def _candidates(trials: Sequence[Trial]) -> dict[str, _Candidate]:
    """Return the metrics of one sweep whose direction is known, and which at least half of those with numbers have."""
    finished = [trial for trial in trials if trial.state.finished] or trials
    held: Counter[str] = Counter()
    most = 0
    for trial in finished:
        names = [name for name in {*trial.metric_names, *trial.final} if number(trial.value(name)) is not None]
        held.update(names)
        most += bool(names)
    usual = [name for name, count in held.items() if 2 * count >= most]
    known = {name: direction_of(name) if name != RETURN_VALUE else _returned_direction(finished) for name in usual}
    return {name: _Candidate(better, held[name], most) for name, better in known.items() if better}


def _returned_direction(trials: Sequence[Trial]) -> str | None:
    """Return which returned values are better; None if all are the same, such as an exit code.

    It is that of a metric which was returned; without one less is better, as to all of Hydra's optimizers by default.
    """
    known = [(trial, value) for trial in trials if (value := number(trial.value(RETURN_VALUE))) is not None]
    if len(known) > 1 and len({value for _, value in known}) == 1:
        return None
    for name in metric_names([known[0][0]]):
        better = direction_of(name)
        if better and all(_returned(trial, name, value) for trial, value in known):
            return better
    return MINIMIZE


def _returned(trial: Trial, name: str, value: float) -> bool:
    summary = trial.summary(name)
    return value in (number(trial.value(name)), number(summary.get("max")), number(summary.get("min")))


def saved_objectives(trials: Iterable[Trial]) -> list[Objective]:
    """Return the different objectives that the sweeps of `trials` were given, or their callbacks."""
    found: list[Objective] = []
    for sweep, some in members_by_sweep(trials).items():
        own = given_objective(sweep, some)
        found += sweep.objectives or ([own] if own else [])
    return list(dict.fromkeys(found))


def different_objectives(trials: Sequence[Trial]) -> list[str]:
    """Return in words what `trials` are judged by, each once; empty if that is one, or not known."""
    sweeps = members_by_sweep(trials)
    if len(sweeps) == 1:
        told = [objective.verdict for objective in next(iter(sweeps)).objectives]
    else:
        told = list(dict.fromkeys(filter(None, (_verdict(*item) for item in sweeps.items()))))
    return told if len(told) > 1 else []


def _verdict(sweep: Sweep, trials: Sequence[Trial]) -> str:
    own = own_objective(sweep, trials)
    return own.verdict if own else " with ".join(objective.verdict for objective in sweep.objectives)


def ask_objective(trials: Sequence[Trial], asked: str, direction: str | None = None) -> Objective:
    """Return the objective a person asked for.

    Args:
        trials: what is to be judged.
        asked: ``METRIC`` or ``METRIC:AGG`` (see :mod:`hyperherd.results.trials.aggregates`), of another phase
            ``METRIC:PHASE`` or ``METRIC:PHASE:AGG``.
        direction: ``max`` or ``min``; without it that of the sweep, else by the metric's name, else the aggregate.

    Raises:
        ResultsError: no trial has the metric, or its direction is unknown.
    """
    known = metric_names(trials)
    found = find_metric(asked, trials, known) or find_metric(asked.removeprefix("metric."), trials, known)
    if found is None:
        raise unknown_metric(asked, known)
    metric, aggregate = found
    saved = {objective.metric: objective.direction for objective in saved_objectives(trials)}
    better = _asked_direction(direction) if direction else saved.get(metric)
    better = better or direction_of(plain_metric(metric, trials))  # The name of a phase tells nothing.
    better = better or DIRECTIONS.get(aggregate or "")
    if better is None:
        raise ResultsError(f"the direction of {metric!r} is not known; add --direction max or --direction min")
    return Objective(metric, better, aggregate)


def turned(objective: Objective, direction: str) -> Objective:
    """Return `objective` with the direction (``max`` or ``min``) a person asked for."""
    return replace(objective, direction=_asked_direction(direction), source="asked")


def _asked_direction(text: str) -> str:
    if text not in (*DIRECTIONS, *DIRECTIONS.values()):
        raise ResultsError(f"{text!r} is not a direction; use max or min")
    return DIRECTIONS.get(text, text)


def at_best(trial: Trial, name: str, objective: Objective) -> Any:
    """Return the value of a metric at the step at which a trial was best; its last one before where it has none there.

    Best is where the objective was, unless its aggregate names a step. Where the objective is of a phase that is named,
    the value is of that phase. A value logged without a step is of no step, and stands for itself.
    """
    if name in trial.final and name not in trial.metric_names:
        return trial.final[name]
    step = _step_of(trial.summary(objective.metric), objective)
    if (phased := trial.asked_phase(objective.metric)) is not None:
        name = f"{name}:{name_of(phased[1])}"
    if step is None or not trial.summary(name):
        return None
    known = trial.objective or {}
    if known.get("metric") == objective.metric and known.get("best_step") == step and name in known.get("at_best", {}):
        return known["at_best"][name]
    # Its summary may have the value, without reading rows: it has the steps of the last, greatest and least one.
    told = trial.summary(name)
    for aggregate in ("last", "max", "min"):
        if told.get(f"{aggregate}_step") == step:
            return told.get(aggregate)
    steps, values = trial.readable_values(name) or ((), ())
    place = bisect_right(steps, step)
    return values[place - 1] if place else None


def _step_of(summary: Mapping[str, Any], objective: Objective) -> int | None:
    if (objective.aggregate or "").startswith("@"):
        return int((objective.aggregate or "")[1:])
    aggregate = objective.aggregate or objective.direction[:3]
    step = summary.get(f"{aggregate}_step")
    return step if isinstance(step, int) else None
