"""A `metrics.parquet` without rows, written without pyarrow: a trial may have logged nothing but final values.

Invariant: a reader finds the columns and the footer that it finds where pyarrow has written the same.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from struct import pack
from typing import BinaryIO

from hyperherd.metrics.store.footer import Footer

_MAGIC = b"PAR1"
# Thrift's compact protocol: the version, the columns of `tables.SCHEMA`, no rows and no groups of them.
_COLUMNS = (
    b"\x15\x04\x19|5\x00\x18\x06schema\x15\x0c\x00\x15\x04%\x00\x18\x04step\x00\x15\x0c%\x00\x18\x06metric%\x00L\x1c"
    b"\x00\x00\x00\x15\n%\x02\x18\x05value\x00\x15\x04%\x02\x18\x04time%\x14L\x8c\x11\x1c,\x00\x00\x00\x00\x00\x15\x02"
    b"%\x00\x18\x07attempt% L\xac\x13\x10\x11\x00\x00\x00\x15\x0c%\x02\x18\x04json%\x00L\x1c\x00\x00\x00"
    b"\x16\x00\x19\x0c"
)
# The same columns as a flatbuffer of Arrow's, from which its readers take types and metadata. Where the metadata lie is
# written at `_PLACE`; in this one they are a pair of empty texts.
_ARROW = base64.b64decode(
    "EAAAAAAACgAOAAYABQAIAAoAAAAAAQQAEAAAAAAACgAMAAAABAAIAAoAAAA0AAAABAAAAAEAAAAMAAAACAAMAAQACAAIAAAAEAAAAAQAAAAAAAAA"
    "AAAAAAAAAAAAAAAABgAAAFwBAAD8AAAAuAAAAGQAAAAwAAAABAAAAGj///8AAAEFEAAAABgAAAAEAAAAAAAAAAQAAABqc29uAAAAAPj+///0/v//"
    "AAAAAhAAAAAYAAAABAAAAAAAAAAHAAAAYXR0ZW1wdADk/v//AAAAARAAAADA////AAABChAAAAAgAAAABAAAAAAAAAAEAAAAdGltZQAAAAAIAAwA"
    "BgAIAAgAAAAAAAIABAAAAAMAAABVVEMAEAAUAAgABgAHAAwAAAAQABAAAAAAAAEDEAAAABwAAAAEAAAAAAAAAAUAAAB2YWx1ZQAGAAgABgAGAAAA"
    "AAACABAAGAAIAAAABwAMABAAFAAQAAAAAAAABRQAAAA8AAAAIAAAAAQAAAAAAAAABgAAAG1ldHJpYwAACAAIAAAABAAIAAAABAAAALj///8AAAAB"
    "IAAAAAQABAAEAAAAEAAUAAgAAAAHAAwAAAAQABAAAAAAAAACEAAAACAAAAAEAAAAAAAAAAQAAABzdGVwAAAAAAgADAAIAAcACAAAAAAAAAFAAAAA"
)
_PLACE = 48
_LIST_OF_STRUCTS, _TEXT = 0x0C, 0x18
_CREATED_BY = b"hyperherd"


def write_empty(footer: Footer, stream: BinaryIO) -> None:
    """Write a file with this footer, which knows of no phase with a name, and no rows."""
    items = {name.encode(): value for name, value in footer.encode().items()}
    pairs = _thrift({**items, b"ARROW:schema": base64.b64encode(_arrow(items))})
    data = _COLUMNS + b"".join(pairs) + bytes([_TEXT]) + _sized(_CREATED_BY) + b"\0"
    stream.write(_MAGIC + data + len(data).to_bytes(4, "little") + _MAGIC)


def _arrow(items: Mapping[bytes, bytes]) -> bytes:
    """Return Arrow's columns with metadata: a vector of tables, each of two texts, behind the vtable of all of them."""
    texts = [text + b"\0" * (4 - len(text) % 4) for pair in items.items() for text in pair]
    tables = 4 + 4 * len(items)  # as all numbers here, counted from the vector
    places, at = [], tables + 12 * len(items)
    for text in texts:
        places.append(at)
        at += 4 + len(text)
    # An offset counts from where it stands.
    vector = [pack("<I", len(items)), *(pack("<I", tables + 8 * row - 4) for row in range(len(items)))]
    for row in range(len(items)):
        table = tables + 12 * row
        key, value = places[2 * row : 2 * row + 2]
        vector.append(pack("<iII", table + 8, key - table - 4, value - table - 8))
    sizes = (len(text) for pair in items.items() for text in pair)
    vector += (pack("<I", size) + text for size, text in zip(sizes, texts, strict=True))
    data = _ARROW[:_PLACE] + pack("<I", len(_ARROW) + 8 - _PLACE) + _ARROW[_PLACE + 4 :]
    data += pack("<4H", 8, 12, 4, 8) + b"".join(vector)
    data += b"\0" * (-len(data) % 8)
    return pack("<Ii", 0xFFFFFFFF, len(data)) + data


def _thrift(items: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Yield key and value pairs: the field after that of the groups, a list of fewer than 15 structs of two texts."""
    yield bytes([0x19, len(items) << 4 | _LIST_OF_STRUCTS])
    for key, value in items.items():
        yield b"".join((bytes([_TEXT]), _sized(key), bytes([_TEXT]), _sized(value), b"\0"))


def _sized(text: bytes) -> bytes:
    """Return a text behind its length, seven bits a byte, the least first."""
    size, length = [], len(text)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*size, length]) + text
