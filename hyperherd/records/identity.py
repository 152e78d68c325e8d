"""What makes a trial the same trial, and a sweep the same sweep: hashes of typed values, blind to spelling."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from hyperherd.space.values import identity


def trial_key(params: Mapping[str, Any]) -> str:
    """Return the identity of a trial: a hash over {name: typed value} of everything swept or forced.

    ``1e-2`` and ``0.01`` are one value, ``1`` and ``1.0`` and ``true`` are three; the order of names and the prefix an
    override is written with do not matter.
    """
    return _digest(params)


def base_hash(command: Sequence[str], overrides: Sequence[str]) -> str:
    """Return the hash of what all trials of a sweep share: the script with its config, and the fixed overrides."""
    return _digest({"command": list(command), "overrides": sorted(overrides)})


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(identity(value).encode()).hexdigest()[:16]
