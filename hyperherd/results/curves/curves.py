"""Curves of metrics over steps or time: those of single trials, and their mean with a band over seeds.

At each x the mean is over the trials that have been there: values between two logged steps are interpolated, and none
is made up before a trial's first step or after its last. Where a trial ends before the others, the mean is of other
trials from there on: the line is interrupted, because what would look like a jump of the metric is one of the trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hyperherd.errors import ResultsError, nearest, some_of
from hyperherd.plural import counted
from hyperherd.results.curves import MOST_LINES
from hyperherd.results.curves.mean import MetricCurve, end_of, falls, interrupted, mean_curve
from hyperherd.results.curves.reading import read_curves
from hyperherd.results.curves.smoothing import ema, sliding
from hyperherd.results.statistics.configurations import GroupCollection
from hyperherd.results.text.format import exact, setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.directions import direction_of
from hyperherd.results.trials.metric_names import find_metric, plain_metric
from hyperherd.results.trials.objective import MAXIMIZE
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

BANDS = ("std", "sem", "range", "none")
AXES = ("step", "time", "epoch")


@dataclass(frozen=True)
class PlotOptions:
    """What is asked of a drawing."""

    metric: str
    """``METRIC``, or ``METRIC:PHASE``."""
    right: str | None = None
    """Another metric, on an axis of its own."""
    hue: str | None = None
    """One line per value of this parameter; None: one per configuration."""
    band: str = "std"
    """What the band around a mean shows: ``std``, ``sem``, ``range`` or ``none``."""
    smooth: float | None = None
    """Weight of an exponential moving average, 0 to below 1."""
    window: int | None = None
    """Steps of a sliding mean; the band of a single trial is then the std within the window."""
    x: str = "step"
    """``step``, ``time`` in seconds since the trial's first value, or ``epoch``, as the callbacks log it."""
    y_range: tuple[float, float] | None = None
    """The ends of the axis of the metric; None: those of the lines."""
    log_x: bool = False
    log_y: bool = False
    most: int | None = MOST_LINES
    """Lines at most, the best ones; None: all."""

    def checked(self, trials: TrialCollection) -> PlotOptions:
        """Return it with the metrics' names as they were logged.

        Raises:
            ResultsError: an option is invalid; the message names the valid values.
        """
        if self.band not in BANDS:
            raise ResultsError(f"{self.band!r} is not a band; use {', '.join(BANDS)}")
        if self.x not in AXES:
            raise ResultsError(f"x is {self.x!r}; use {', '.join(AXES[:-1])} or {AXES[-1]}")
        if self.smooth is not None and self.window is not None:
            raise ResultsError("smooth and window cannot be combined; give one of them")
        if self.smooth is not None and not 0 <= self.smooth < 1:
            raise ResultsError(f"smooth must be at least 0 and below 1, not {self.smooth:g}")
        if self.window is not None and self.window < 1:
            raise ResultsError(f"window must be at least 1 step, not {self.window}")
        if self.y_range is not None and not self.y_range[0] < self.y_range[1]:
            raise ResultsError(f"a range needs its low value first, not {self.y_range[0]} before {self.y_range[1]}")
        if self.hue is not None and self.hue not in trials.params and self.hue not in trials.varying:
            known = some_of(trials.params)
            raise ResultsError(
                f"no trial has a parameter {self.hue!r}{nearest(self.hue, trials.params)}; available: {known}"
            )
        right = None if self.right is None else _known_metric(self.right, trials)
        return replace(self, metric=_known_metric(self.metric, trials), right=right)


@dataclass(frozen=True)
class Line:
    """One line of a drawing."""

    label: str
    trials: tuple[Trial, ...]
    xs: list[float]
    ys: list[float]
    """NaN where there is a gap."""
    raw: list[float] | None
    """The line as it was before it was smoothed, if it was."""
    low: list[float]
    """The band; NaN where there is none."""
    high: list[float]
    best: tuple[float, float] | None
    """The best point of the line as it is drawn; None if the direction of the metric is unknown."""
    falls: tuple[tuple[float, int], ...] = ()
    """Where trials end before the line does: the last x with all of them, and how many go on."""
    deaths: tuple[tuple[float, float], ...] = ()
    """The last points of trials that did not succeed, on the line."""


