"""One value of many trials as bytes: numbers as 64 bits each, texts that repeat once each, all else as JSON.

Invariant: what is decoded equals what was encoded, types included; 1, 1.0 and true are three values.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from typing import Any

import orjson

from hyperherd.records.disk.guarded import is_deep

WHOLE, REAL, TEXT, JSON, ODD_JSON = "q", "d", "t", "j", "o"
"""How a column is encoded: integers, floats, one of few texts each, anything, anything with NaN or infinities in it."""
_WORDS = frozenset({str, type(None)})
_FLAT = frozenset({int, float, bool, str, type(None)})
_WIDTH = 8
_MOST_TEXTS = 1 << 15


def encoded(values: Sequence[Any]) -> tuple[str, bytes]:
    """Return how a column is encoded, and the bytes; one number stands for as many that are the same.

    Raises:
        TypeError: JSON cannot hold one of the values.
    """
    types = set(map(type, values))
    if types in ({int}, {float}):
        kind = WHOLE if int in types else REAL
        try:
            data = array(kind, values).tobytes()
        except OverflowError:
            return JSON, orjson.dumps(values)
        return kind, data[:_WIDTH] if data == data[:_WIDTH] * len(values) else data
    if types <= _WORDS:
        texts = {text: code for code, text in enumerate(dict.fromkeys(values))}
        if len(texts) <= min(_MOST_TEXTS, max(len(values) // 2, 1)):
            codes = array("h", map(texts.__getitem__, values)).tobytes() if len(texts) > 1 else b""
            head = orjson.dumps(list(texts))
            return TEXT, len(head).to_bytes(_WIDTH, "little") + head + codes
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        return ODD_JSON, json.dumps(values).encode()
    return JSON, orjson.dumps(values)


def decoded(kind: str, data: memoryview, count: int) -> Sequence[Any]:
    """Return a column of `count` values.

    Raises:
        ValueError, TypeError, IndexError: the bytes are not that, or it nests deeper than anything we write.
    """
    values: Sequence[Any]
    if kind in (WHOLE, REAL):
        numbers = data.cast("q") if kind == WHOLE else data.cast("d")
        values = [numbers[0]] * count if len(numbers) == 1 else numbers
    elif kind == TEXT:
        end = _WIDTH + int.from_bytes(data[:_WIDTH], "little")
        texts = orjson.loads(data[_WIDTH:end])
        codes = data[end:].cast("h")
        values = [texts[code] for code in codes] if len(texts) > 1 else texts * count
    else:
        values = json.loads(bytes(data)) if kind == ODD_JSON else orjson.loads(data)
        if not isinstance(values, list) or (not _FLAT.issuperset(map(type, values)) and is_deep(values)):
            raise TypeError("not a column")
    if len(values) != count:
        raise ValueError("a column has another length than its neighbours")
    return values
