"""Values to Hydra override strings and back, with nothing lost: what is swept is what the trial receives.

Hydra's own parser decides what a string means; `encode` only writes what that parser reads as the same typed value.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException

from hyperherd.compat.hydra import escape_special_characters, unshuffled
from hyperherd.errors import SpaceError, nearest
from hyperherd.space.parameters import Interval, Scale, Values

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
        values: the values it sweeps over, typed, or the interval; None if it is a fixed override.
        value: the typed value of a fixed override; None if it sweeps.
        text: as written.
        extends: whether it adds to the list that is there (`extend_list` of Hydra 1.4), so that several stand together.
    """

    name: str
    prefix: str
    values: Values | None
    text: str
    value: Any = None
    extends: bool = False


def parse(texts: Sequence[str], loader: ConfigLoader | None = None, seed: int = 0) -> list[Argument]:
    """Take override strings apart.

    Args:
        texts: overrides as on a command line, sweeps included.
        loader: finds the options of a config group; needed for ``group=glob(...)`` only.
        seed: of ``shuffle(...)``, so that it gives the same order each time.

    Raises:
        SpaceError: a sweep is not valid.
        hydra.errors.OverrideParseException: Hydra cannot read one of them.
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(texts))
    return [_argument(override, loader, seed) for override in parsed]


def parse_values(key: str, text: str, loader: ConfigLoader | None = None, seed: int = 0) -> Values:
    """Return what Hydra's sweep syntax `text` stands for: typed values, one for a single value, or an interval."""
    (argument,) = parse([f"{key}={text}"], loader, seed)
    return (argument.value,) if argument.values is None else argument.values


def split_key(key: str) -> tuple[str, str]:
    """Return the prefix and the name of an override key: ``("++", "lr")`` for ``++lr``."""
    name = key.lstrip("+~")
    return key[: len(key) - len(name)], name


def override(key: str, value: Any) -> str:
    """Return the override that gives `key` (prefix included) the typed `value`."""
    return f"{key}={encode(value, key)}"


def place_overrides(sweep_dir: Path, subdir: str | None) -> tuple[str, ...]:
    """Return the overrides that put a job where it was planned to be, wherever its config is composed.

    Args:
        sweep_dir: absolute.
        subdir: of the trial; None where only the launcher decides it.
    """
    place = {"hydra.sweep.dir": str(sweep_dir)} | ({} if subdir is None else {"hydra.sweep.subdir": subdir})
    return tuple(override(key, path) for key, path in place.items())


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
    text = _escaped_key(name)
    if text is None:
        raise SpaceError(f"{key}: Hydra's overrides cannot hold a dict with the key {name!r}")
    return text


@functools.cache
def _escaped_key(name: str) -> str | None:
    """Return how Hydra's grammar writes a dict key, found by asking its parser; None if it cannot."""
    for text in (name, escape_special_characters(name)):
        try:
            [override] = OverridesParser.create().parse_overrides([f"key={{{text}:0}}"])
        except HydraException:
            continue
        value = override.value()
        if isinstance(value, dict) and [(type(read), read) for read in value] == [(str, name)]:
            return text
    return None


def _argument(override: Override, loader: ConfigLoader | None, seed: int) -> Argument:
    prefix, name = split_key(override.get_key_element())
    text = override.input_line or ""
    if not override.is_sweep_override():
        return Argument(name, prefix, None, text, _plain(override.value()), _extends(override))
    try:
        values = _swept(override, seed)
        if _extends(override) or any(type(value).__name__ == "ListExtensionOverrideValue" for value in _some(values)):
            key = override.get_key_element()
            raise SpaceError(f"extend_list(...) cannot be swept; give whole lists, for example {key}=[1],[1,2]")
        if values == () and isinstance(override.value(), Glob):
            raise SpaceError(_no_match(override, loader))
        return Argument(name, prefix, values, text)
    except (HydraException, SpaceError) as error:
        raise SpaceError(f"{text}: {error}") from None


def _some(values: Values) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else ()


def _extends(override: Override) -> bool:
    return getattr(override.type, "name", "") == "EXTEND_LIST"


def _no_match(override: Override, loader: ConfigLoader | None) -> str:
    group = override.key_or_group
    options = [] if loader is None else loader.get_group_options(group)
    if not options:
        return f"glob(...) chooses among the options of a config group, and {group} is not one"
    sweep = override.value()
    assert isinstance(sweep, Glob)
    wanted, left_out = ", ".join(sweep.include), ", ".join(sweep.exclude)
    allowed = [option for option in options if not any(fnmatch(option, pattern) for pattern in sweep.exclude)]
    unless = f" without {left_out}" if left_out else ""
    hint = nearest(wanted, allowed)
    return f"glob({wanted}){unless} matches no option of {group}{hint}; there are {', '.join(options)}"


def _swept(override: Override, seed: int) -> Values:
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None
        assert sweep.end is not None
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        return Interval(sweep.start, sweep.end, log="log" in sweep.tags, integer=whole)
    if not getattr(sweep, "shuffle", False):
        values = tuple(_plain(value) for value in override.sweep_iterator())
        return Scale(values) if isinstance(sweep, RangeSweep) else values
    shuffled = [_plain(value) for value in unshuffled(override, sweep).sweep_iterator()]
    random.Random(seed).shuffle(shuffled)
    return tuple(shuffled)


def _plain(value: Any) -> Any:
    """Return a parsed value with its quoted strings, at any depth, as plain ones."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    return value
