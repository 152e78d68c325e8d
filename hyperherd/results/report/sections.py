"""The sections of a report: for each its place, its title, the script that shows it, and the data it needs.

A new one is a line here and a script in `assets/`, with the function that the line names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperherd.results.report.findings import Places, configurations, what_failed, what_matters, what_was_alerted
from hyperherd.results.report.front import pareto_front
from hyperherd.results.trials.collection import TrialCollection


@dataclass(frozen=True)
class Section:
    """One section."""

    name: str
    """The id of its element, and the key of its data in the document."""
    title: str
    """In the navigation."""
    show: str
    """The JavaScript function that fills the element; it leaves it hidden where there is nothing to show."""
    script: str | None
    """The file in `assets/` that has the function; None: `main.js`."""
    data: Callable[[TrialCollection, Places], Any] | None = None
    """Its data from the trials and the place of each; None: what every report has is enough."""


SECTIONS = (
    Section("configurations", "Configurations", "showConfigurations", "configurations.js", configurations),
    Section("front", "Pareto front", "showFront", "front.js", pareto_front),
    Section("parallel", "Parallel", "showParallel", "parallel.js"),
    Section("effects", "Effects", "showEffects", "effects.js", lambda trials, _: what_matters(trials)),
    Section("slices", "Slices", "showSlices", "slices.js"),
    Section("surface", "Two parameters", "showSurface", "surface.js"),
    Section("tradeoffs", "Trade-offs", "showTradeoffs", "tradeoffs.js"),
    Section("history", "Best so far", "showHistory", "history.js"),
    Section("curves", "Curves", "showCurves", "curves.js"),
    Section("failures", "Failures", "showFailures", "failures.js", what_failed),
    Section("alerts", "Alerts", "showAlerts", "alerts.js", what_was_alerted),
    Section("timeline", "Timeline", "showTimeline", "timeline.js"),
    Section("compare", "Compare", "showCompare", "compare.js"),
    Section("trials", "Trials", "showTable", "table.js"),
    Section("provenance", "About", "showProvenance", None),
)
"""In the order in which the page and its navigation have them."""
