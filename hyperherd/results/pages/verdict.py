"""How sure the choice of a best configuration is: what it cannot be distinguished from, and which seeds to add."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.pages.parts import shell_line
from hyperherd.results.statistics.best import seeds_to_add
from hyperherd.results.statistics.configurations import AnyGroups, GroupCollection
from hyperherd.results.text.format import escaped, is_number, measure
from hyperherd.results.text.layout import Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command, from_here

_MOST = 2000
"""With more trials it would be what a table of trials waits for."""
_DECIDED = ("delta", "alpha", "budget", "trial", "contenders", "trials")
_RANGES = 5
_SWEEPS = 3
POOLED = "ranked by the mean, partially pooled: drawn towards the others, the more the fewer trials it is of"


def verdict(groups: AnyGroups) -> str:
    """Return in a sentence how sure it is that the first of several configurations is the best; empty for one."""
    others = len(groups.ranked) - 1
    if others < 1:
        return ""
    if not groups.knows_noise:
        return "one seed each: nothing is known of how far seeds alone lie apart"
    alone = " (of one seed)" if groups.judged_seeds(0) == 1 else ""
    if not groups.close:
        return f"distinguishable from all others at 95 %{alone}"
    if len(groups.close) == others > 1:
        return f"not distinguishable from any of the other {others} at 95 %{alone}"
    return f"not distinguishable from rank {_ranks(groups.close)} at 95 %{alone}"


def verdict_lines(groups: AnyGroups, screen: Screen) -> Iterator[str]:
    """Yield the verdict on the best of several configurations, and the command that adds the seeds to tell more."""
    if not (told := verdict(groups)):
        return
    yield from wrapped(told, screen)
    if command := more_seeds_command(groups):
        yield f"  {shell_line(command, screen)}"


def single_lines(trials: TrialCollection, screen: Screen) -> Iterator[str]:
    """Yield that nothing is known of seeds, where no configuration of several ran with more than one."""
    if len(trials.ranked) > 1 and len(trials) <= _MOST:
        groups = GroupCollection.by_configuration(trials)
        if not groups.repeats:
            yield from verdict_lines(groups, screen)


def more_seeds_command(groups: AnyGroups) -> Command | None:
    """Return the command that adds seeds to those that cannot be distinguished from the best; None if there is none."""
    sweeps = groups.trials.sweeps
    if len(groups.ranked) < 2 or not groups.close or len(sweeps) > _SWEEPS:
        return None
    if any(sweep.no_command for sweep in sweeps) or not (seeds := seeds_to_add(groups)):
        return None
    objective = groups.objective
    asked = []
    if objective and objective.source == "asked":
        asked = ["-m", objective.label, "--direction", objective.direction[:3]]
    which = ["--close"] if groups.knows_noise else ["-k", str(min(3, len(groups.ranked)))]
    folders = [from_here(str(sweep.dir)) for sweep in sweeps]
    return Command(("herd-results", "best", *folders, *asked, *which, "--seeds", seeds, "--run"))


def decisions(trials: TrialCollection) -> list[dict[str, Any]]:
    """Return what the sweeps recorded of deciding (docs/format.md), as far as it is what a sweep writes."""
    found = []
    for sweep in trials.sweeps:
        with suppress(OSError, FormatError):
            decided = SweepRecord.read(sweep.dir).decided
            if decided and all(is_number(decided.get(name)) for name in _DECIDED):
                kept = {name: decided[name] for name in _DECIDED}
                within = decided.get("within")
                found.append({"sweep": str(sweep.dir), **kept, "within": within if is_number(within) else None})
    return found


def decision_lines(trials: TrialCollection, screen: Screen) -> Iterator[str]:
    """Yield the claim of each sweep that decided, or that it could not."""
    for decided in decisions(trials):
        spent = f"{decided['trials']} of {decided['budget']} trials"
        where = f", in {escaped(from_here(decided['sweep']))}" if len(trials.sweeps) > 1 else ""
        if decided["within"] is not None and decided["within"] <= decided["delta"]:
            sure = f"within {measure(decided['delta'])} at {measure(100 * (1 - decided['alpha']))} %"
            told = f"decided: the configuration of trial {decided['trial']} is the best {sure} ({spent}){where}"
        else:
            told = (
                f"not decided within {measure(decided['delta'])}: {spent}, {decided['contenders']} in contention{where}"
            )
        yield from wrapped(told, screen)


def interval_text(groups: AnyGroups) -> str:
    """Return where the true mean of the best one lies; empty if that is not known."""
    if groups.interval is None:
        return ""
    low, high = map(measure, groups.interval)
    chosen = f", corrected for the choice among {len(groups.ranked)}" if len(groups.ranked) > 1 else ""
    return f"{low} to {high}{chosen}"


def _ranks(ranks: Sequence[int]) -> str:
    """Return ``2, 5-7``."""
    ranges: list[list[int]] = []
    for rank in ranks:
        if ranges and rank == ranges[-1][-1] + 1:
            ranges[-1].append(rank)
        else:
            ranges.append([rank])
    told = [str(one[0]) if len(one) == 1 else f"{one[0]}{', ' if len(one) == 2 else '-'}{one[-1]}" for one in ranges]
    left = sum(map(len, ranges[_RANGES:]))
    return ", ".join(told[:_RANGES]) + (f" and {left} more" if left else "")
