"""The Pareto front of several objectives, for people and for programs: what is on it, what dominates what, how sure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.pages.parts import more_rows, most_rows, pairs, to_use_lines, to_use_record, to_use_rows
from hyperherd.results.pages.problems import few
from hyperherd.results.pages.ranking import ranking
from hyperherd.results.statistics.best import Compromise
from hyperherd.results.statistics.front import MOST_JUDGED, Front, FrontPoint, front_of
from hyperherd.results.tables.people import with_error
from hyperherd.results.tables.records import SCHEMA, trial_record
from hyperherd.results.text.format import escaped
from hyperherd.results.text.layout import BOLD, Screen, enough, page, paint, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import from_here
from hyperherd.results.trials.trial import Trial

_NAMED = 20
"""Trials that are named in one line."""
_SHOWN = 10
"""Configurations of the front that are listed where the front is not what was asked for."""
DOMINATES = "one dominates another if none of its objectives is worse and at least one is better"


def front_lines(front: Front, screen: Screen) -> Iterator[str]:
    """Yield the front in short: below a table, and at the end of a sweep."""
    yield from (paint(line, BOLD, screen) for line in wrapped(_head(front), screen))
    for point in front.front[:_SHOWN]:
        settings = few(point.group.settings)
        told = f"  {_name(front, point)}: {_values(front, point)}" + (f"  {settings}" if settings else "")
        yield from wrapped(told, screen, "    ")
    if front.size > _SHOWN:
        yield f"  ... {front.size - _SHOWN} more"
    for line in (apart_line(front), chance(front)):
        yield from wrapped(line, screen) if line else ()
    folders = [from_here(str(sweep.dir)) for sweep in front.groups.trials.sweeps]
    if front.size and len(folders) == 1 and all(objective.source == "saved" for objective in front.objectives):
        command = shlex.join(["herd-results", "best", *folders])
        told = "the front of all its trials: what dominates what, and the command of each"
        yield from wrapped(f"  {escaped(command)}  ({told})", screen, "    ")


def chance(front: Front) -> str:
    """Return in a sentence what of the front may be chance; empty where there is nothing to compare."""
    if len(front.points) < 2:
        return ""
    if len(front.points) > MOST_JUDGED:
        return f"what of it is chance is not judged for more than {MOST_JUDGED} configurations"
    if front.is_pooled:
        return "what of it is chance is not judged: the trials of a group differ in more than their seed"
    if not front.knows_noise:
        return (
            "one seed each: nothing is known of how far seeds alone lie apart, so any of them may be on the front, or "
            "off it, by chance"
        )
    sure = front.size - len(front.unsure)
    told = f"certain at 95 %, for all together: {sure} of the {front.size}"
    if front.unsure:
        told += f"; perhaps on the front by chance: {_names(front.unsure)}"
    if front.near:
        told += f"; perhaps off it by chance: {_names(front.near)}"
    told += " (by the spread of seeds, taken as equal in all configurations"
    if front.constant:
        told += f"; {escaped(' and '.join(front.constant))} never differed between seeds: taken as exact"
    return f"{told})"


def front_page(trials: TrialCollection, found: Sequence[Compromise], screen: Screen) -> str:
    """Return the front as a page of text."""
    return page(_lines(trials, found, screen), screen)


def front_record(trials: TrialCollection, found: Sequence[Compromise]) -> dict[str, Any]:
    """Return the front as JSON has it."""
    front = front_of(trials)
    return {
        "schema": SCHEMA,
        "objectives": [asdict(objective) for objective in front.objectives],
        "front": [_record(front, one) for one in found],
        "dominated": [
            {**_point(point), "by": [_label(one.trial) for one in front.front if one.dominates(point)]}
            for point in front.points[front.size :]
        ],
        "apart": [{"why": why, "trials": list(map(_label, members))} for why, members in front.apart.items()],
        "knows_noise": front.knows_noise,
        "chance": chance(front),
    }


def _head(front: Front) -> str:
    what = "group" if front.is_pooled else "configuration"
    if not front.points:
        return f"Pareto front: empty, because no {what} can be compared"
    return f"Pareto front: {front.size} of {counted(len(front.points), what)} compared"


def _lines(trials: TrialCollection, found: Sequence[Compromise], screen: Screen) -> Iterator[str]:
    front = front_of(trials)
    yield from wrapped(ranking(trials), screen)
    yield from wrapped(f"{_head(front)}; {DOMINATES}", screen)
    for one in found:
        yield ""
        yield from _compromise(front, one, screen)
    rest = front.points[front.size :]
    if rest:
        shown = most_rows(rest, screen)
        yield from ("", paint("dominated", BOLD, screen))
        for point in rest[:shown]:
            by = _names([one for one in front.front if one.dominates(point)])
            yield from wrapped(f"  {_name(front, point)}: {_values(front, point)}; by {by}", screen, "    ")
        yield from more_rows(len(rest) - shown)
    if told := [line for line in (apart_line(front), chance(front)) if line]:
        yield ""
        for line in told:
            yield from wrapped(line, screen)


def _compromise(front: Front, one: Compromise, screen: Screen) -> Iterator[str]:
    point = one.point
    title = f"{_name(front, point)}: {_values(front, point)}"
    yield from (paint(line, BOLD, screen) for line in wrapped(title, screen))
    beaten = [other for other in front.points[front.size :] if point.dominates(other)]
    yield from pairs(
        [
            ("dominates", f"{len(beaten)}: {_names(beaten)}" if beaten else "none of the others"),
            ("seeds", f"{point.spreads[0].n} of {point.group.planned}" if point.group.planned > 1 else ""),
            ("by chance", _by_chance(front, point)),
            ("overrides", enough([escaped(shlex.quote(item)) for item in one.overrides], screen, between=" ")),
            *to_use_rows(one),
        ],
        screen,
    )
    yield from to_use_lines(one, screen)


def _by_chance(front: Front, point: FrontPoint) -> str:
    if point in front.unsure:
        return "perhaps on the front"
    return "perhaps off the front" if point in front.near else ""


def _record(front: Front, one: Compromise) -> dict[str, Any]:
    beaten = [other for other in front.points[front.size :] if one.point.dominates(other)]
    return {
        **_point(one.point),
        "on_front": one.point in front.front,
        "dominates": [_label(other.trial) for other in beaten],
        "sure": None if not front.knows_noise else one.point not in (*front.unsure, *front.near),
        **to_use_record(one),
        "trial": trial_record(one.trial, None),
    }


def _point(point: FrontPoint) -> dict[str, Any]:
    return {
        "label": _label(point.trial),
        "means": list(point.means),
        "std": [spread.std for spread in point.spreads],
        "n": point.spreads[0].n,
        "planned": point.group.planned,
    }


def _values(front: Front, point: FrontPoint) -> str:
    pairs_ = zip(front.objectives, point.spreads, strict=True)
    return ", ".join(f"{escaped(objective.label)} {with_error(spread, 'std')}" for objective, spread in pairs_)


def apart_line(front: Front) -> str:
    """Return which trials are not compared, and why."""
    told = [f"{len(members)} {why} ({_trials(members)})" for why, members in front.apart.items()]
    return f"not compared: {escaped('; '.join(told))}" if told else ""


def _name(front: Front, point: FrontPoint) -> str:
    what = "more seed" if front.groups.keys else "more trial"
    more = f" and {counted(len(point.group.counted) - 1, what)}" if len(point.group.counted) > 1 else ""
    return f"trial {escaped(point.trial.label)}{more}"


def _names(points: Sequence[FrontPoint]) -> str:
    return f"trial{'s' * (len(points) > 1)} {_trials([point.trial for point in points])}"


def _trials(trials: Sequence[Trial]) -> str:
    more = f" and {len(trials) - _NAMED} more" if len(trials) > _NAMED else ""
    return ", ".join(escaped(trial.label) for trial in trials[:_NAMED]) + more


def _label(trial: Trial) -> str:
    return trial.label
