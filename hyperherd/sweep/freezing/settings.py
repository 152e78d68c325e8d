"""`hydra.sweeper.snapshot`, read and checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SweepError

KEY = "hydra.sweeper.snapshot"


@dataclass(frozen=True)
class SnapshotSettings:
    """What is left out of a snapshot, and how large it may be.

    Attributes:
        exclude: patterns as in a `.gitignore`.
        max_mb: in megabytes.
    """

    exclude: tuple[str, ...] = ()
    max_mb: float = 100.0


def read_snapshot(written: Any) -> SnapshotSettings | None:
    """Read `hydra.sweeper.snapshot`; None if there is to be no snapshot.

    Raises:
        SweepError: a value that is not valid; the message names its key.
    """
    if written in (None, False):
        return None
    if written is True:
        return SnapshotSettings()
    if not isinstance(written, dict) or not written.keys() <= {"exclude", "max_mb"}:
        raise SweepError(
            f"{KEY} is {written!r}; expected true, false or a map such as {{exclude: [data/], max_mb: 200}}"
        )
    limit = written.get("max_mb", SnapshotSettings.max_mb)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf:
        raise SweepError(f"{KEY}.max_mb is {limit!r}; expected a number above 0")
    patterns = written.get("exclude") or []
    patterns = [patterns] if isinstance(patterns, str) else patterns
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        if not isinstance(pattern, str) or not pattern.strip("/"):
            raise SweepError(f"{KEY}.exclude contains {pattern!r}; expected patterns such as data/ and '*.ckpt'")
        if pattern.startswith("!"):
            raise SweepError(f"{KEY}.exclude contains {pattern!r}; a pattern can only leave files out")
    return SnapshotSettings(tuple(patterns), float(limit))
