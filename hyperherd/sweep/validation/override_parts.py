"""Overrides taken apart: the choice of a config group, a step on one entry of the config, or neither.

A step is only a candidate here: whether it stays inside one entry is found out by
:mod:`hyperherd.sweep.validation.template`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.errors import HydraException

from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.validation.interpolations import ConfigPath

_NAME = r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*"
_KEY = re.compile(_NAME, re.ASCII)
_PLAIN_NUMBER = re.compile(rf"({_NAME})=(-?(?:0|[1-9][0-9]*)(\.[0-9]+)?)", re.ASCII)
_OF_HYDRA = re.compile(r"[+~]*hydra(?![\w-])")
_SETTING = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)


@dataclass(frozen=True)
class Choice:
    """An override of a config group."""

    text: str
    override: Override


@dataclass(frozen=True)
class Step:
    """An override of a value that may turn out to work inside one entry of one dict."""

    text: str
    override: Override
    path: ConfigPath


Part = Choice | Step


class PartReader:
    """Reads overrides as Hydra does for one app, each distinct one once."""

    def __init__(self, app: HydraApp) -> None:
        self._parser = OverridesParser.create()
        self._repository = app.repository
        self._parts: dict[str, Part | None] = {}
        self._groups: dict[str, bool] = {}

    def read(self, text: str) -> Part | None:
        """Return what an override is, or None if it is neither a choice nor a candidate for a step."""
        if text not in self._parts:
            self._parts[text] = self._read(text)
        return self._parts[text]

    def _read(self, text: str) -> Part | None:
        # An interpolation takes its value from elsewhere, and what is Hydra's may decide how a config is composed.
        if "${" in text or _OF_HYDRA.match(text):
            return None
        try:
            override = _plain_number(text) or self._parser.parse_overrides([text])[0]
        except HydraException:
            return None
        # `is_value_path` marks a spelling of Hydra 1.4 that never names a group.
        if (
            override.is_sweep_override()
            or isinstance(override.value(), dict)
            or getattr(override, "is_value_path", False)
        ):
            return None
        if self._is_group(override.key_or_group):
            return Choice(text, override)
        if override.package is None and _KEY.fullmatch(override.key_or_group) and self._is_step(override):
            return Step(text, override, tuple(override.key_or_group.split(".")))
        return None

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = self._repository.group_exists(key)
        return self._groups[key]

    def _is_step(self, override: Override) -> bool:
        if override.type is OverrideType.DEL:
            # Hydra 1.4 takes the name of a config file here for an entry of the defaults list.
            return override.value_type is None and not self._repository.config_exists(override.key_or_group)
        return override.type in _SETTING and override.value_type is ValueType.ELEMENT and _is_inert(override.value())


def _plain_number(text: str) -> Override | None:
    """Return what Hydra's parser makes of ``key=number``, for which it needs a hundred times longer."""
    match = _PLAIN_NUMBER.fullmatch(text)
    if match is None:
        return None
    key, number, fraction = match.groups()
    value = float(number) if fraction else int(number)
    return Override(OverrideType.CHANGE, key, ValueType.ELEMENT, value, input_line=text)


def _is_inert(value: Any) -> bool:
    """Whether a value means itself wherever it stands."""
    if isinstance(value, list):
        return all(map(_is_inert, value))
    return value is None or (isinstance(value, bool | int | float | str) and value != "???")
