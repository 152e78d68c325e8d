"""Markers for missing values, and how a nested config is flattened: plain data for all rooms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Gap(Enum):
    """Why a cell has no value."""

    MISSING = "–"
    NOT_APPLICABLE = "·"


def lookup(config: dict[str, Any], name: str) -> Any:
    """Return the value of a dotted name in a config; NOT_APPLICABLE if it has none."""
    node: Any = config
    for part in name.split("."):
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return Gap.NOT_APPLICABLE
    return node


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a config by dotted name; lists, and maps without anything in them, are values."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
