"""Trials for people: one aligned table that fits the screen, what went wrong below it, and the best one's command.

A number is never cut: a column that does not fit is left out and named. Nothing that is not finished stands among what
is ranked.
"""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.records.states import TrialState
from hyperherd.results.cells import (
    Gap,
    align,
    display_width,
    inert,
    is_number,
    measure,
    one_line,
    pad,
    setting,
)
from hyperherd.results.columns import Column, Role, shown_columns, sweep_labels
from hyperherd.results.objective import MAXIMIZE, Objective, saved_objectives
from hyperherd.results.trial import Trial
from hyperherd.results.trials import Trials

_GLYPHS = {
    TrialState.COMPLETED: "✓",
    TrialState.RUNNING: "▶",
    TrialState.STALLED: "!",
    TrialState.FAILED: "✗",
    TrialState.PRUNED: "~",
    TrialState.CANCELLED: "■",
    TrialState.WAITING: "○",
    TrialState.SUBMITTED: "→",
    TrialState.LOST: "†",
    TrialState.UNREADABLE: "#",
    TrialState.UNKNOWN: "?",
}
_PLAIN = str.maketrans(
    {"✓": "+", "▶": ">", "✗": "x", "■": "=", "○": "o", "→": "^", "†": "L", "·": ".", "–": "-", "…": "~"}
)
_COLOURS = {TrialState.COMPLETED: 32, TrialState.RUNNING: 34, TrialState.STALLED: 33, TrialState.LOST: 33}
_RED, _BOLD, _DIM = 31, 1, 2
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Screen:
    """What the text is for."""

    width: int | None = None
    """Columns; None: as wide as it takes."""
    rows: int | None = None
    """Most rows of the table; None: all."""
    colour: bool = False
    unicode: bool = True


def render(trials: Trials, screen: Screen, *, everything: bool = False) -> str:
    """Return the table of `trials` as text that ends in a newline.

    Args:
        trials: what to show.
        screen: what it must fit.
        everything: show constant parameters as columns too, and no column is left out to fit the width.
    """
    lines = [
        *_head(trials, screen, everything),
        "",
        *_table(trials.sorted(), screen, everything),
        *_section(list(_problems(trials, screen))),
        *_section(list(_best(trials, screen))),
    ]
    return _text(lines, screen)


def closing(trials: Trials, screen: Screen, *, most: int = 10) -> str:
    """Return what went wrong and what was best, without the table: the end of a sweep.

    Args:
        trials: of one sweep.
        screen: what it must fit.
        most: how many problems are shown.
    """
    problems = list(_problems(trials, screen))
    more = [f"... {len(problems) - most} more"] if len(problems) > most else []
    return _text([*problems[:most], *more, *_best(trials, screen)], screen)


def ranking(trials: Trials) -> str:
    """Return in words what the trials are ranked by, and on whose word."""
    objective = trials.objective
    if objective is None:
        differing = [saved.label for saved in saved_objectives(trials)]
        why = "no metric's name tells whether more of it is better"
        if differing:
            why = f"the sweeps are judged by different metrics ({', '.join(map(inert, differing))})"
        if not trials.metric_names:
            return "not ranked: no metric was logged"
        return f"not ranked: {why}; choose one with -m METRIC --direction max|min"
    better = "higher" if objective.direction == MAXIMIZE else "lower"
    text = f"ranked by {inert(objective.label)}, {better} is better"
    if objective.source == "guessed":
        text += " (guessed from its name; -m METRIC to change)"
    if objective.source == "saved":
        text += " (the sweep's objective)"
    if objective.metric not in trials.metric_names:
        text += "; no trial has logged it"
    return text


def notes(trials: Trials) -> list[str]:
    """Return what someone must know who sees only the data: that the order rests on a guess, and what is broken."""
    guessed = trials.objective is not None and trials.objective.source == "guessed"
    return [*([ranking(trials)] if guessed else []), *_broken_sweeps(trials)]


def _text(lines: list[str], screen: Screen) -> str:
    text = "".join(line.rstrip() + "\n" for line in lines)
    return text if screen.unicode else text.translate(_PLAIN)


def _head(trials: Trials, screen: Screen, everything: bool) -> Iterator[str]:
    title = f"{_title(trials)} · {len(trials)} trial{'s' * (len(trials) != 1)} "
    yield from _flowing(title, [(f"{_GLYPHS[s]} {n} {s}", _colour(s)) for s, n in trials.counts.items()], screen)
    if trials.constant and not everything:
        shown = "  ".join(_assignments(trials.constant))
        yield from _wrapped(f"same in all: {shown}", screen)
    yield from _wrapped(ranking(trials), screen)
    if TrialState.UNKNOWN in trials.counts:
        yield from _wrapped(
            "unknown: Hydra ran these without HyperHerd and does not note whether they finished", screen
        )


def _title(trials: Trials) -> str:
    if len(trials.sweeps) != 1:
        return f"{len(trials.sweeps)} sweeps"
    sweep = trials.sweeps[0]
    script = Path(sweep.script).name
    return inert(sweep.name) + (f" · {inert(script)}" if script else "")


def _table(ordered: Trials, screen: Screen, everything: bool) -> Iterator[str]:
    rows = list(ordered)[: screen.rows]
    params = ordered.params if everything else ordered.varying
    columns = shown_columns(ordered, rows, params=params)
    cells = [_formatted(column) for column in columns]
    kept = len(columns) if everything else _fitting(columns, cells, screen.width)
    ranked = min(len(ordered.ranked), len(rows))
    yield _paint("  " + "  ".join(column[0] for column in cells[:kept]), _BOLD, screen)
    for index, trial in enumerate(rows):
        if index == ranked and ordered.objective is not None:
            yield _paint("  not ranked", _DIM, screen)
        glyph = _paint(_GLYPHS[trial.state], _colour(trial.state), screen)
        line = "  ".join(column[index + 1] for column in cells[:kept])
        yield f"{glyph} {line if index < ranked else _paint(line, _DIM, screen)}"
    if len(rows) < len(ordered):
        yield f"... {len(ordered) - len(rows)} more (-n 0 shows all)"
    if kept < len(columns):
        names = ", ".join(inert(column.name) for column in columns[kept:])
        yield from _wrapped(f"not shown for want of width: {names} (-a shows all)", screen)


