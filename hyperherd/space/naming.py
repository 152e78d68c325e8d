"""Names of trials: for people, and safe as a file name anywhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from hyperherd.space.values import Value

MAX_BYTES = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def trial_name(assignment: Mapping[str, Value]) -> str:
    """Return e.g. ``lr-0.01_optimizer-adam`` for an assignment; at most 100 bytes of ``[A-Za-z0-9._+-]``.

    Parameters go by the last part of their key, or by the whole key where that is not unique. What is cut, or cannot be
    written, is replaced by a hash, so that different assignments seldom share a name; their keys tell them apart.
    """
    tokens = [
        f"{short}-{_text(value)}" for short, value in zip(_short(list(assignment)), assignment.values(), strict=True)
    ]
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
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "+".join(_text(item) for item in value)
    return str(value)
