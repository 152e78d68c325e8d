"""Columns that someone names: what each is, under which heading, and which are percentages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hyperherd.errors import ResultsError, some_of
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Field, find_field
from hyperherd.results.trials.trial import Trial

T = TypeVar("T")


def named(text: str, find: Callable[[str], T]) -> tuple[T, str]:
    """Return what ``NAME`` or ``NAME=HEADING`` names, and the heading, empty without one.

    Args:
        text: as people write it; a name may hold ``=`` itself (``recall@k=5``), and so may a heading.
        find: returns what a name means, or raises ResultsError.

    Raises:
        ResultsError: that of `find` for the shortest name.
    """
    ends = [len(text), *(place for place in reversed(range(len(text))) if text[place] == "=")]
    for end in ends[:-1]:
        try:
            return find(text[:end]), text[end + 1 :].strip()
        except ResultsError:
            continue
    return find(text[: ends[-1]]), text[ends[-1] + 1 :].strip()


def asked_fields(trials: TrialCollection, texts: Sequence[str]) -> list[Field]:
    """Return the columns that someone names, with their headings.

    Raises:
        ResultsError: nothing has such a name, or two things have it.
    """
    found = (named(text, lambda name: find_field(trials, name)) for text in texts)
    return [replace(field, heading=heading) for field, heading in found]


def in_percent(trials: TrialCollection, fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """Return the fields of a table, those with these names a hundred times as large.

    Raises:
        ResultsError: one of the names is not a measured one of these fields.
    """
    wanted = {find_field(trials, name).name: name for name in names}
    measured = {field.name for field in fields if field.metric}
    if unknown := [name for heading, name in wanted.items() if heading not in measured]:
        listed = some_of(sorted(measured))
        raise ResultsError(f"{unknown[0]!r} is not a measured column of this table; measured columns: {listed}")
    return [times_hundred(field) if field.name in wanted else field for field in fields]


def times_hundred(field: Field) -> Field:
    """Return a field whose numbers are a hundred times as large."""

    def value(trial: Trial) -> Any:
        found = field.value(trial)
        return 100 * found if is_number(found) else found

    return replace(field, value=value)
