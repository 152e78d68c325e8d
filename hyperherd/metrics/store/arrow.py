"""Arrow arrays from Python's, by their buffers.

``pyarrow.array`` and ``pyarrow.scalar`` import pandas where it is installed: half a second at the end of every trial,
and at the start of every table. Nothing in this room calls them, nor passes Python values where Arrow would.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

_CODES = {pa.int16(): "h", pa.int32(): "i", pa.int64(): "q", pa.float64(): "d"}


def column(kind: pa.DataType, items: Iterable[float], missing: Iterable[int] = ()) -> pa.Array:
    """Return numbers as an Arrow array of `kind`; the places in `missing` are null, whatever `items` has there."""
    data = items if isinstance(items, array) else array(_CODES[kind], items)
    return pa.Array.from_buffers(kind, len(data), [_validity(len(data), missing), pa.py_buffer(data)])


def texts(items: Sequence[str | None]) -> pa.Array:
    """Return texts as an Arrow array; None is null."""
    data = [b"" if item is None else item.encode() for item in items]
    offsets = array("i", accumulate(map(len, data), initial=0))
    missing = [place for place, item in enumerate(items) if item is None]
    buffers = [_validity(len(data), missing), pa.py_buffer(offsets), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers)


def scalar(kind: pa.DataType, value: float) -> pa.Scalar:
    """Return one number as an Arrow scalar."""
    return column(kind, [value])[0]


def plain_list(numbers: pa.ChunkedArray) -> list[Any]:
    """Return numbers of 64 bits without a null as a list, ten times as fast as Arrow does."""
    found: list[Any] = []
    for chunk in numbers.chunks:
        if len(chunk):
            whole = memoryview(chunk.buffers()[1]).cast("d" if chunk.type == pa.float64() else "q")
            found += whole[chunk.offset : chunk.offset + len(chunk)].tolist()
    return found


def _validity(length: int, missing: Iterable[int]) -> pa.Buffer | None:
    """Return Arrow's bitmap of what is not null; None stands for all."""
    places = list(missing)
    if not places:
        return None
    bits = bytearray(b"\xff") * ((length + 7) // 8)
    for place in places:
        bits[place // 8] &= ~(1 << place % 8) & 0xFF
    return pa.py_buffer(bytes(bits))
