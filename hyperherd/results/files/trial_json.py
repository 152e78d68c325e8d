"""Reads one `trial.json`, including numbers that JSON cannot express (NaN, infinities)."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT, RECORDS
from hyperherd.records.disk.files import check_format, number
from hyperherd.records.disk.guarded import read_regular
from hyperherd.records.trial import TrialRecord

Signature = tuple[int, int, int]
"""Modification time in nanoseconds, size and inode of a file."""
_WIDE = 2.0**63
_TOKENS = (b'"NaN"', b'Infinity"', b'"$number"')


@dataclass(frozen=True)
class TrialFile:
    """What a `trial.json` said, and which one that was."""

    record: TrialRecord
    signature: Signature
    is_odd: bool
    """Whether it may have numbers that JSON cannot express."""
    is_usual: bool = True
    """Whether the fast parser reads and writes it without loss."""


def read_record(trial_dir: str, without: Collection[str] = ()) -> TrialFile | None:
    """Read the `trial.json` of a directory; None if there is none.

    Args:
        trial_dir: the directory.
        without: fields to leave out, of which nothing is checked.

    Raises:
        OSError: it may not be read.
        FormatError: it is broken, or of a newer format than ours; the message names the file.
    """
    path = f"{trial_dir}/{RECORDS}/trial.json"
    try:
        signature = signature_of(path)  # Before it is read, so that it is never that of a newer one.
        data = read_regular(path)
    except FileNotFoundError:
        return None
    try:
        raw = _without(orjson.loads(data), without)
        usual = not _is_wide(raw)
    except (ValueError, RecursionError):
        usual = False  # Such as half a surrogate pair in a text.
    if not usual:
        raw = _without(_parsed(data, path), without)
    if not isinstance(raw, dict):
        raise FormatError(f"{path} is not a JSON object")
    if raw.get("format", FORMAT) != FORMAT:
        check_format(Path(path), raw["format"])
    record = TrialRecord.from_json(raw, Path(path))
    return TrialFile(record, signature, is_odd(data), usual)


def _without(raw: Any, names: Collection[str]) -> Any:
    if names and isinstance(raw, dict):
        return {name: value for name, value in raw.items() if name not in names}
    return raw


def is_odd(data: bytes) -> bool:
    """Return whether some JSON may have numbers that JSON cannot express."""
    return any(token in data for token in _TOKENS)


def signature_of(path: str | Path) -> Signature:
    """Return a signature that changes when the file is replaced."""
    status = os.stat(path)  # noqa: PTH116 - once for each trial, and a Path takes longer
    return status.st_mtime_ns, status.st_size, status.st_ino


def decode_numbers(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the summaries of metrics with their numbers as numbers (docs/format.md)."""
    return {name: {key: _decoded(value) for key, value in summary.items()} for name, summary in metrics.items()}


def decode_final(values: dict[str, Any]) -> dict[str, Any]:
    """Return final values with their numbers as numbers (docs/format.md)."""
    return {name: _decoded(value) for name, value in values.items()}


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"$number"}:
        value = value["$number"]
    if isinstance(value, str):
        token = number(value)
        return value if token is None else token
    return value


def _is_wide(value: Any) -> bool:
    """Return whether some JSON may hold an integer beyond 64 bits, of which the fast parser makes a float."""
    if isinstance(value, float):
        return abs(value) >= _WIDE
    if isinstance(value, dict):  # Metrics are floats from the start.
        return any(_is_wide(item) for name, item in value.items() if name not in ("metrics", "objective"))
    return isinstance(value, list) and any(map(_is_wide, value))


def _parsed(data: bytes, path: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from None