@dataclass(frozen=True)
class Drawing:
    """All that is to be drawn."""

    options: PlotOptions
    lines: list[Line]
    right: list[Line]
    """The lines of the second metric, in the same order; a label without a line there is missing."""
    notes: list[str]
    """What someone who sees the drawing must know."""


def draw(trials: TrialCollection, options: PlotOptions) -> Drawing:
    """Return what `options` ask for.

    Raises:
        ResultsError: it asks for something that cannot be, or no trial has logged the metric with steps.
    """
    options = options.checked(trials)
    wanted = [options.metric] if options.right is None else [options.metric, options.right]
    curves, notes = read_curves(trials, wanted, options.x)
    configurations = GroupCollection.by_configuration(trials)
    groups = _groups(configurations, options)
    lines = _lines(groups, curves, options.metric, options, configurations)
    if not lines:
        without = "epochs" if options.x == "epoch" else "steps"
        raise ResultsError(f"no trial has a curve of {options.metric!r}: it was logged without {without}")
    if options.most is not None and len(lines) > options.most:
        left_out = counted(len(lines) - options.most, "more line")
        notes.append(f"{left_out} not shown; the lines shown are the best{_by_guess(options, trials)}")
        lines = lines[: options.most]
    shown = {line.label for line in lines}
    right = [] if options.right is None else _lines(groups, curves, options.right, options, configurations)
    return Drawing(options, lines, [line for line in right if line.label in shown], notes)


def _groups(configurations: GroupCollection[TrialCollection], options: PlotOptions) -> dict[str, list[Trial]]:
    """Return the trials of each line, by its label; of several with one seed those that do not count are left out."""
    groups: dict[str, list[Trial]] = {}
    trials = configurations.trials
    twice = {trial for group in configurations for trial in group.superseded}
    if options.hue is not None:
        for trial in trials:
            if trial not in twice:
                groups.setdefault(f"{options.hue}={_text(trials.setting(trial, options.hue))}", []).append(trial)
        return groups
    for group in configurations:
        told = " ".join(
            f"{name}={_text(value)}" for name, value in group.settings.items() if not isinstance(value, Gap)
        )
        one = f"trial {group.trials[0].label}"
        label = told or (one if len(group.trials) == 1 else "all trials")
        # Trials of several sweeps may differ in what no parameter tells.
        members = [trial for trial in group.trials if trial not in twice]
        groups.setdefault(label if label not in groups else f"{label} ({one})", []).extend(members)
    return groups


def _text(value: Any) -> str:
    return value.value if isinstance(value, Gap) else setting(value)


def _lines(
    groups: dict[str, list[Trial]],
    curves: dict[tuple[Trial, str], MetricCurve],
    metric: str,
    options: PlotOptions,
    configurations: GroupCollection[TrialCollection],
) -> list[Line]:
    """Return the lines of `metric`, best first if it is known what is better.

    Configurations have their rank where that is by this metric; other lines follow in the order of their ends.
    """
    trials = configurations.trials
    direction = _direction(metric, trials)
    lines = []
    for label, members in groups.items():
        shown = tuple(trial for trial in members if (trial, metric) in curves)
        if shown:
            lines.append(_line(label, shown, [curves[trial, metric] for trial in shown], options, direction))
    if direction is None:
        return lines
    sign = -1 if direction == MAXIMIZE else 1
    by_rank = options.hue is None and trials.objective is not None and trials.objective.metric == metric
    ranks = _ranks(configurations) if by_rank else {}
    return sorted(lines, key=lambda line: (ranks.get(line.trials[0], math.inf), *_sort_key(line, sign)))


def _ranks(configurations: GroupCollection[TrialCollection]) -> dict[Trial, float]:
    return {trial: rank for rank, group in enumerate(configurations.ranked) for trial in group.trials}


def _sort_key(line: Line, sign: int) -> tuple[bool, float]:
    end = next((y for y in reversed(line.ys) if math.isfinite(y)), math.nan)
    return math.isnan(end), 0.0 if math.isnan(end) else sign * end


