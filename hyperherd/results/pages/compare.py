"""Two sides compared, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.pages.parts import heading, table
from hyperherd.results.statistics.comparison.compare import Comparison
from hyperherd.results.statistics.comparison.matching import Treatment
from hyperherd.results.statistics.comparison.metric_table import ConfigurationDifference, MetricComparison
from hyperherd.results.statistics.diff import Difference
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, measure, setting
from hyperherd.results.text.layout import BOLD, Screen, page, paint, wrapped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.values import Gap

_SHOWN = 10
"""Configurations that are shown, half of them from each end; as many values of a setting."""


def compare_page(found: Comparison, screen: Screen) -> str:
    """Return the comparison as a page of text."""
    return page(_lines(found, screen), screen)


def compare_record(found: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON has it."""
    sides = zip(found.labels, (found.a, found.b), found.left_out, strict=True)
    a, b = (_side(label, trials, left_out) for label, trials, left_out in sides)
    return {
        "schema": SCHEMA,
        "a": a,
        "b": b,
        "differ_in": [_treatment(item) for item in found.treatments],
        "code": [_difference(item) for item in found.code],
        "environment": [_difference(item) for item in found.environment],
        "matched_on": list(found.matched),
        "seeds": list(found.seeds),
        "by": found.by or None,
        "metrics": [_metric(item) for item in found.metrics],
        "configurations": [_configuration(item) for item in found.where],
        "unknown": list(found.unknown),
        "warnings": list(found.warnings),
    }


def _lines(found: Comparison, screen: Screen) -> Iterator[str]:
    for side, label, trials in zip("ab", found.labels, (found.a, found.b), strict=True):
        done = sum(trial.state.finished for trial in trials)
        yield from wrapped(f"{side}: {escaped(label)} · {counted(len(trials), 'trial')}, {done} finished", screen)
    for objective in dict.fromkeys(row.objective for row in found.metrics):
        guessed = " (guessed from its name; -m METRIC to change)" if objective.source == "guessed" else ""
        yield from wrapped(f"{escaped(objective.verdict)}{guessed}", screen)
    yield from wrapped(_how(found), screen)
    yield ""
    yield from _table(found, screen)
    yield ""
    for row in found.metrics:
        yield from (paint(line, BOLD, screen) for line in wrapped(_verdict(row, found.by), screen))
    yield from _where(found, screen)
    yield from _differences(found, screen)
    yield from _notes(found, screen)


def _how(found: Comparison) -> str:
    """Return what belongs together, and what a difference is taken over."""
    row = found.metrics[0]
    same = ", ".join(map(escaped, found.matched))
    alike = f"the same {same}" if same else "the same configuration"
    seeds = ", ".join(map(escaped, found.seeds))
    if row.paired:
        told = f"pairs: trials with {alike}" + (f" and the same {seeds}" if seeds else "")
        if any(item.unit == "seed" for item in found.metrics):
            told += f"; pairs of one {seeds} differ alike, so each {seeds} counts once"
        return told
    return f"unpaired, because no {seeds or 'trial'} is in both sides: means of trials with {alike} (Welch)"


def _table(found: Comparison, screen: Screen) -> list[str]:
    by = [escaped(found.by)] if found.by else []
    header = ["metric", *by, "n", "a", "b", "b - a", "95 % interval", "p (Holm)", "better"]
    rows = [_row(row, bool(by)) for row in found.metrics]
    first = 1 + len(by)
    return table(header, rows, screen, right=range(first, first + 4))


def _row(row: MetricComparison, split: bool) -> list[str]:
    low, high = row.estimate.bounds()
    interval = "–" if low is None or high is None or low == high else f"{_signed(low)} to {_signed(high)}"
    return [
        escaped(row.objective.label),
        *([setting(row.group)] if split else []),
        _units(row),
        measure(row.a),
        measure(row.b),
        _signed(row.estimate.value),
        interval,
        "–" if row.p_holm is None else _p(row.p_holm),
        row.better or "–",
    ]


def _units(row: MetricComparison) -> str:
    return f"{counted(row.n, row.unit)} ({counted(row.configurations, 'configuration')})"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{measure(value, 3)}"


def _p(p: float) -> str:
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _verdict(row: MetricComparison, by: str) -> str:
    at = f" for {escaped(by)}={setting(row.group)}" if by else ""
    label = escaped(row.objective.label)
    over = f"over {counted(row.configurations, 'configuration')}"
    if not row.estimate.value:
        return f"{label}{at}: a and b are equal on average"
    if row.better:
        p = _p(row.p_holm or 0.0)
        return f"{label}{at}: {row.better} is better {over}, p{'' if p.startswith('<') else '='}{p}"
    if row.estimate.sem == 0 and row.paired:
        return f"{label}{at}: the difference is the same in {counted(row.n, row.unit)}, too few to exclude chance"
    return f"{label}{at}: a and b cannot be told apart {over}"


