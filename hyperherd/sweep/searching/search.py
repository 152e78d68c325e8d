"""The search itself: which point is tried next, as the sampler knows the others.

What is known is read from the trials' own files, so a search that was interrupted goes on where it was.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from hyperherd.errors import SweepError, nearest
from hyperherd.overrides import split_key
from hyperherd.plural import counted
from hyperherd.records.identity import trial_key
from hyperherd.records.sweep import PlannedTrial, read_planned
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.sampling.axes import Axis
from hyperherd.sampling.settings import SamplerSettings
from hyperherd.sampling.study import TAKES_PARTS, Outcome, Study
from hyperherd.space.expansion import Report, SinglePoints, excluded_by, repeated
from hyperherd.space.point import Assignment
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.planning.plan import Plan, TrialWriter, UnnumberedTrial
from hyperherd.sweep.searching.asked import Asked, by_point
from hyperherd.sweep.searching.lacking_parts import lacking_parts
from hyperherd.sweep.searching.outcomes import all_trials, of_earlier_sweep, outcome, trials_of
from hyperherd.sweep.settings import SweepSettings

log = logging.getLogger("hyperherd")

_GUIDED = 20
"""Points that the sampler proposes for one trial before others are drawn evenly in their place."""
_DRAWS = 200
"""Points that are drawn for one trial at most: conditions exclude them, or they were tried before."""

_Left = tuple[Hashable, Assignment]
"""What conditions leave of a point, with its identity."""


class Search:
    """The points of a guided search, those that were tried and the next ones.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`, which asks for a sampler.

    Attributes:
        plan: what the search is about; it has no trials, because they follow from each other.
        outcomes: what became of the points whose trials have all ended, by the number of their first trial.

    Raises:
        SpaceError: the space cannot be read.
        SweepError: the sampler cannot be used, or not with this space.
    """

    def __init__(self, app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> None:
        assert settings.sampler is not None
        self._settings = settings.sampler
        self._objectives = [Objective(one["metric"], one["direction"], source="saved") for one in settings.objective]
        self._writer = TrialWriter(app, arguments, settings)
        self._space = self._writer.given.space
        self._axes = {name: Axis(parameter) for name, parameter in self._space.parameters.items()}
        if not self._axes:
            raise SweepError(
                "hydra.sweeper.sampler has nothing to search; give parameters in hydra.sweeper.params, or on the "
                "command line, e.g. 'lr=tag(log,interval(0.0001,0.1))'"
            )
        lacking = lacking_parts(self._space.rules, self._axes)
        if lacking and self._settings.sampler not in TAKES_PARTS:
            raise SweepError(
                f"{lacking}: with it points lack a parameter, or have a value outside of its range, of which "
                f"{self._settings.sampler} cannot learn; use hydra.sweeper.sampler.name=tpe or random"
            )
        self._seed = settings.seed if self._settings.seed is None else self._settings.seed
        self._study = Study(
            self._settings,
            self._axes,
            directions=[objective.direction for objective in self._objectives],
            seed=self._seed,
            lacks_parts=bool(lacking),
        )
        self._points = SinglePoints(self._space, self._writer.context)
        self._earlier = [
            (folder, of_earlier_sweep(folder, settings.seed_key, self._objectives)) for folder in self._settings.earlier
        ]
        self._enqueued = [self._given(point, place) for place, point in enumerate(self._settings.enqueue)]
        self._sweep_dir: Path | None = None
        self._trials: dict[int, list[PlannedTrial]] = {}
        self._identities: dict[Hashable, int] = {}
        self._others: set[str] = set()
        self.outcomes: dict[int, Outcome] = {}
        self._learned: list[int] = []
        self._ended: dict[int, set[int]] = {}
        self._following = 0
        self._is_exhausted = False
        self._has_warned = False
        notes = (*self._writer.given.notes, *self._points.warnings)
        self.plan = Plan(self._writer.written, self._writer.fixed, (), Report(0, []), notes)

    @property
    def trials(self) -> int:
        """How many trials it comes to."""
        return self._settings.trials * self.seeds

    @property
    def seeds(self) -> int:
        """How many trials each point comes to."""
        return self._space.seeds or 1

    @property
    def is_complete(self) -> bool:
        """Whether no further point is going to be chosen."""
        return self._is_exhausted or len(self._trials) >= self._settings.trials

    @property
    def settings(self) -> SamplerSettings:
        """What was asked for."""
        return self._settings

    @property
    def told(self) -> list[str]:
        """The space, a line for each parameter."""
        return [axis.told for axis in self._axes.values()]

    @property
    def unmatched(self) -> list[str]:
        """A warning for each condition that has matched nothing."""
        return [effect.warning for effect in self._points.effects if effect.warning is not None]

    # What is there already

    def recorded(self, sweep_dir: Path) -> tuple[UnnumberedTrial, ...]:
        """Return the trials of an earlier invocation that are still in the space, as they would be planned now."""
        drafts: list[UnnumberedTrial] = []
        for asked, trials in by_point(read_planned(sweep_dir)).values():
            found = self._still_there(asked, trials)
            drafts += [replace(self._writer.trial(each), asked=asked.to_json()) for each in found]
        return tuple(drafts)

    def _still_there(self, asked: Asked, trials: Iterable[PlannedTrial]) -> list[Assignment]:
        """Return the assignments, one for each seed, that a draw still comes to; none if that is another point now."""
        if asked.drawn.keys() != self._axes.keys():
            return []
        if any(self._axes[name].encode(value) is None for name, value in asked.drawn.items()):
            return []
        keys = {trial.key for trial in trials}
        for identity, assignment in self._points.left_of(asked.drawn):
            if not keys.isdisjoint(self._keys(assignment)):
                self._identities[identity] = asked.point
                return repeated(self._space, [assignment])
        return []

    def begin(self, sweep_dir: Path, planned: Sequence[PlannedTrial], in_flight: Iterable[int]) -> None:
        """Tell the sampler what a folder holds.

        Args:
            sweep_dir: absolute.
            planned: its trials, those of an earlier invocation that the space has no more among them.
            in_flight: the numbers of those that run, or are to run.
        """
        self._sweep_dir = sweep_dir
        self._following = max((trial.number for trial in planned), default=-1) + 1
        running = set(in_flight)
        self._know_earlier()
        found = all_trials(sweep_dir) if planned else {}
        points = by_point(trial for trial in planned if not trial.orphan)
        ours = {trial.number for _, trials in points.values() for trial in trials}
        for trial in planned:
            if trial.number not in ours:
                self._others.add(trial.key)
                self._know(("other", trial.number), trial.params, outcome(_of(found, [trial]), self._objectives))
        for point, (_, trials) in points.items():
            self._trials[point] = trials
            self._ended[point] = {trial.number for trial in trials} - running
            if self._has_ended(point):
                self.outcomes[point] = outcome(_of(found, trials), self._objectives)
        for asked, _ in points.values():
            self._repeat(asked)
        self._enqueued = _without(self._enqueued, [asked.enqueued for asked, _ in points.values()])

    def _know_earlier(self) -> None:
        """Tell the sampler of earlier sweeps, the points that are of this space and have a value."""
        for folder, points in self._earlier:
            known = [self._know(("from", folder, place), *point) for place, point in enumerate(points)]
            level = logging.INFO if any(known) else logging.WARNING
            log.log(
                level, "search: %d of %s of %s told to the sampler", sum(known), counted(len(known), "point"), folder
            )

    def _know(self, key: Hashable, params: Mapping[str, Any], result: Outcome) -> bool:
        """Tell the sampler of a point that it has not proposed, if that has a value in this space; return whether."""
        values = {name: value for name, value in params.items() if name != self._space.seed_key}
        if result.state != "completed" or not values.keys() <= self._axes.keys() or not self._study.takes(values):
            return False
        self._study.accept(key, values)
        self._study.tell(key, result)
        return True

    def _repeat(self, asked: Asked) -> None:
        """Bring the sampler to where it was after it had proposed a point."""
        self._learn(point for point in asked.after if point in self.outcomes)
        if self._study.keeps_notes and not self._is_whole(asked.enqueued):
            proposed: dict[str, Any] = {}
            for draw in range(min(asked.draws, _DRAWS)):
                if draw:
                    self._reject(self._points.left_of({**proposed, **asked.enqueued}))
                proposed = self._study.propose(asked.point, draw, evenly=draw >= _GUIDED)
        for values in asked.rejected:
            self._study.avoid(values)
        self._study.accept(asked.point, self._trials[asked.point][0].params)

    # What comes next

    def ended(self, number: int) -> None:
        """Take note that a trial has ended for good."""
        for point, trials in self._trials.items():
            if any(trial.number == number for trial in trials):
                self._ended[point].add(number)
                if self._has_ended(point):
                    assert self._sweep_dir is not None
                    found = _of(trials_of(self._sweep_dir, trials), trials)
                    self.outcomes[point] = outcome(found, self._objectives)
                    self._warn_of_missing(found)

    def _warn_of_missing(self, trials: Iterable[Trial]) -> None:
        """Warn once of a trial that has no value at all: most likely the metric has another name, and none has one."""
        for trial, objective in product(trials, self._objectives):
            if not self._has_warned and trial.state.finished and objective.value(trial) is None:
                self._has_warned = True
                log.warning(
                    "search: trial %s has completed without a number as its %s%s, so the sampler learns nothing of it",
                    trial.number,
                    objective.metric,
                    nearest(objective.metric, [*trial.metrics, *trial.final]),
                )

    def _has_ended(self, point: int) -> bool:
        return len(self._ended[point]) == len(self._trials[point])

    def ask(self, count: int) -> list[PlannedTrial]:
        """Return the trials of the next points, `count` of them unless fewer are left; they have no directories yet.

        Raises:
            SweepError: the conditions leave no point.
        """
        asked: list[PlannedTrial] = []
        self._learned += self._learn(self.outcomes)
        for _ in range(count):
            if self.is_complete:
                break
            asked += self._next()
        return asked

    def _learn(self, points: Iterable[int]) -> list[int]:
        """Tell the sampler of outcomes that it does not know; return whose they are."""
        new = [point for point in sorted(points) if point in self._trials and self._study.is_open(point)]
        for point in new:
            self._study.tell(point, self.outcomes[point])
        return new

    def _next(self) -> list[PlannedTrial]:
        """Return the trials of the next point; none if no new one is found."""
        given = self._enqueued.pop(0) if self._enqueued else {}
        if self._is_whole(given):
            return self._next_whole(given)
        number, is_new = self._following, True
        rejected: list[dict[str, Any]] = []
        for draw in range(_DRAWS):
            proposed = self._study.propose(number, draw, evenly=draw >= _GUIDED)
            drawn = {**proposed, **given}
            left = self._points.left_of(drawn)
            if fresh := self._fresh(left):
                identity, assignment = random.Random(f"{self._seed} {number} {draw}").choice(fresh)
                asked = Asked(number, drawn, draw + 1, tuple(self._learned), tuple(rejected), given)
                return self._taken(asked, identity, assignment)
            is_new = is_new and not left
            if draw < _GUIDED and not self._study.keeps_notes:
                rejected.append(proposed)
            self._reject(left)
        if given and not is_new:
            return self._next_without(given)
        if is_new:
            what = f"hydra.sweeper.sampler.enqueue: {_shown(given)}: " if given else ""
            blame = excluded_by(self._points.effects)
            raise SweepError(f"{what}none of {_DRAWS} points that were drawn is left by the conditions: {blame}")
        self._is_exhausted = True
        found = counted(len(self._trials), "point")
        log.warning("the search ends after %s: none of %d points that were drawn is new", found, _DRAWS)
        return []

    def _next_whole(self, given: Mapping[str, Any]) -> list[PlannedTrial]:
        """Return the trials of a point that was asked for by name, with a value of every parameter."""
        if fresh := self._fresh(self._points.left_of(given)):
            return self._taken(Asked(self._following, given, 1, tuple(self._learned), (), given), *fresh[0])
        return self._next_without(given)

    def _next_without(self, given: Mapping[str, Any]) -> list[PlannedTrial]:
        """Return the trials of the point after one that was asked for by name."""
        log.warning("hydra.sweeper.sampler.enqueue: %s was tried before", _shown(given))
        return self._next()

    def _reject(self, left: Sequence[_Left]) -> None:
        """Tell the sampler that a point is not tried, and what it came to if the sampler knows an equal one."""
        point = self._identities.get(left[0][0]) if left else None
        self._study.reject(self.outcomes[point] if point is not None and self._study.was_told(point) else None)

    def _fresh(self, left: Sequence[_Left]) -> list[_Left]:
        """Return those that were not tried, here or before the search began."""
        new = [each for each in left if each[0] not in self._identities]
        return [each for each in new if self._others.isdisjoint(self._keys(each[1]))] if self._others else new

    def _keys(self, assignment: Assignment) -> set[str]:
        return {trial_key(each.values) for each in repeated(self._space, [assignment])}

    def _is_whole(self, given: Mapping[str, Any]) -> bool:
        return given.keys() == self._axes.keys()

    def _taken(self, asked: Asked, identity: Hashable, assignment: Assignment) -> list[PlannedTrial]:
        self._identities[identity] = asked.point
        trials = []
        for each in repeated(self._space, [assignment]):
            self._writer.check(each)
            draft = self._writer.trial(each)
            trials.append(
                PlannedTrial(
                    self._following,
                    draft.key,
                    draft.name,
                    draft.overrides,
                    draft.params,
                    resources=draft.resources,
                    asked=asked.to_json(),
                )
            )
            self._following += 1
        self._trials[asked.point], self._ended[asked.point] = trials, set()
        self._study.accept(asked.point, assignment.values)
        self._learned = []
        return trials

    def placed(self, trials: Sequence[PlannedTrial]) -> None:
        """Take note where trials that were asked for are to run."""
        for trial in trials:
            asked = Asked.from_json(trial.asked)
            assert asked is not None
            own = self._trials[asked.point]
            own[:] = [trial if each.number == trial.number else each for each in own]

    def _given(self, written: Mapping[str, Any], place: int) -> dict[str, Any]:
        """Return a point of `enqueue` with the names of parameters.

        Raises:
            SweepError: a name is no parameter, or does not take the value.
        """
        found, key_of = {}, f"hydra.sweeper.sampler.enqueue[{place}]"
        for key, value in written.items():
            name = split_key(str(key))[1]
            if name not in self._axes:
                raise SweepError(f"{key_of}: {name!r} is not searched{nearest(name, self._axes)}")
            if self._axes[name].encode(value) is None:
                raise SweepError(f"{key_of}: {name}={value!r} is not in the space ({self._axes[name].told})")
            found[name] = self._axes[name].decode(self._axes[name].encode(value))
        if self._is_whole(found) and not self._points.left_of(found):
            raise SweepError(f"{key_of}: {_shown(found)} is excluded: {excluded_by(self._points.effects)}")
        return found


def _of(found: Mapping[int, Trial], trials: Iterable[PlannedTrial]) -> list[Trial]:
    return [found[trial.number] for trial in trials if trial.number in found]


def _without(points: Sequence[dict[str, Any]], tried: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return points that were not tried, each as often as it is left."""
    left = list(tried)
    kept = []
    for point in points:
        if point in left:
            left.remove(point)
        else:
            kept.append(point)
    return kept


def _shown(point: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in point.items())
