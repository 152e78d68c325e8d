"""Telling: what a sweep found before it starts, and how it came out, in a few lines for the person who waits."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.records.states import TrialState

if TYPE_CHECKING:
    from hyperherd.results.trials import Trial, Trials
    from hyperherd.sweep.plan import Plan
    from hyperherd.sweep.reconcile import Agenda

log = logging.getLogger("hyperherd")

_SHOWN_PROBLEMS = 10


def tell_start(sweep_dir: Path, plan: Plan, agenda: Agenda) -> None:
    """Say what is going to be run, and what the plan did on the way there."""
    for note in plan.notes:
        log.warning(note)
    for effect in plan.effects:
        if effect.excluded or effect.forced:
            log.info("%s: excluded %d, forced %d", effect.label, effect.excluded, effect.forced)
    if plan.merged:
        log.info("merged %d equal trials", plan.merged)
    before = f" ({counts(agenda.standings)} before)" if agenda.standings else ""
    log.info("sweep %s: %d trials, %d to run%s", sweep_dir, len(agenda.trials), len(agenda.to_run), before)


def tell_end(trials: Trials, sweep_dir: Path) -> None:
    """Say what finished, what failed and why, and the best trial with the command that reproduces it."""
    states = Counter(trial.state for trial in trials)
    lines = [f"sweep {sweep_dir}: {counts(states)}"]
    problems = [trial for trial in trials if not trial.state.finished]
    lines += [f"  trial {trial.number} ({trial.name}) {_why(trial)}" for trial in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  ... {len(problems) - _SHOWN_PROBLEMS} more")
    lines += _best(trials)
    lines.append(f"  table: herd-results {shlex.quote(str(sweep_dir))}")
    log.info("\n".join(lines))


def counts(states: Counter[TrialState]) -> str:
    """Return e.g. ``3 completed, 1 failed``."""
    return ", ".join(f"{states[state]} {state}" for state in TrialState if states[state])


def _why(trial: Trial) -> str:
    reason = f": {trial.reason.splitlines()[0]}" if trial.reason else ""
    return f"{trial.state}{reason}"


def _best(trials: Trials) -> list[str]:
    objective = trials.objective
    best = trials.best() if objective is not None else None
    if best is None:
        return []
    return [f"  best: trial {best.number} ({best.name})  {shlex.join(best.command)}"]
