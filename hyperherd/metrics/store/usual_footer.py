"""A quick look at a footer: reading ten thousand files, decoding every footer whole would take longer than the rows.

Invariant: what is usual here is what `Footer.decode` takes without an error; all else is left to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any

import orjson

from hyperherd.metrics.rows.stats import Stats
from hyperherd.paths import FORMAT

_FORMAT = str(FORMAT).encode()
_STATS = frozenset(item.name for item in fields(Stats))
_NUMBERS = frozenset({int, float})
_OPTIONAL = frozenset({*_NUMBERS, type(None)})
_WHOLE = frozenset({int})
_TEXT = frozenset({str})
_LAST = 2**63


def usual_rows(metadata: Mapping[bytes, bytes]) -> int | None:
    """Return how many rows a footer says there are; None if it may not be one of one attempt and one phase."""
    try:
        if metadata[b"hyperherd.format"] != _FORMAT or metadata[b"hyperherd.final"] != b"{}":
            return None
        keys = (b"hyperherd.summary", b"hyperherd.attempts", b"hyperherd.sources")
        summary, attempts, sources = (orjson.loads(metadata[key]) for key in keys)
        is_usual = type(sources) is list and _are(sources, _TEXT) and _is_summary(summary) and _is_one_attempt(attempts)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return int(summary["rows"]) if is_usual else None


def _is_summary(raw: dict[str, Any]) -> bool:
    if "phases" in raw or not _are([raw["rows"], raw["skipped"]], _WHOLE) or raw["rows"] >= _LAST:
        return False
    stats = raw["metrics"].values()
    if not all(item.keys() == _STATS and _are(item.values(), _OPTIONAL) for item in stats):
        return False
    return raw["objective"] is None or _is_objective(raw["objective"])


def _is_objective(raw: dict[str, Any]) -> bool:
    if not all(len(point) == 2 and type(point[0]) is int for point in raw["curve"]):
        return False
    return (
        _are(chain.from_iterable(raw["curve"]), _NUMBERS)
        and _are([raw["best"], *raw["at_best"].values()], _OPTIONAL)
        and _are([raw["best_step"]], frozenset({int, type(None)}))
        and _are([raw["metric"], raw["direction"]], _TEXT)
        and "phase" not in raw
    )


def _is_one_attempt(raw: dict[str, Any]) -> bool:
    if len(raw) != 1:
        return False
    [(number, start)] = raw.items()
    is_plain = number.isdecimal() and start["resumed"] is None and not start["named"] and "phases" not in start
    return is_plain and start.get("began") is None and _are(start["first"].values(), _WHOLE)


def _are(values: Iterable[Any], types: frozenset[type]) -> bool:
    return types.issuperset(map(type, values))
