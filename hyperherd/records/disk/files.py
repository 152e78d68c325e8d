"""Small files that are read while they are written: replaced whole, or claimed by whoever creates them first."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT
from hyperherd.records.disk.atomic import replace
from hyperherd.records.disk.guarded import (
    LIST_BYTES,
    RECORD_BYTES,
    check_depth,
    is_deep,
    lines,
    open_regular,
    read_regular,
)
from hyperherd.records.disk.ownership import file_mode, make_folder

_STRICTLY: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "default": str}
_ENCODER = json.JSONEncoder(**_STRICTLY)
_TOKENS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def strict(value: Any) -> Any:
    """Return `value` with floats that JSON cannot hold as the strings NaN, Infinity and -Infinity."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return value


def number(value: Any) -> float | None:
    """Return a number read from JSON, its three tokens included, as a float; None for anything else."""
    if isinstance(value, str):
        return _TOKENS.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return `value` as strict JSON; what JSON has no word for is written as its ``str``."""
    encoder = _ENCODER if indent is None else json.JSONEncoder(**_STRICTLY, indent=indent)
    return encoder.encode(strict(value))


def replace_bytes(path: Path, data: bytes, *, durable: bool = True, private: bool = False) -> None:
    """Replace `path` by `data` so that a reader sees the old content or the new, and nothing between.

    Args:
        path: the file; its folder is made if it is missing.
        data: the whole new content.
        durable: whether to wait until the disk has it (``fsync``); a heartbeat need not.
        private: whether nobody else may read it, whatever the umask.
    """
    make_folder(path.parent)
    replace(path, lambda stream: stream.write(data), durable=durable, mode=0o600 if private else None)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a place to write to, and make it `path` once all is written; nothing is left of what failed.

    Raises:
        FileExistsError: `path` is there already, and has been left as it is.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        _name_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _name_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # Unlike a rename, it fails if the name is taken.
    except FileExistsError:
        raise
    except OSError:
        # Some file systems (FAT, several FUSE ones) have no hard links. To claim the name first still refuses one that
        # is taken, and the rename replaces nothing but the empty file that claims it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            temporary.replace(path)
        except OSError:
            path.unlink()
            raise


def create_bytes(path: Path, data: bytes) -> None:
    """Create `path` with `data`, whole or not at all (see :func:`new_file`)."""
    with new_file(path) as temporary:
        temporary.write_bytes(data)


def replace_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace `path` by `value` as indented strict JSON (see :func:`replace_bytes`)."""
    replace_bytes(path, (dumps(value, indent=1) + "\n").encode("utf-8", "surrogatepass"), durable=durable)


def create(path: Path, value: Any) -> bool:
    """Create `path` with `value` as JSON if nobody has; return whether it was us."""
    make_folder(path.parent)
    try:
        # The name is the claim: for a moment it is there without its content.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, file_mode())
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(dumps(value) + "\n")
    return True


def append(descriptor: int, data: bytes, *, durable: bool = True) -> None:
    """Append whole lines to a file that nobody else writes to, or leave it as it was.

    Args:
        descriptor: of the file, opened with ``O_APPEND | O_RDWR``.
        data: ends with a newline.
        durable: whether to wait until the disk has it (``fsync``).

    Raises:
        OSError: the disk does not take it all; none of it is in the file then, or a torn line that the next call ends.
    """
    before = os.fstat(descriptor).st_size
    if before and os.pread(descriptor, 1, before - 1) != b"\n":
        data = b"\n" + data
    try:
        while data:  # a write may be short: the file grows up to what a disk, a quota or a limit allows
            data = data[os.write(descriptor, data) :]
        if durable:
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def read_json(path: Path, most: int = RECORD_BYTES) -> dict[str, Any]:
    """Return the JSON object in `path`, which has at most this many bytes.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not a JSON object, or of a newer format than ours.
    """
    data = read_regular(path, most)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path} does not contain a JSON object")
    check_depth(value, path)
    check_format(path, value.get("format", FORMAT))
    return value


def check_format(path: Path, found: Any) -> None:
    """Raise FormatError if `found`, the format `path` says it has, is newer than ours or no number."""
    if not isinstance(found, int) or found > FORMAT:
        raise FormatError(
            f"{path} is in format {found!r}; this version of hydra-hyperherd reads up to {FORMAT}; upgrade "
            f"hydra-hyperherd"
        )


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a JSONL file in order, skipping lines that are none (a torn last one, say)."""
    with open_regular(path, LIST_BYTES) as stream:
        for line in lines(stream, path):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and not is_deep(value):
                yield value
