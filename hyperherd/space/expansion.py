"""Expansion: from a search space to its assignments, lazily and in an order that depends on nothing else.

The product runs over the parameters in their order, the last one fastest; conditions are applied once, in order, each
seeing what earlier ones did.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hyperherd.space.conditions import Assignment, Condition, check_names
from hyperherd.space.parameters import SearchSpace
from hyperherd.space.values import Value


@dataclass
class Effect:
    """What one condition did, in numbers of assignments."""

    label: str
    excluded: int = 0
    forced: int = 0


@dataclass
class Expansion:
    """The assignments of a space, to be iterated once, and what the conditions did so far.

    Attributes:
        space: what is expanded.
        context: values that are the same for all assignments, which `when` may ask about.
        effects: one per condition, counted while iterating.
    """

    space: SearchSpace
    context: Mapping[str, Value] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_names(self.space.conditions, [parameter.name for parameter in self.space.parameters], self.context)
        self.effects = [Effect(condition.label) for condition in self.space.conditions]

    def __iter__(self) -> Iterator[Assignment]:
        names = [parameter.name for parameter in self.space.parameters]
        for values in itertools.product(*(parameter.values for parameter in self.space.parameters)):
            assignment = self._conditioned(dict(zip(names, values, strict=True)))
            if assignment is not None:
                yield assignment

    def _conditioned(self, assignment: Assignment) -> Assignment | None:
        for condition, effect in zip(self.space.conditions, self.effects, strict=True):
            if not condition.applies(assignment, self.context):
                continue
            if condition.excludes(assignment):
                effect.excluded += 1
                return None
            self._force(assignment, condition, effect)
        return assignment

    @staticmethod
    def _force(assignment: Assignment, condition: Condition, effect: Effect) -> None:
        # By their repr, because for Python True == 1 == 1.0, and to a trial these are three values.
        changed = {name: value for name, value in condition.force if repr(assignment[name]) != repr(value)}
        assignment.update(changed)
        effect.forced += bool(changed)
