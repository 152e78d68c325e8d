"""Telling: what a sweep found before it starts, and how it came out, in a few lines for the person who waits."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.records.states import TrialState
from hyperherd.results.load import load
from hyperherd.results.text import Screen, closing, from_here

if TYPE_CHECKING:
    from hyperherd.sweep.plan import Plan
    from hyperherd.sweep.reconcile import Agenda

log = logging.getLogger("hyperherd")


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


def tell_end(sweep_dir: Path) -> None:
    """Say what finished, what failed and why, and the best trial with the command that reproduces it."""
    trials = load(sweep_dir)
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    log.info(
        "sweep %s: %s\n%stable: herd-results %s",
        sweep_dir,
        counts(trials.counts),
        closing(trials, Screen(unicode=unicode)),
        shlex.quote(from_here(str(sweep_dir))),
    )


def counts(states: Mapping[TrialState, int]) -> str:
    """Return e.g. ``3 completed, 1 failed``."""
    return ", ".join(f"{count} {state}" for state, count in states.items())
