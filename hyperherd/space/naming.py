"""Names of trials: for people, and safe as a file name anywhere."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping

from hyperherd.space.parameters import Parameter
from hyperherd.space.values import PerValue, Value

MAX_BYTES = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


class TrialNames:
    """Names trials of a space, each part of a name written once for all.

    Parameters go by their abbreviation, else by the last part of their key, or by the whole key where that is not
    unique; values by their label if they have one. What is cut, or cannot be written, is replaced by a hash, so that
    different assignments seldom share a name; their keys differ.

    Args:
        parameters: those that have an abbreviation or labels, by name.
    """

    def __init__(self, parameters: Mapping[str, Parameter] | None = None) -> None:
        self._parameters = parameters or {}
        self._parts: dict[tuple[str, str], PerValue[str]] = {}

    def name(self, values: Mapping[str, Value]) -> str:
        """Return e.g. ``lr-0.01_optimizer-adam`` for an assignment; at most 100 bytes of ``[A-Za-z0-9._+-]``."""
        names = tuple(values)
        parts = [self._part(name, short)(values[name]) for name, short in zip(names, _short(names), strict=True)]
        written = "_".join(parts) or "default"
        if len(written) <= MAX_BYTES and not _UNSAFE.search(written):
            return written
        safe = _UNSAFE.sub("-", written)
        digest = hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{safe[: MAX_BYTES - 9]}_{digest}"

    def _part(self, name: str, short: str) -> PerValue[str]:
        found = self._parts.get((name, short))
        if found is None:
            parameter = self._parameters.get(name)
            found = self._parts[name, short] = PerValue(lambda value: _part(parameter, short, value))
        return found


def _part(parameter: Parameter | None, short: str, value: Value) -> str:
    label = parameter.label(value) if parameter else None
    abbreviation = (parameter.abbrev if parameter else "") or short
    return f"{abbreviation}-{_text(value) if label is None else label}"


@functools.lru_cache(maxsize=1000)
def _short(names: tuple[str, ...]) -> list[str]:
    last = [re.split(r"[./]", name)[-1] for name in names]
    return [short if last.count(short) == 1 else name for short, name in zip(last, names, strict=True)]


def _text(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "+".join(_text(item) for item in value)
    return str(value)
