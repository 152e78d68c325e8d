"""Trials for people: one aligned table that fits the screen, below it what went wrong, what was best, what matters.

Nothing that is not finished stands among what is ranked.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from hyperherd.plural import counted
from hyperherd.records.states import TrialState
from hyperherd.results.files.optimizers import is_of
from hyperherd.results.pages.alerts import alerts_of_trials
from hyperherd.results.pages.closing import unhappy
from hyperherd.results.pages.effects_line import effects_line
from hyperherd.results.pages.front import front_lines
from hyperherd.results.pages.marginal import spread_line
from hyperherd.results.pages.parts import no_command, shell_line
from hyperherd.results.pages.problems import assignments, broken_sweeps, few, problems
from hyperherd.results.pages.pruning import savings_line
from hyperherd.results.pages.ranking import is_unsure, ranking
from hyperherd.results.pages.table_page import group_grid, pivot_grid, trial_grid
from hyperherd.results.pages.verdict import POOLED, single_lines, verdict_lines
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, GroupCollection
from hyperherd.results.statistics.front import front_among, front_of
from hyperherd.results.statistics.gpu_hours import gpu_hours
from hyperherd.results.statistics.marginal import is_pooled
from hyperherd.results.statistics.mixtures import mixtures
from hyperherd.results.statistics.seeds import seed_notes
from hyperherd.results.tables.columns import View, sweep_labels
from hyperherd.results.tables.people import with_error
from hyperherd.results.text.format import display_width, escaped, measure
from hyperherd.results.text.layout import (
    BOLD,
    GLYPHS,
    Screen,
    enough,
    flowing,
    page,
    paint,
    section,
    state_colour,
    wrapped,
)
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command, from_here
from hyperherd.results.trials.judging import unlogged_objectives
from hyperherd.results.trials.metric_names import phase_notes
from hyperherd.results.trials.trial import Sweep, Trial

__all__ = ["Screen", "closing", "in_parts", "notes", "render", "render_groups", "render_pivot"]

C = TypeVar("C", bound=TrialCollection)
_COMMAND_LINES = 8
"""A command that takes more of a screen is shown where one asks for it."""
_AXES = 8
"""Parameters that are named as what varies; as many metrics, trials and solutions are named elsewhere."""


def in_parts(trials: C, screen: Screen, render_one: Callable[[C], str]) -> str:
    """Return a page for each part of the trials that is judged by one objective."""
    parts = trials.by_objective()
    if len(parts) == 1:
        return render_one(trials)
    told = "the sweeps are judged by different objectives, one table for each; -m METRIC puts them into one"
    return "\n".join([page(wrapped(told, screen), screen), *map(render_one, parts)])


def render(trials: TrialCollection, screen: Screen, view: View | None = None) -> str:
    """Return the table of `trials` as text that ends in a newline; a table for each objective of theirs."""
    return in_parts(trials, screen, lambda part: _render(part, screen, view or View()))


def _render(trials: TrialCollection, screen: Screen, view: View) -> str:
    return page([*above(trials, screen, view), "", *trial_grid(trials, screen, view), *below(trials, screen)], screen)


def above(trials: TrialCollection, screen: Screen, view: View, groups: AnyGroups | None = None) -> list[str]:
    """Return the lines above a table of trials, or of their configurations: what they are, and what they have alike."""
    return list(_head(trials, screen, view, groups))


def below(trials: TrialCollection, screen: Screen) -> list[str]:
    """Return the lines below a table of trials: what went wrong, what was best, what matters."""
    best = [
        *_best(trials, screen),
        *(front_lines(front_of(trials), screen) if trials.objectives else ()),
        *single_lines(trials, screen),
        *effects_line(trials, screen),
    ]
    return [*_amiss(trials, screen), *section(best)]


def _amiss(trials: TrialCollection, screen: Screen) -> list[str]:
    """Return what went wrong, and what trials wanted people to know."""
    return section([*problems(trials, screen), *alerts_of_trials(trials, screen)])


def below_groups(groups: AnyGroups, screen: Screen) -> list[str]:
    """Return the lines below a table of configurations: what its numbers are, then as :func:`below`."""
    trials = groups.trials
    told = spread_line(groups) if trials.objective or trials.objectives else ""
    if trials.objective and not groups.by_mean:
        told += f"; {POOLED}"
    front = front_lines(front_among(groups), screen) if trials.objectives else ()
    best = [*_best_group(groups, screen), *front, *effects_line(trials, screen, groups.keys)]
    numbers = wrapped(told, screen) if told else []
    return [*numbers, *_amiss(trials, screen), *section(best)]


def render_groups(groups: AnyGroups, screen: Screen, view: View | None = None) -> str:
    """Return the table of configurations as text that ends in a newline."""
    view = view or View()
    head = above(groups.trials, screen, view, groups)
    return page([*head, "", *group_grid(groups, screen, view), *below_groups(groups, screen)], screen)


def render_pivot(groups: AnyGroups, screen: Screen, view: View) -> str:
    """Return the objective by two names as text that ends in a newline."""
    lines = [
        *_head(groups.trials, screen, view),
        "",
        *pivot_grid(groups, screen, view),
        *wrapped(f"{spread_line(groups, what='cell')}; (2/3) = 2 of 3 trials counted", screen),
        *_amiss(groups.trials, screen),
    ]
    return page(lines, screen)


def closing(trials: TrialCollection, screen: Screen, *, most: int = 10) -> str:
    """Return what went wrong and what was best, without the table: the end of a sweep.

    Args:
        trials: of one sweep.
        screen: what it must fit.
        most: how many kinds of problems are shown.
    """
    groups = GroupCollection.by_configuration(trials)
    if groups.repeats:
        best = list(_best_group(groups, screen))
    else:
        best = [*_best(trials, screen), *(verdict_lines(groups, screen) if groups.ranked else ())]
    unsure = unlogged_objectives(trials) or is_unsure(trials)
    judged = wrapped(ranking(trials), screen) if unsure or trials.objectives else ()
    told = [*unhappy(trials, screen, most), *alerts_of_trials(trials, screen)]
    spent = [*savings_line(trials, screen), *_gpu_hours(trials, screen)]
    front = front_lines(front_among(groups), screen) if trials.objectives else ()
    return page([*told, *judged, *best, *front, *spent], screen)


def _gpu_hours(trials: TrialCollection, screen: Screen) -> list[str]:
    found = gpu_hours(trials)
    return [] if found is None else wrapped(str(found), screen)


def _unlogged(trials: TrialCollection) -> list[str]:
    """Return a line for each of several sweeps whose own objective was never logged."""
    if len(trials.sweeps) < 2:
        return []
    labels = sweep_labels(trials.sweeps)
    return [
        f"sweep {escaped(labels[sweep])}: no trial has logged {escaped(objective.label)}, the sweep's objective"
        for sweep, objective in unlogged_objectives(trials).items()
    ]


def _phases(trials: TrialCollection) -> list[str]:
    return [escaped(note) for note in phase_notes(trials)]


def _hints(trials: TrialCollection) -> list[str]:
    """Return what it takes to read the metrics that were not, with how many trials have such."""
    found = Counter(trial.hint for trial in trials if trial.hint)
    return [f"metrics of {counted(count, 'trial')} are not read: {escaped(hint)}" for hint, count in found.items()]


def notes(trials: TrialCollection, groups: AnyGroups | None = None) -> list[str]:
    """Return what someone must know who sees only the data: that the order rests on a guess, and what is broken.

    What could not be read for the data is known once they have been made.

    Args:
        trials: those in the data.
        groups: the same as configurations, if these are in the data.
    """
    unread = [f"trial {trial.label}: its metrics cannot be read: {trial.unread}" for trial in trials if trial.unread]
    apart = trials.objective is None and len(trials.by_objective()) > 1
    told = [ranking(trials)] if is_unsure(trials) or apart else []
    early = [trial.label for trial in trials if trial.state is TrialState.UNKNOWN and trial.reason]
    if early:
        told.append(f"{counted(len(early), 'trial')} may not have finished: {escaped(', '.join(early[:_AXES]))}")
    return [
        *told,
        *_unlogged(trials),
        *_phases(trials),
        *_hints(trials),
        *mixtures(trials),
        *seed_notes(trials, groups),
        *([spread_line(groups, what="cell")] if groups is not None and is_pooled(groups) else []),
        *broken_sweeps(trials),
        *unread,
    ]


def _head(trials: TrialCollection, screen: Screen, view: View, groups: AnyGroups | None = None) -> Iterator[str]:
    title = f"{_title(trials)} · {len(trials)} trial{'s' * (len(trials) != 1)} "
    yield from flowing(title, [(f"{GLYPHS[s]} {n} {s}", state_colour(s)) for s, n in trials.counts.items()], screen)
    if axes := _axes(trials):
        yield from wrapped(axes, screen)
    if trials.constant and not view.everything:
        same = enough(assignments(trials.constant), Screen() if view.full else screen)
        yield from wrapped(f"same in all: {same}", screen)
    yield from wrapped(ranking(trials), screen)
    yield from savings_line(trials, screen)
    yield from _gpu_hours(trials, screen)
    yield from _mixed(trials, screen, groups)
    if TrialState.UNKNOWN in trials.counts:
        yield from wrapped(
            "unknown: Hydra ran these without HyperHerd and does not record whether they finished", screen
        )


def _mixed(trials: TrialCollection, screen: Screen, groups: AnyGroups | None) -> Iterator[str]:
    beside = (*_unlogged(trials), *_phases(trials), *_hints(trials), *mixtures(trials), *seed_notes(trials, groups))
    for text in beside:
        yield from wrapped(f"note: {text}", screen)


def _axes(trials: TrialCollection) -> str:
    """Return ``lr (4) × model (2)``: what varies, and how many values it has."""
    told = [f"{escaped(name)} ({trials.count_of(name)})" for name in trials.varying]
    more = [f"{len(told) - _AXES} more"] if len(told) > _AXES else []
    return " × ".join([*told[:_AXES], *more])


def _title(trials: TrialCollection) -> str:
    if len(trials.sweeps) != 1:
        return f"{len(trials.sweeps)} sweeps"
    sweep = trials.sweeps[0]
    script = Path(sweep.script).name
    return escaped(sweep.name) + (f" · {escaped(script)}" if script else "")


def _best(trials: TrialCollection, screen: Screen) -> Iterator[str]:
    for sweep in trials.sweeps:
        yield from _found_by_optimizer(sweep, trials, screen)
    if not trials.ranked or trials.objective is None:
        return
    best = trials.ranked[0]
    value = measure(trials.objective.value(best))
    told = f"best: trial {escaped(best.label)}, {escaped(trials.objective.label)} {value}, in {escaped(str(best.dir))}"
    yield paint(told, BOLD, screen)
    yield from _command(best, best.overrides, screen)


def _found_by_optimizer(sweep: Sweep, trials: TrialCollection, screen: Screen) -> Iterator[str]:
    """Yield what an optimizer found best where no ranking shows it: of several objectives, or of a lost trial."""
    name, solutions = (sweep.optimizer.name, sweep.optimizer.solutions) if sweep.optimizer else ("", ())
    for solution in solutions[:_AXES]:
        found = [trial for trial in trials if trial.sweep is sweep and is_of(solution, trial.params)]
        if len(found) == 1 and len(sweep.objectives) == 1 and solution.values:
            continue  # that trial has the value
        values = f" → {', '.join(map(measure, solution.values))}" if solution.values else ""
        named = f", trial {escaped(found[0].label)}" if len(found) == 1 else ""
        told = f"{name} found best{named}: {few(solution.params)}{values}"
        yield from wrapped(told, screen)
    if len(solutions) > _AXES:
        yield f"... {len(solutions) - _AXES} more in optimization_results.yaml"


def _best_group(groups: AnyGroups, screen: Screen) -> Iterator[str]:
    if not groups.ranked or groups.objective is None:
        yield from _best(groups.trials, screen)
        return
    best = groups.ranked[0]
    judged = best.judged(groups.objective)
    value = with_error(judged, groups.err)
    settings = few(best.settings) or "the only one"
    told = f"best configuration: {settings}, {escaped(groups.objective.label)} {value} (n={judged.n})"
    yield from (paint(line, BOLD, screen) for line in wrapped(told, screen))
    yield from _command(best.counted[0], without_seed(best, groups.keys), screen)
    yield from verdict_lines(groups, screen)
    yield from _best_trial(groups.trials)


def _best_trial(trials: TrialCollection) -> Iterator[str]:
    best, objective = trials.ranked[0], trials.objective
    if objective is not None:
        value = measure(objective.value(best))
        yield f"best trial: {escaped(best.label)}, {escaped(objective.label)} {value}, in {escaped(str(best.dir))}"


def without_seed(group: AnyGroup, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the overrides that make a configuration, without those of its seed."""
    overrides = group.counted[0].overrides if group.counted else group.trials[0].overrides
    return tuple(item for item in overrides if item.lstrip("+~").partition("=")[0] not in keys)


def _command(trial: Trial, overrides: tuple[str, ...], screen: Screen) -> Iterator[str]:
    """Yield the line that runs these overrides of a trial, as one would type it here."""
    command = [from_here(part) if part == trial.script else part for part in trial.command_with(overrides)]
    if command:
        line = shell_line(Command(tuple(command), trial.sweep.cwd), screen)
        if screen.width is not None and display_width(line) > _COMMAND_LINES * screen.width:
            line = f"herd-results best {escaped(shlex.quote(from_here(str(trial.sweep.dir))))}"
            line += f"  (prints its command, of {len(overrides)} overrides)"
        yield f"  {line}"
    elif overrides:
        yield "  " + escaped(shlex.join(overrides))
    yield from no_command(trial, screen)
