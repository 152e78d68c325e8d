"""Two trials side by side, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hyperherd.results.pages.parts import heading, more_rows, most_rows, table
from hyperherd.results.statistics.diff import Diff, Difference, MetricDifference
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, measure, setting
from hyperherd.results.text.layout import Screen, page, wrapped
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap


def diff_page(found: Diff, screen: Screen) -> str:
    """Return two trials side by side as a page of text."""
    return page(_lines(found, screen), screen)


def diff_record(found: Diff) -> dict[str, Any]:
    """Return two trials side by side as JSON has them; what one of them has not is left out."""
    return {
        "schema": SCHEMA,
        "a": _trial(found.a),
        "b": _trial(found.b),
        "params": list(map(_difference, found.params)),
        "config": list(map(_difference, found.config)),
        "code": list(map(_difference, found.code)),
        "environment": list(map(_difference, found.environment)),
        "metrics": [{**_difference(item), "delta": item.delta, "better": item.better} for item in found.metrics],
        "unknown": list(found.unknown),
    }


def _lines(found: Diff, screen: Screen) -> Iterator[str]:
    names = _name(found.a, found), _name(found.b, found)
    for side, trial in zip("ab", (found.a, found.b), strict=True):
        where = escaped(str(trial.dir)) if trial.dir else escaped(str(trial.sweep.dir))
        yield from wrapped(f"{side}: trial {escaped(trial.label)}, {trial.state}, in {where}", screen)
    sections: Sequence[tuple[str, Sequence[Difference]]] = (
        ("parameters", found.params),
        ("config", found.config),
        ("code", found.code),
        ("environment", found.environment),
    )
    for title, items in sections:
        if items:
            yield from heading(title, screen)
            rows = [(escaped(item.name), _setting(item.a), _setting(item.b)) for item in items]
            yield from table(("", *names), rows[: most_rows(rows, screen)], screen)
            yield from more_rows(len(rows) - most_rows(rows, screen))
    same = [title for title, items in sections if not items and not _is_unknown(found, title)]
    if same:
        yield ""
        yield f"identical in both: {', '.join(same)}"
    if found.metrics:
        yield from heading("metrics", screen)
        rows4 = [_metric(item) for item in found.metrics]
        yield from table(("", *names, "b - a", "better"), rows4[: most_rows(rows4, screen)], screen, right=(1, 2, 3))
        yield from more_rows(len(rows4) - most_rows(rows4, screen))
    for text in found.unknown:
        yield from wrapped(f"not compared: {escaped(text)}", screen)


def _is_unknown(found: Diff, title: str) -> bool:
    kind = "config" if title == "config" else "provenance"
    return title != "parameters" and any(text.startswith(kind) for text in found.unknown)


def _name(trial: Trial, found: Diff) -> str:
    side = "a" if trial is found.a else "b"
    return f"{side} ({escaped(trial.label)})"


def _setting(value: Any) -> str:
    return value.value if isinstance(value, Gap) else setting(value, full=True)


def _metric(item: MetricDifference) -> tuple[str, ...]:
    sign = "+" if item.delta is not None and item.delta > 0 else ""
    delta = "" if item.delta is None else f"{sign}{measure(item.delta)}"
    return escaped(item.name), _measured(item.a), _measured(item.b), delta, item.better or ""


def _measured(value: Any) -> str:
    return value.value if isinstance(value, Gap) else measure(value)


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "sweep": trial.sweep.name,
        "sweep_dir": str(trial.sweep.dir),
        "number": trial.number,
        "dir": None if trial.dir is None else str(trial.dir),
        "state": trial.state.value,
    }


def _difference(item: Difference | MetricDifference) -> dict[str, Any]:
    sides = {"a": item.a, "b": item.b}
    return {"name": item.name, **{side: value for side, value in sides.items() if not isinstance(value, Gap)}}
