"""Names of trials: for people, and safe as a file name anywhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from hyperherd.space.parameters import Parameter
from hyperherd.space.values import Value

MAX_BYTES = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def trial_name(values: Mapping[str, Value], parameters: Mapping[str, Parameter] | None = None) -> str:
    """Return e.g. ``lr-0.01_optimizer-adam`` for an assignment; at most 100 bytes of ``[A-Za-z0-9._+-]``.

    Parameters go by their abbreviation, else by the last part of their key, or by the whole key where that is not
    unique; values by their label if they have one. What is cut, or cannot be written, is replaced by a hash, so that
    different assignments seldom share a name; their keys differ.

    Args:
        values: the assignment.
        parameters: those that have an abbreviation or labels, by name.
    """
    known = parameters or {}
    tokens = []
    for name, short in zip(values, _short(list(values)), strict=True):
        parameter = known.get(name)
        label = parameter.label(values[name]) if parameter else None
        abbreviation = (parameter.abbrev if parameter else "") or short
        tokens.append(f"{abbreviation}-{_text(values[name]) if label is None else label}")
    written = "_".join(tokens) or "default"
    safe = _UNSAFE.sub("-", written)
    if len(safe) <= MAX_BYTES and safe == written:
        return safe
    digest = hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: MAX_BYTES - 9]}_{digest}"


def _short(names: list[str]) -> list[str]:
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
