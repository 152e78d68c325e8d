"""A trial's metrics in a few numbers (docs/format.md, `trial.json`), in memory that does not grow with the rows.

Nothing here imports more than the standard library: heartbeats run in the training process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from statistics import median
from typing import Any, TypeVar

from hyperherd.metrics.rows.phases import PhaseOrder, is_evaluation, metric_of, phase_of, series_of

CURVE = 32
"""Points of a curve at most."""

Point = tuple[int, float]
T = TypeVar("T")


@dataclass(slots=True)
class Stats:
    """One metric: how many values, the one at the greatest step, the extremes. NaN is counted, and never an extreme."""

    count: int = 0
    last: float | None = None
    last_step: int | None = None
    min: float | None = None
    min_step: int | None = None
    max: float | None = None
    max_step: int | None = None
    nan: int = 0

    def add(self, step: int, value: float) -> None:
        """Take one value in."""
        self.count += 1
        # Rows come in the order of time: of two values at one step, the later one is what stands.
        if self.last_step is None or step >= self.last_step:
            self.last, self.last_step = value, step
        if value != value:
            self.nan += 1
            return
        if self.min is None or value < self.min or (value == self.min and step < (self.min_step or 0)):
            self.min, self.min_step = value, step
        if self.max is None or value > self.max or (value == self.max and step < (self.max_step or 0)):
            self.max, self.max_step = value, step

    def merged(self, newer: Stats) -> Stats:
        """Return the stats of this one's values and a newer one's together."""
        whole = Stats(**asdict(newer))
        whole.count += self.count
        whole.nan += self.nan
        # Only a greater step: at the same one the newer value was logged again.
        if self.last_step is not None and (whole.last_step is None or self.last_step > whole.last_step):
            whole.last, whole.last_step = self.last, self.last_step
        if beats(self.min, self.min_step, whole.min, whole.min_step, "minimize"):
            whole.min, whole.min_step = self.min, self.min_step
        if beats(self.max, self.max_step, whole.max, whole.max_step, "maximize"):
            whole.max, whole.max_step = self.max, self.max_step
        return whole

    def best(self, direction: str) -> tuple[float | None, int | None]:
        """Return the best value and its step; None and None if every value is NaN."""
        return (self.max, self.max_step) if direction == "maximize" else (self.min, self.min_step)


@dataclass(frozen=True)
class ObjectiveResult:
    """The objective of a trial, as `trial.json` has it."""

    metric: str
    direction: str
    best: float | None = None
    best_step: int | None = None
    at_best: Mapping[str, float | None] = field(default_factory=dict)
    """The other metrics' values at the best step; a metric that has none there, its last one before."""
    curve: list[Point] = field(default_factory=list)
    phase: str = ""
    """The phase that it is of: of several the one that counts."""

    @property
    def series(self) -> str:
        """The series that it is made of."""
        return series_of(self.metric, self.phase)

    def as_json(self) -> dict[str, Any]:
        """Return it in the form of `trial.json`, numbers that are not finite as they are."""
        record = {**asdict(self), "at_best": dict(self.at_best), "curve": [list(point) for point in self.curve]}
        if not self.phase:
            del record["phase"]
        return record


def beats(value: float | None, step: int | None, other: float | None, other_step: int | None, direction: str) -> bool:
    """Return whether `value` is better than `other`; of equals the earlier step is, and anything beats None."""
    if value is None or value != value:
        return False
    if other is None or other_step is None:
        return True
    if value == other:
        return step is not None and step < other_step
    return (value > other) == (direction == "maximize")


def thin(points: Sequence[T]) -> list[T]:
    """Return at most `CURVE` of the points, evenly picked, the first and the last among them."""
    if len(points) <= CURVE:
        return list(points)
    return [points[round(place * (len(points) - 1) / (CURVE - 1))] for place in range(CURVE)]


