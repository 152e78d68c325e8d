"""How one number is made of a metric's values over the steps: ``METRIC:AGG`` as people ask for it.

An aggregate that the summary has needs no rows. This module imports nothing heavy: ``--help`` lists them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hyperherd.errors import ResultsError, nearest, some_of
from hyperherd.records.disk.files import number

MetricValues = tuple[Sequence[int], Sequence[float]]
"""The steps and values of one metric in the order of steps; what is not a number is NaN."""
Summary = Mapping[str, Any]
"""Count, last, min, max, their steps and nan of a metric, as in `trial.json`."""
ReadValues = Callable[[], MetricValues | None]
"""Reads the rows of the metric; None if they cannot be read."""


@dataclass(frozen=True)
class Aggregate:
    """One way to make a number of a metric's values."""

    spelling: str
    """Its spelling in help and messages."""
    pattern: str
    """A regular expression that matches it as people write it."""
    compute: Callable[[str, Summary, ReadValues], Any]
    """Returns the number, or whatever JSON value was logged, for what was written; None if there is none."""


def _from_summary(written: str, summary: Summary, _: ReadValues) -> Any:
    return summary.get(written)


def _mean(values: Sequence[float]) -> float:
    # fsum raises where infinities of both signs meet; a sum has the right NaN or infinity.
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values)


def _median(values: Sequence[float]) -> float:
    if any(map(math.isnan, values)):  # NaN cannot be ordered; a mean of them is NaN as well
        return math.nan
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _of_last(combine: Callable[[Sequence[float]], float]) -> Callable[[str, Summary, ReadValues], float | None]:
    """Return the aggregate ``name:K``, which combines the last K values; without K it combines all of them."""

    def compute(written: str, summary: Summary, read: ReadValues) -> float | None:
        _, values = read() or ((), ())
        count = written.partition(":")[2]
        chosen = values[-int(count) :] if count else values
        return combine(chosen) if chosen else None

    return compute


def _at_step(written: str, summary: Summary, read: ReadValues) -> Any:
    step = int(written[1:])
    if summary.get("last_step") == step:
        return number(summary.get("last"))
    steps, values = read() or ((), ())
    return dict(zip(steps, values, strict=True)).get(step)


AGGREGATES = (
    Aggregate("last", "last", _from_summary),
    Aggregate("max", "max", _from_summary),
    Aggregate("min", "min", _from_summary),
    Aggregate("mean:K", r"mean(:[1-9]\d*)?", _of_last(_mean)),
    Aggregate("median:K", r"median(:[1-9]\d*)?", _of_last(_median)),
    Aggregate("@STEP", r"@-?\d+", _at_step),
)
"""All there are, in the order in which help and errors list them. A new one is one more line here."""
SPELLINGS = tuple(aggregate.spelling for aggregate in AGGREGATES)


def aggregated(written: str, summary: Summary, read: ReadValues) -> Any:
    """Return an aggregate of one metric; None if there is no such value, or its rows cannot be read.

    Args:
        written: the aggregate as people write it: ``max``, ``mean:5``.
        summary: the metric's summary.
        read: reads its rows, called only if the summary lacks the value.

    Raises:
        ResultsError: there is no such aggregate.
    """
    found = _find(written)
    if found is None:
        raise ResultsError(f"{written!r} is not an aggregate; use {'|'.join(SPELLINGS)}")
    return found.compute(written, summary, read)


@lru_cache(maxsize=256)  # asked once for each trial of a table
def _find(written: str) -> Aggregate | None:
    return next((item for item in AGGREGATES if re.fullmatch(item.pattern, written)), None)


def is_aggregate(text: str) -> bool:
    """Return whether a word is one as people write it."""
    return _find(text) is not None


def split_metric(text: str, known: Collection[str]) -> tuple[str, str | None] | None:
    """Return the metric and the aggregate in ``METRIC[:AGG]``, or None if there is no such metric.

    A metric's own name may hold colons, and is understood before an aggregate is.

    Raises:
        ResultsError: there is the metric, but no such aggregate.
    """
    if text in known:
        return text, None
    ends = [place for place, char in enumerate(text) if char == ":"]
    for end in reversed(ends):
        if text[:end] in known and _find(text[end + 1 :]):
            return text[:end], text[end + 1 :]
    for end in ends:
        if text[:end] in known:
            raise ResultsError(f"{text[end + 1 :]!r} is not an aggregate; use {text[:end]}:{'|'.join(SPELLINGS)}")
    return None


def unknown_metric(text: str, known: Collection[str]) -> ResultsError:
    """Return the error for a metric that nobody logged; an aggregate behind its name is not part of it."""
    name, _, aggregate = text.partition(":")
    name = name if _find(aggregate) else text
    return ResultsError(f"no trial has a metric {name!r}{nearest(name, known)}; available: {some_of(known)}")
