"""Which trials are meant, in the sweep's own spelling: ``lr=0.001,0.01``, ``val/acc>0.9``, ``state=failed``.

A trial that does not have the name in a filter does not match, whatever the operator.
"""

from __future__ import annotations

import math
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import ResultsError, nearest
from hyperherd.records.states import TrialState
from hyperherd.results.text.format import exact, is_number
from hyperherd.results.text.literals import read_values
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import TAG, Field, Role, find_field
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap
from hyperherd.space.values import equal

_WRITTEN = re.compile(r"([^=<>!~]+?)\s*(!=|>=|<=|==|=|>|<|!~|~)\s*(.*)", re.S)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_AS_TEXT = frozenset({"sweep", "name", "key", "dir", "host", "job_id"})
"""What is always text, so that a number someone types means its text."""

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class between:
    """Matches numbers from `low` to `high`, both included."""

    low: float
    high: float

    def __call__(self, value: Any) -> bool:
        """Return whether `value` lies between."""
        return is_number(value) and self.low <= value <= self.high


def looks_like_filter(word: str) -> bool:
    """Return whether a word of a command line has a filter's form."""
    return _WRITTEN.fullmatch(word) is not None


def select(trials: TrialCollection, texts: Iterable[str], wanted: Mapping[str, Any]) -> list[Trial]:
    """Return the trials that all filters hold of.

    Args:
        trials: what to choose from.
        texts: filters as on the command line.
        wanted: name -> a value, a list of values (any of), or a callable that tests a value; in a name
            without a match ``__`` means a dot.

    Raises:
        ResultsError: a filter is invalid; the message names it and the valid names.
    """
    kept = list(trials)
    tests = [*(_read(trials, text) for text in texts), *(_given(trials, *item) for item in wanted.items())]
    for field, test in tests:
        _say_unresolved(field, kept)
        kept = [trial for trial in kept if _holds(field, test, trial)]
    return kept


def names_in(trials: TrialCollection, texts: Iterable[str]) -> list[str]:
    """Return the names in filters that choose one side of a comparison.

    Raises:
        ResultsError: a filter is invalid, or chooses by what was measured, so that chance alone makes a difference.
    """
    names = []
    for text in texts:
        field, _ = _read(trials, text)
        if field.role in (Role.METRIC, Role.OBJECTIVE):
            raise ResultsError(
                f"{text!r} chooses trials by what was measured, not by a setting; such sides always differ"
            )
        names.append(field.name)
    return names


def _say_unresolved(field: Field, trials: Iterable[Trial]) -> None:
    """Warn of values that nobody resolved: as text they match what they are not, or nothing."""
    if field.role is not Role.PARAM:
        return
    texts = [value for value in map(field.value, trials) if isinstance(value, str) and "${" in value]
    if texts:
        warnings.warn(
            f"{field.name} is not resolved in {len(texts)} of these trials, so a filter on it sees only what is "
            f"written: {texts[0]}",
            stacklevel=4,
        )


def _holds(field: Field, test: Test, trial: Trial) -> bool:
    value = field.value(trial)
    return not isinstance(value, Gap) and test(value)


def _read(trials: TrialCollection, text: str) -> tuple[Field, Test]:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ResultsError(
            f"{text!r} is not a filter; expected NAME=VALUE[,VALUE], NAME~REGEX, or != > >= < <= between the two"
        )
    name, sign, value = found.groups()
    field = find_field(trials, name)
    if field.role is Role.IDENTITY and field.name == TAG:
        return _tagged(text, sign, value)
    if sign in ("~", "!~"):
        return field, _regex(text, value, negated=sign == "!~")
    is_text = field.role is Role.IDENTITY and field.name in _AS_TEXT
    values: Sequence[Any] = value.split(",") if is_text else read_values(value)
    if sign in _ORDER:
        if len(values) != 1 or not is_number(values[0]):
            raise ResultsError(f"{text!r}: {sign} compares numbers, and {value!r} is not a number")
        return field, _compared(_ORDER[sign], values[0])
    _check_states(field, values)
    return field, _any_of(values) if sign != "!=" else _none_of(values)


def _tagged(text: str, sign: str, value: str) -> tuple[Field, Test]:
    """Return a filter on tags, of which a trial may have several, or none: then only a negated one holds."""
    tags = Field(TAG, Role.IDENTITY, lambda trial: trial.tags)
    if sign in ("~", "!~"):
        matches = _regex(text, value, negated=False)
        return tags, lambda found: any(map(matches, found)) == (sign == "~")
    if sign in _ORDER:
        raise ResultsError(f"{text!r}: {sign} compares numbers, and a tag is a text")
    wanted = {item.strip().strip("'\"") for item in value.split(",")}
    return tags, lambda found: wanted.isdisjoint(found) == (sign == "!=")


def _given(trials: TrialCollection, name: str, wanted: Any) -> tuple[Field, Test]:
    try:
        field = find_field(trials, name)
    except ResultsError:
        if "__" not in name:
            raise
        field = find_field(trials, name.replace("__", "."))
    if field.role is Role.IDENTITY and field.name == TAG and not callable(wanted):
        return _tagged(name, "=", ",".join(map(str, [wanted] if isinstance(wanted, str) else wanted)))
    if callable(wanted):
        return field, lambda value: bool(wanted(value))
    values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset | range) else [wanted]
    values = [value.value if isinstance(value, TrialState) else value for value in values]
    _check_states(field, values)
    return field, _any_of([*values, values])  # A value that is a list itself is meant as a whole.


def _any_of(values: Iterable[Any]) -> Test:
    wanted = list(values)
    return lambda value: any(_same(value, item) for item in wanted)


def _none_of(values: Iterable[Any]) -> Test:
    matches = _any_of(values)
    return lambda value: not matches(value)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, float) and isinstance(wanted, float) and math.isnan(wanted):
        return math.isnan(value)
    return equal(value, wanted)


def _compared(order: Callable[[Any, Any], bool], bound: float) -> Test:
    return lambda value: is_number(value) and order(value, bound)


def _regex(text: str, pattern: str, *, negated: bool) -> Test:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ResultsError(f"{text!r}: {pattern!r} is not a regular expression: {error}") from None
    return lambda value: (compiled.search(exact(value)) is None) == negated


def _check_states(field: Field, values: Iterable[Any]) -> None:
    known = [state.value for state in TrialState]
    for value in values if field.name == "state" else ():
        if value not in known:
            raise ResultsError(f"{value!r} is not a state{nearest(str(value), known)}; available: {', '.join(known)}")