class _Series:
    """One series of one attempt; a step logged again replaces its value as long as no other step came between."""

    def __init__(self, name: str) -> None:
        self.metric, self.phase = metric_of(name), phase_of(name)
        self.is_new = True
        self._settled = Stats()
        self._step: int | None = None
        self._value = 0.0

    def add(self, step: int, value: float) -> None:
        if self._step is not None and step != self._step:
            self._settled.add(self._step, self._value)
        self._step, self._value = step, value

    def stats(self) -> Stats:
        stats = Stats(**asdict(self._settled))
        if self._step is not None:
            stats.add(self._step, self._value)
        return stats

    def last(self) -> Point | None:
        """Return the greatest step and its value."""
        settled = self._settled
        if self._step is not None and (settled.last_step is None or self._step >= settled.last_step):
            return self._step, self._value
        return None if settled.last_step is None or settled.last is None else (settled.last_step, settled.last)


class _Curve:
    """Every n-th point, with n doubled whenever there are too many."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._every = 1
        self._count = 0

    def add(self, point: Point) -> None:
        if self._count % self._every == 0:
            self._points.append(point)
            if len(self._points) > 2 * CURVE:
                # What is left are the points whose places are multiples of the doubled n.
                self._points, self._every = self._points[::2], 2 * self._every
        self._count += 1

    def points(self) -> list[Point]:
        return self._points


@dataclass(frozen=True)
class _Best:
    """The best value of the objective, and the other metrics' values (with their steps) at its step or before."""

    step: int
    value: float
    others: dict[str, Point]

    def offer(self, metric: str, step: int, value: float) -> None:
        """Keep another metric's value that was logged for the best step, or before it, after the best one."""
        if step <= self.step and (metric not in self.others or step >= self.others[metric][0]):
            self.others[metric] = (step, value)


class Stream:
    """The summary of one attempt's rows as they come in the order of time, exact as long as steps do not fall.

    The objective is that of the last phase which trained with its metric, or else of the last one that evaluated it.

    Args:
        objective: ``{"metric", "direction"}``, or None.
        watched: of older rows, whose best step the other metrics' values are wanted for too.
    """

    def __init__(self, objective: Mapping[str, Any] | None, watched: ObjectiveResult | None = None) -> None:
        self.first: dict[str, int] = {}
        """The least step of every series."""
        self.began: dict[str, float] = {}
        """Phase -> time of its first row."""
        self.step: int | None = None
        """The greatest step of the last phase that trained."""
        self.phase: str | None = None
        """That phase."""
        self._watched = None if watched is None or watched.best_step is None else _Best(watched.best_step, 0.0, {})
        self._watched_phase = watched.phase if watched else ""
        self._metric = objective["metric"] if objective else None
        self._direction = objective["direction"] if objective else ""
        self._series: dict[str, _Series] = {}
        self._shown: _Series | None = None
        """The series of the objective that counts."""
        self._time: float | None = None
        self._intervals: deque[float] = deque(maxlen=64)
        self._show(None)

    def _show(self, series: _Series | None) -> None:
        """Begin to make the objective of a series."""
        self._shown = series
        self._best: _Best | None = None
        self._best_before: _Best | None = None  # as it was before the newest step of the objective
        self._curve = _Curve()
        self._newest: Point | None = None  # of the objective; it may be logged again

    def add(self, step: int, name: str, value: float | None, time: float | None) -> None:
        """Take in one row of the series `name`."""
        if name not in self.first:
            self._begin(phase_of(name), time)
        if step < self.first.setdefault(name, step):
            self.first[name] = step
        if self.step is None or step > self.step:
            self._advance(step, phase_of(name), time)
        if value is None:
            return
        if name not in self._series:
            self._series[name] = _Series(name)
        series = self._series[name]
        series.add(step, value)
        if series.metric == self._metric:
            self._add_objective(series, step, value)
        else:
            self._offer(series, step, value)

    def _begin(self, phase: str, time: float | None) -> None:
        """Note the first row of a series: it may be that of its phase as well."""
        if phase not in self.began and time is not None:
            self.began[phase] = time
        trains_anew = not is_evaluation(phase) and not any(phase_of(known) == phase for known in self.first)
        if trains_anew:
            self.phase, self.step, self._time = phase, None, None

    def _advance(self, step: int, phase: str, time: float | None) -> None:
        if phase != self.phase and self.phase is not None:
            return
        # Not every step is logged; and a clock that was set back says nothing.
        if self._time is not None and time is not None and self.step is not None and time >= self._time:
            self._intervals.append((time - self._time) / (step - self.step))
        self.step, self._time = step, time

    def _add_objective(self, series: _Series, step: int, value: float) -> None:
        shown = self._shown
        if series is not shown:
            # The first row of a series is later than what is shown began; what follows of an older one changes nothing.
            is_new = series.is_new and (shown is None or is_evaluation(shown.phase) or not is_evaluation(series.phase))
            series.is_new = False
            if not is_new:
                return
            self._show(series)
        series.is_new = False
        if self._newest is not None and self._newest[0] != step:
            self._curve.add(self._newest)
            self._best_before = self._best
        self._newest = (step, value)
        # A step that is logged again replaces its value, so a best value that it gave before is taken back.
        self._best = self._best_before
        old = self._best
        if beats(value, step, old.value if old else None, old.step if old else None, self._direction):
            self._best = _Best(step, value, self._others_at(step, series.phase))

    def _offer(self, series: _Series, step: int, value: float) -> None:
        shown = self._shown
        if shown is not None and series.phase == shown.phase:
            for best in {id(best): best for best in (self._best, self._best_before) if best}.values():
                best.offer(series.metric, step, value)
        if self._watched is not None and series.phase == self._watched_phase:
            self._watched.offer(series.metric, step, value)

    def _others_at(self, step: int, phase: str) -> dict[str, Point]:
        others = [item for item in self._series.values() if item.metric != self._metric and item.phase == phase]
        lasts = {item.metric: item.last() for item in others}
        return {name: last for name, last in lasts.items() if last is not None and last[0] <= step}

    def stats(self) -> dict[str, Stats]:
        """Return the stats of every series that has numbers."""
        return {name: series.stats() for name, series in self._series.items()}

    def objective(self) -> ObjectiveResult | None:
        """Return the objective; None if it has no value yet."""
        if self._metric is None or self._newest is None or self._shown is None:
            return None
        curve = thin([*self._curve.points(), self._newest])
        found = ObjectiveResult(self._metric, self._direction, curve=curve, phase=self._shown.phase)
        if self._best is None:
            return found
        others = {name: value for name, (_, value) in self._best.others.items()}
        return replace(found, best=self._best.value, best_step=self._best.step, at_best=others)

    def at_watched(self) -> dict[str, float]:
        """Return the other metrics' values at the watched step, or their last ones before."""
        return {name: value for name, (_, value) in self._watched.others.items()} if self._watched else {}

    def step_seconds(self) -> float | None:
        """Return the median of the last times that one step took, those between two logged ones included."""
        return median(self._intervals) if self._intervals else None


