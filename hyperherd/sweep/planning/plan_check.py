"""Check that every trial gets the values that the plan gives it, where several overrides lead to one entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from hyperherd.errors import SpaceError
from hyperherd.overrides import split_key
from hyperherd.space.expressions import Absent
from hyperherd.space.point import Assignment
from hyperherd.space.values import Value, equal
from hyperherd.sweep.effective_config.effective_config import EffectiveConfigs
from hyperherd.sweep.planning.given_space import SpaceAsGiven


class PlanCheck:
    """Compares the planned values of trials with the effect of their overrides, together and each alone.

    An override has its effect unless the key of another leads to its entry or lies below it, so these are checked.
    """

    def __init__(self, configs: EffectiveConfigs, given: SpaceAsGiven) -> None:
        fixed = given.fixed
        self._configs = configs
        self._given = given
        self._fixed = {name: argument.value for name, argument in fixed.items() if not name.startswith("~")}
        self._deleted = tuple(name[1:] for name in fixed if name.startswith("~"))
        self._overlapping: dict[tuple[str, ...], tuple[str, ...]] = {}

    def check(self, assignment: Assignment, texts: tuple[str, ...]) -> None:
        """Raise SpaceError if an override of the trial undoes another."""
        planned = {**self._fixed, **assignment.values}
        for name in self._overlaps(tuple(planned)):
            choices = self._configs.choices(texts)
            if name not in choices:
                self._check_one(name, planned[name], texts, choices)

    def _overlaps(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if names not in self._overlapping:
            pairs = permutations((*names, *self._deleted), 2)
            found = {pair[0]: None for pair in pairs if _overlap(*pair)}
            self._overlapping[names] = tuple(name for name in found if name in names)
        return self._overlapping[names]

    def _check_one(self, name: str, value: Value, texts: Sequence[str], choices: Mapping[str, Any]) -> None:
        own = [text for text in texts if _name(text) == name]
        # With the choices of groups, without which the entry may not exist.
        alone = tuple(text for text in texts if text in own or _name(text) in choices)
        for leaf, planned in _leaves(name, value):
            expected = self._value(alone, leaf, planned)
            if not equal(self._value(tuple(texts), leaf, None), expected):
                others = [text for text in texts if _overlap(name, _name(text)) and _name(text) not in choices]
                if name in self._given.fixed and all(_name(text) in self._given.typed for text in others):
                    continue  # as it was typed
                raise SpaceError(
                    f"{' '.join(own)} is overridden by {' and '.join(others)}, which sets {leaf} again; "
                    f"keep one of them"
                )

    def _value(self, texts: tuple[str, ...], name: str, otherwise: Value) -> Value:
        try:
            return self._configs.value(texts, name)
        except Absent:
            return otherwise


def _name(text: str) -> str:
    return split_key(text.partition("=")[0])[1]


def _overlap(left: str, right: str) -> bool:
    return left != right and (left.startswith(f"{right}.") or right.startswith(f"{left}."))


def _leaves(name: str, value: Value) -> Iterator[tuple[str, Value]]:
    """Yield the entries that a value sets: a dict is merged into the config's own, so it sets its own entries alone."""
    if not isinstance(value, dict) or not value:
        yield name, value
        return
    for key, item in value.items():
        yield from _leaves(f"{name}.{key}", item)
