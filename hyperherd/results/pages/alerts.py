"""What trials wanted people to know, in words that cannot steer a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator

from hyperherd.plural import counted
from hyperherd.records.alerts import LEVELS, Alert
from hyperherd.results.pages.parts import heading
from hyperherd.results.pages.problems import few
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.text.format import escaped, one_line
from hyperherd.results.text.layout import Screen, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial

_LONGEST = 200
"""Characters of a text where every trial has a line."""
_MOST = 10
"""Trials that are named where not everything is asked for."""
_IN_A_PAGE = 30
"""Alerts on the page of one trial."""


def alerts_of_trials(trials: TrialCollection, screen: Screen) -> Iterator[str]:
    """Yield a line for each trial that raised alerts, with the last one of its worst level; the worst trials first."""
    alerting = [trial for trial in trials if trial.alert_counts]
    alerting.sort(key=_order)
    labels = sweep_labels(trials.sweeps) if len(trials.sweeps) > 1 else {}
    most = len(alerting) if screen.rows is None or len(alerting) <= _MOST + 2 else _MOST
    for trial in alerting[:most]:
        if (worst := _worst(trial)) is None:
            continue
        where = f"{escaped(labels[trial.sweep])} {escaped(trial.label)}" if labels else escaped(trial.label)
        settings = few({name: trial.params[name] for name in trials.varying if name in trial.params})
        others = len(trial.alerts) - 1
        more = f" (and {counted(others, 'more alert')}: herd-results show)" if others else ""
        text = one_line(worst.text)
        short = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
        named = "  ".join(part for part in (where, settings) if part)
        yield from wrapped(f"alert {named}  {worst.level}: {short}{more}", screen, indent="    ")
    if most < len(alerting):
        yield f"... {counted(len(alerting) - most, 'more trial')} with alerts (-n 0 shows all)"


def _order(trial: Trial) -> tuple[int, int]:
    worst = max((LEVELS.index(level) for level in trial.alert_counts if level in LEVELS), default=0)
    return -worst, trial.number or 0


def _worst(trial: Trial) -> Alert | None:
    """Return the last alert of the worst level; None if all have gone since they were counted."""
    return max(trial.alerts, key=lambda alert: (LEVELS.index(alert.level), alert.time), default=None)


def alerts_of_one(trial: Trial, screen: Screen) -> Iterator[str]:
    """Yield the last alerts of one trial, for its page."""
    found = trial.alerts
    if not found:
        return
    yield from heading("alerts", screen)
    if len(found) > _IN_A_PAGE:
        yield f"  ... {len(found) - _IN_A_PAGE} earlier ones (-f json has all)"
    for alert in found[-_IN_A_PAGE:]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(alert.time))
        rank = f" (rank {alert.rank})" if alert.rank else ""
        yield from wrapped(f"  {when}  {alert.level}{rank}: {one_line(alert.text)}", screen, indent="    ")