def combine_stats(old: Mapping[str, Stats], newer: Mapping[str, Stats]) -> dict[str, Stats]:
    """Return the stats of older and newer values together."""
    return {**old, **{name: old.get(name, Stats()).merged(item) for name, item in newer.items()}}


def combine(
    old: ObjectiveResult | None,
    stats: Mapping[str, Stats],
    new: ObjectiveResult | None,
    order: PhaseOrder,
    at_old_best: Mapping[str, float] | None = None,
) -> ObjectiveResult | None:
    """Return the objective over older rows, which `old` and `stats` describe, and newer ones together.

    Args:
        old: the objective over the older rows.
        stats: of the series of the older rows.
        new: the objective over the newer rows.
        order: which phase counts, if the two are of different ones.
        at_old_best: what the newer rows have of other metrics at the old best step, or before it.
    """
    if old is not None and new is not None and old.phase != new.phase:
        if order.rank(old.series) < order.rank(new.series):
            old = None
        else:
            new = None
    if new is None:
        return replace(old, at_best={**old.at_best, **(at_old_best or {})}) if old else None
    if old is None or beats(new.best, new.best_step, old.best, old.best_step, new.direction):
        # Metrics that were not logged since the older rows have their last value from there.
        others = {metric_of(name): item for name, item in stats.items() if phase_of(name) == new.phase}
        before = {name: item.last for name, item in others.items() if name != new.metric and _is_before(item, new)}
        winner = replace(new, at_best={**before, **new.at_best})
    else:
        winner = replace(old, at_best={**old.at_best, **(at_old_best or {})})
    points = [*(old.curve if old else ()), *new.curve]
    return replace(winner, curve=thin(sorted(points, key=itemgetter(0))))


def _is_before(stats: Stats, best: ObjectiveResult) -> bool:
    return best.best_step is not None and stats.last_step is not None and stats.last_step <= best.best_step