def _fitting(columns: Sequence[Column], cells: Sequence[list[str]], width: int | None) -> int:
    """Return how many columns fit; only metrics and progress ever give way, the last ones first."""
    kept = len(columns)
    taken = 2 + sum(display_width(column[0]) + 2 for column in cells) - 2
    while width is not None and taken > width and columns[kept - 1].role in (Role.METRIC, Role.PROGRESS):
        kept -= 1
        taken -= display_width(cells[kept][0]) + 2
    return kept


def _formatted(column: Column) -> list[str]:
    """Return the heading and the cells of a column as text of one width."""
    numbers = all(isinstance(value, Gap) or is_number(value) for value in column.values)
    cells = [_cell(value, column.role) for value in _whole(column)]
    if numbers:
        cells = align(cells)
    heading = inert(column.name)
    width = max(map(display_width, (heading, *cells)))
    return [pad(text, width, right=numbers or column.role is Role.PROGRESS) for text in (heading, *cells)]


def _whole(column: Column) -> list[Any]:
    """Return the values, measured floats as ints if all are whole: Arrow and JSON keep epochs as floats."""
    floats = [value for value in column.values if isinstance(value, float)]
    if column.role is Role.PARAM or not all(value.is_integer() and abs(value) < 1e15 for value in floats):
        return column.values
    return [int(value) if isinstance(value, float) else value for value in column.values]


def _cell(value: Any, role: Role) -> str:
    if isinstance(value, Gap):
        return value.value
    return measure(value) if role in (Role.METRIC, Role.OBJECTIVE) else setting(value)


def _problems(trials: Trials, screen: Screen) -> Iterator[str]:
    for problem in _broken_sweeps(trials):
        yield from _wrapped(f"# {problem}", screen, indent="    ")
    labels = sweep_labels(trials.sweeps) if len(trials.sweeps) > 1 else {}
    for trial in trials:
        why = _why(trial, trials.objective)
        if why:
            where = f"{inert(labels[trial.sweep])} {inert(trial.label)}" if labels else inert(trial.label)
            settings = " ".join(
                _assignments({name: trial.params[name] for name in trials.varying if name in trial.params})
            )
            yield from _wrapped(f"{_GLYPHS[trial.state]} {where}  {settings}  {why}", screen, indent="    ")


def _broken_sweeps(trials: Trials) -> list[str]:
    labels = sweep_labels(trials.sweeps)
    return [f"sweep {inert(label)}: {one_line(sweep.problem)}" for sweep, label in labels.items() if sweep.problem]


def _why(trial: Trial, objective: Objective | None) -> str:
    """Return why a trial is not ranked, if there is more to say than its state does."""
    if trial.state.finished:
        value = objective.value(trial) if objective else None
        lame = objective is not None and value is not None and not objective.ranks(trial)
        return f"{inert(objective.label)} is {value:g}" if lame and objective else ""
    reason = one_line(trial.reason)
    if len(reason) > _LONGEST_REASON:
        reason = reason[:_LONGEST_REASON].rpartition(" ")[0] + " ..."
    if trial.cause is not None and trial.cause.value not in ("exception", reason):
        reason = f"{trial.cause}: {reason}" if reason else trial.cause.value
    return reason or (trial.state.value if trial.state.problem else "")


def _best(trials: Trials, screen: Screen) -> Iterator[str]:
    if not trials.ranked or trials.objective is None:
        return
    best = trials.ranked[0]
    value = measure(trials.objective.value(best))
    yield _paint(
        f"best: trial {inert(best.label)}, {inert(trials.objective.label)} {value}, in {inert(str(best.dir))}",
        _BOLD,
        screen,
    )
    if best.command:
        command = [from_here(part) if part == best.script else part for part in best.command]
        yield "  " + inert(shlex.join(command))
    elif best.overrides:
        yield "  " + inert(shlex.join(best.overrides))


def from_here(path: str) -> str:
    """Return `path` as one would type it here; the absolute one if it is not below."""
    try:
        near = os.path.relpath(path)
    except OSError:  # the folder we are in has been deleted
        return path
    return path if near.startswith("..") else near


def _assignments(params: dict[str, Any]) -> list[str]:
    return [f"{inert(name)}={setting(value)}" for name, value in params.items()]


def _section(lines: list[str]) -> list[str]:
    return ["", *lines] if lines else []


def _flowing(line: str, parts: list[tuple[str, int]], screen: Screen) -> Iterator[str]:
    """Yield `line` and the coloured parts behind it, going on in the next line where the screen ends."""
    taken = display_width(line)
    for text, colour in parts:
        taken += 2 + display_width(text)
        if screen.width is not None and taken > screen.width:
            yield line
            line, taken = "", 2 + display_width(text)
        line += "  " + _paint(text, colour, screen)
    yield line


def _wrapped(text: str, screen: Screen, indent: str = "  ") -> list[str]:
    if screen.width is None or display_width(text) <= screen.width:
        return [text]
    return textwrap.wrap(text, screen.width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _colour(state: TrialState) -> int:
    if state in (TrialState.FAILED, TrialState.UNREADABLE):
        return _RED
    return _COLOURS.get(state, _DIM)


def _paint(text: str, code: int, screen: Screen) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if screen.colour else text
