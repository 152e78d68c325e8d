"""Conditions that lead to points which lack a part: most samplers cannot learn from such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hyperherd.sampling.axes import Axis
from hyperherd.space.actions import Drop, Force, Replace, Set
from hyperherd.space.conditions import Condition
from hyperherd.space.expressions import Expression


def lacking_parts(rules: Iterable[Condition], axes: Mapping[str, Axis]) -> str:
    """Return the first condition by which points may lack a parameter or have a value that it does not take."""
    for rule in rules:
        for action in rule.actions:
            values: list[tuple[str, Any]] = []
            if isinstance(action, Drop):
                return rule.label
            if isinstance(action, Force | Set):
                values = list(action.values)
            elif isinstance(action, Replace):
                values = [(name, value) for name, options in action.values for value in options]
            for name, value in values:
                if name in axes and (isinstance(value, Expression) or axes[name].encode(value) is None):
                    return rule.label
    return ""
