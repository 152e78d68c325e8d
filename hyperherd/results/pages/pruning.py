"""What a pruner did: to one trial at its rungs, and for a whole sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import TrialPaths
from hyperherd.pruning.decisions import Decision, as_ranges, from_ranges, read_decisions
from hyperherd.records.places import leaves
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.results.pages.parts import heading, more_rows, most_rows
from hyperherd.results.statistics.savings import savings
from hyperherd.results.text.format import escaped
from hyperherd.results.text.layout import Screen, enough, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial


def decision_lines(trial: Trial, screen: Screen) -> Iterator[str]:
    """Yield what was decided about a trial at its rungs, each with its arithmetic, and who had not come to the last."""
    found = _decisions(trial)
    if not found:
        return
    yield from heading("pruning", screen)
    most = most_rows([(one.line,) for one in found], screen)
    if len(found) > most:
        yield from more_rows(len(found) - most)
    for one in found[-most:]:
        yield from wrapped(f"  {escaped(one.line)}: {escaped(one.verdict)}", screen, "    ")
    if missing := absent(trial, found[-1]):
        ranges = as_ranges(missing)
        named = "" if ranges is None else f": {enough(ranges.split(','), screen)}"
        yield from wrapped(f"  {len(missing)} had not come to rung {found[-1].rung} yet{named}", screen, "    ")


def decision_records(trial: Trial) -> list[dict[str, Any]]:
    """Return the same as JSON has it; empty if nothing was decided."""
    found = _decisions(trial)
    return [{key: value for key, value in asdict(one).items() if value is not None} for one in found]


def _decisions(trial: Trial) -> list[Decision]:
    if trial.dir is None or leaves(TrialPaths(trial.dir).rungs, trial.dir):
        return []
    return read_decisions(trial.dir)


def absent(trial: Trial, decision: Decision) -> list[int]:
    """Return the planned trials that had not come to a rung when it was decided there; empty if that is not known."""
    if decision.rung is None or decision.arrived is None:
        return []
    try:
        planned = {one.number for one in read_planned(trial.sweep.dir) if not one.orphan}
    except (OSError, FormatError):
        return []
    return sorted(planned - from_ranges(decision.arrived))


def savings_line(trials: TrialCollection, screen: Screen) -> list[str]:
    """Return how many trials a pruner has ended and what that has saved; nothing if that is not known."""
    pruned = {trial.sweep.dir for trial in trials if trial.state.held_back}
    found = savings(trials, dict(_max_steps(pruned)))
    # How many they are stands beside the other states already.
    return [] if found is None or found.share is None else wrapped(str(found), screen)


def _max_steps(sweep_dirs: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    for sweep_dir in sweep_dirs:
        with suppress(OSError, FormatError):
            pruner = SweepRecord.read(sweep_dir).pruner or {}
            most = pruner.get("max_steps")
            if pruner.get("unit", "step") == "step" and type(most) is int and most > 0:
                yield sweep_dir, most