def _line(
    label: str, trials: tuple[Trial, ...], curves: list[MetricCurve], options: PlotOptions, direction: str | None
) -> Line:
    drops: tuple[tuple[float, int], ...] = ()
    if len(curves) == 1:
        xs, raw = list(curves[0].xs), list(curves[0].ys)
        ys = smoothed(raw, options)
        low, high = _within(raw, options)
    else:
        mean = mean_curve(curves, options.band)
        drops = falls(curves, mean)
        parts = interrupted(curves, mean, drops, options.band)
        xs, raw = parts[0], parts[1]
        ys, low, high = (_smoothed_parts(part, xs, drops, options) for part in parts[1:])
    deaths = tuple(
        point
        for trial, curve in zip(trials, curves, strict=True)
        if trial.state.problem and (point := _on(xs, ys, curve)) is not None
    )
    is_smoothed = options.smooth or options.window
    return Line(
        label,
        trials,
        xs,
        ys,
        raw if is_smoothed and ys != raw else None,
        low,
        high,
        _best(xs, ys, direction),
        drops,
        deaths,
    )


def _smoothed_parts(
    values: Sequence[float], xs: Sequence[float], drops: Sequence[tuple[float, int]], options: PlotOptions
) -> list[float]:
    """Return values smoothed from gap to gap: a mean over fewer trials does not go on from that over more."""
    cuts = [place for place in range(1, len(xs)) if xs[place] == xs[place - 1]] if drops else []
    bounds = [0, *cuts, len(xs)]
    return [value for start, end in pairwise(bounds) for value in smoothed(values[start:end], options)]


def _on(xs: Sequence[float], ys: Sequence[float], curve: MetricCurve) -> tuple[float, float] | None:
    """Return the point of a line at which a curve ends."""
    end = end_of(curve)
    known = [(x, y) for x, y in zip(xs, ys, strict=True) if x <= end and math.isfinite(y)]
    return known[-1] if known else None


def _within(values: Sequence[float], options: PlotOptions) -> tuple[list[float], list[float]]:
    """Return the band of a single trial: one standard deviation of the values within the window, if there is one."""
    if not options.window or options.band == "none":
        return [math.nan] * len(values), [math.nan] * len(values)
    moments = sliding(values, options.window)
    return [item.mean - item.std for item in moments], [item.mean + item.std for item in moments]


def smoothed(values: Sequence[float], options: PlotOptions) -> list[float]:
    """Return `values` smoothed as `options` ask."""
    if options.window:
        return [item.mean for item in sliding(values, options.window)]
    return ema(values, options.smooth) if options.smooth else list(values)


def _best(xs: Sequence[float], ys: Sequence[float], direction: str | None) -> tuple[float, float] | None:
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if not points or direction is None:
        return None
    choose: Any = max if direction == MAXIMIZE else min
    best: tuple[float, float] = choose(points, key=lambda point: point[1])
    return best


def _direction(metric: str, trials: TrialCollection) -> str | None:
    judges = [trials.objective] if trials.objective else trials.objectives
    known = [objective.direction for objective in judges if objective.metric == metric]
    return known[0] if known else direction_of(plain_metric(metric, trials))


def _by_guess(options: PlotOptions, trials: TrialCollection) -> str:
    judges = [trials.objective] if trials.objective else trials.objectives
    known = any(objective.metric == options.metric and objective.source != "guessed" for objective in judges)
    direction = None if known else direction_of(options.metric)
    return f" ({'higher' if direction == MAXIMIZE else 'lower'} is better, guessed from its name)" if direction else ""


def _known_metric(name: str, trials: TrialCollection) -> str:
    known = trials.metric_names
    found = find_metric(name, trials, known) or find_metric(name.removeprefix("metric."), trials, known)
    if found is None:
        told = some_of(map(exact, known))
        raise ResultsError(f"no trial has a metric {name!r}{nearest(name, known)}; available: {told}")
    metric, aggregate = found
    if aggregate is not None:
        raise ResultsError(f"a curve has all values of {metric!r}, and takes no aggregate such as {aggregate!r}")
    return metric
