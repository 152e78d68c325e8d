"""Values to Hydra override strings and back, with nothing lost: what is swept is what the trial receives.

Hydra's own parser decides what a string means; `encode` only writes what that parser reads as the same typed value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra._internal.grammar.utils import escape_special_characters
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from hyperherd.errors import SpaceError

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_\-./]*")
_BARE_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_\-.$]*( +[A-Za-z0-9_\-.$]+)*")
_KEYWORDS = frozenset({"null", "true", "false", "nan", "inf"})


@dataclass(frozen=True)
class Argument:
    """One override as the user wrote it, taken apart.

    Attributes:
        name: the key without prefix: ``lr``, ``db@backup``.
        prefix: ``""``, ``"+"``, ``"++"`` or ``"~"``.
        values: the values it sweeps over, typed; None if it is a fixed override.
        text: as written.
    """

    name: str
    prefix: str
    values: tuple[Any, ...] | None
    text: str


def parse(texts: Sequence[str], loader: ConfigLoader | None = None) -> list[Argument]:
    """Take override strings apart.

    Args:
        texts: overrides as on a command line, sweeps included.
        loader: finds the options of a config group; needed for ``group=glob(...)`` only.

    Raises:
        SpaceError: a sweep that cannot be enumerated.
        hydra.errors.OverrideParseException: Hydra cannot read one of them.
    """
    return [
        _argument(override) for override in OverridesParser.create(config_loader=loader).parse_overrides(list(texts))
    ]


def parse_values(key: str, text: str, loader: ConfigLoader | None = None) -> tuple[Any, ...]:
    """Return the typed values that Hydra's sweep syntax `text` stands for; a single value gives one."""
    (override,) = OverridesParser.create(config_loader=loader).parse_overrides([f"{key}={text}"])
    values = _argument(override).values
    return (_plain(override.value()),) if values is None else values


def split_key(key: str) -> tuple[str, str]:
    """Return the prefix and the name of an override key: ``("++", "lr")`` for ``++lr``."""
    name = key.lstrip("+~")
    return key[: len(key) - len(name)], name


def override(key: str, value: Any) -> str:
    """Return the override that gives `key` (prefix included) the typed `value`."""
    return f"{key}={encode(value, key)}"


def encode(value: Any, key: str = "") -> str:
    """Return `value` as Hydra's grammar writes it.

    Args:
        value: None, a bool, number, string, or lists and dicts of them.
        key: whose value it is, for the message of an error.

    Raises:
        SpaceError: Hydra has no way to write it (a dict key with a quote in it, an object).
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(encode(item, key) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encode_key(name, key)}:{encode(item, key)}" for name, item in value.items()) + "}"
    raise SpaceError(f"{key}: {value!r} is a {type(value).__name__}; overrides hold numbers, text, lists and dicts")


def _encode_text(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _KEYWORDS:
        return text
    return str(QuotedString(text, Quote.single).with_quotes())


def _encode_key(name: Any, key: str) -> str:
    if not isinstance(name, str):
        return encode(name, key)
    if _BARE_KEY.fullmatch(name) and name.lower() not in _KEYWORDS:
        return str(escape_special_characters(name))
    raise SpaceError(f"{key}: Hydra's overrides cannot hold a dict with the key {name!r}")


def _argument(override: Override) -> Argument:
    prefix, name = split_key(override.get_key_element())
    values: tuple[Any, ...] | None = None
    if override.is_sweep_override():
        if not override.is_discrete_sweep():
            raise SpaceError(
                f"{override.input_line}: an interval has no end of values; name them, e.g. {name}=0.1,0.2, or use "
                f"{name}=range(...)"
            )
        try:
            values = tuple(_plain(Override._convert_value(value)) for value in override.sweep_iterator())
        except HydraException as error:
            raise SpaceError(f"{override.input_line}: {error}") from None
    return Argument(name, prefix, values, override.input_line or "")


def _plain(value: Any) -> Any:
    """Return a parsed value with its quoted strings, at any depth, as plain ones."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    return value
