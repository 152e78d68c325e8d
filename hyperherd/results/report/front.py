"""The Pareto front of several objectives as the report has it: over the means of seeds, as plain data."""

from __future__ import annotations

from typing import Any

from hyperherd.results.pages.front import apart_line, chance
from hyperherd.results.report.findings import Places, text
from hyperherd.results.statistics.front import front_of
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.values import Gap


def pareto_front(trials: TrialCollection, places: Places) -> dict[str, Any] | None:
    """Return the configurations that are compared, the front first; None without several objectives."""
    if not trials.objectives:
        return None
    front = front_of(trials)
    return {
        "objectives": [{"label": one.label, "direction": one.direction} for one in front.objectives],
        "size": front.size,
        "points": [
            {
                "params": {
                    name: text(value) for name, value in point.group.settings.items() if value != Gap.NOT_APPLICABLE
                },
                "trials": [places[trial] for trial in point.group.counted],
                "n": point.spreads[0].n,
                "means": list(point.means),
                "std": [spread.std for spread in point.spreads],
                "dominates": front.dominated.get(point, 0),
            }
            for point in front.points
        ],
        "apart": apart_line(front),
        "chance": chance(front),
    }