def _where(found: Comparison, screen: Screen) -> Iterator[str]:
    if len(found.where) < 2:
        return
    counts = [sum(item.better == side for item in found.where) for side in "ab"]
    label = escaped(found.metrics[0].objective.label)
    told = (
        f"where: b has the better mean of {label} in {counts[1]} of {len(found.where)} configurations, a in {counts[0]}"
    )
    yield from heading(told, screen)
    shown = found.where if len(found.where) <= _SHOWN else (*found.where[: _SHOWN // 2], *found.where[-_SHOWN // 2 :])
    rows = [
        (
            " ".join(_assigned(item)),
            str(item.n),
            measure(item.a),
            measure(item.b),
            _signed(item.b - item.a),
            item.better or "–",
        )
        for item in shown
    ]
    unit = "pairs" if found.metrics[0].paired else "trials"
    yield from table(("", unit, "a", "b", "b - a", "better mean"), rows, screen, right=(1, 2, 3, 4))
    if len(shown) < len(found.where):
        yield f"  ... {len(found.where) - len(shown)} more between these (-f json has all)"


def _assigned(item: ConfigurationDifference) -> Iterator[str]:
    for name, value in item.settings.items():
        if not isinstance(value, Gap):
            yield f"{escaped(name)}={setting(value)}"


def _differences(found: Comparison, screen: Screen) -> Iterator[str]:
    rows = [(escaped(item.name), _values(item.a), _values(item.b)) for item in found.treatments]
    for item in (*found.code, *found.environment):
        rows.append((escaped(item.name), _values((item.a,)), _values((item.b,))))
    if not rows:
        yield from ["", "nothing else is recorded that differs between the sides"]
        return
    yield from heading("what differs between the sides", screen)
    yield from table(("", "a", "b"), rows, screen)


def _values(values: Sequence[Any]) -> str:
    told = [value.value if isinstance(value, Gap) else setting(value) for value in values[:_SHOWN]]
    return ", ".join(told) + (", ..." if len(values) > _SHOWN else "")


def _notes(found: Comparison, screen: Screen) -> Iterator[str]:
    told = [f"warning: {text}" for text in found.warnings]
    for side, reasons in zip("ab", found.left_out, strict=True):
        if reasons:
            told.append(f"left out of {side}: {', '.join(f'{count} {why}' for why, count in reasons.items())}")
    told += [f"not compared: {text}" for text in found.unknown]
    if told:
        yield ""
    for text in told:
        yield from wrapped(escaped(text), screen)


def _side(label: str, trials: TrialCollection, left_out: dict[str, int]) -> dict[str, Any]:
    return {
        "label": label,
        "sweeps": [str(sweep.dir) for sweep in trials.sweeps],
        "trials": len(trials),
        "finished": sum(trial.state.finished for trial in trials),
        "left_out": left_out,
    }


def _treatment(item: Treatment) -> dict[str, Any]:
    return {"name": item.name, **{side: _known(getattr(item, side)) for side in "ab"}}


def _known(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if not isinstance(value, Gap)]


def _difference(item: Difference) -> dict[str, Any]:
    sides = {"a": item.a, "b": item.b}
    return {"name": item.name, **{side: value for side, value in sides.items() if not isinstance(value, Gap)}}


def _metric(row: MetricComparison) -> dict[str, Any]:
    low, high = row.estimate.bounds()
    return {
        "objective": asdict(row.objective),
        "group": None if isinstance(row.group, Gap) else row.group,
        "paired": row.paired,
        "unit": row.unit,
        "n": row.n,
        "configurations": row.configurations,
        "a": row.a,
        "b": row.b,
        "delta": row.estimate.value,
        "sem": row.estimate.sem,
        "freedom": row.estimate.freedom,
        "low": low,
        "high": high,
        "p": row.estimate.p,
        "p_holm": row.p_holm,
        "better": row.better,
        "detectable": row.detectable,
        "enough": row.enough,
    }


def _configuration(item: ConfigurationDifference) -> dict[str, Any]:
    settings = {name: value for name, value in item.settings.items() if not isinstance(value, Gap)}
    return {
        "settings": settings,
        "n": item.n,
        "a": item.a,
        "b": item.b,
        "delta": item.b - item.a,
        "better": item.better,
    }
