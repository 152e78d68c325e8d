"""Requests to a sweep that runs: small files in its directory, so that they reach it from any host that sees that."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import read_json, replace_json


def ask_to_cancel(sweep_dir: Path, numbers: list[int]) -> Path:
    """Ask the sweep in `sweep_dir` to cancel these trials; the file that is returned goes when it has seen it."""
    path = SweepPaths(sweep_dir).requests / f"cancel-{secrets.token_hex(4)}.json"
    replace_json(path, {"cancel": numbers})
    return path


def take_requests(sweep_dir: Path) -> Iterator[int]:
    """Yield the numbers of the trials that the sweep has been asked to cancel, each request once."""
    for path in sorted(SweepPaths(sweep_dir).requests.glob("cancel-*.json")):
        try:
            numbers = read_json(path).get("cancel")
        except (OSError, FormatError):
            numbers = None
        try:
            path.unlink(missing_ok=True)
        except OSError:  # A folder of that name, or one that is closed to us: it would be taken again and again.
            continue
        if isinstance(numbers, list):
            yield from (number for number in numbers if isinstance(number, int) and not isinstance(number, bool))
