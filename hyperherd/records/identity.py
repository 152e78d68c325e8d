"""What makes a trial the same trial, and a sweep the same sweep: hashes of typed values, blind to spelling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def trial_key(params: Mapping[str, Any]) -> str:
    """Return the identity of a trial: a hash over {name: typed value} of everything swept or forced.

    ``1e-2`` and ``0.01`` are one value, ``1`` and ``1.0`` and ``true`` are three; the order of names and the prefix an
    override is written with do not matter.
    """
    return _digest(dict(params))


def base_hash(script: str, overrides: Sequence[str]) -> str:
    """Return the hash of what all trials of a sweep share: the script and the fixed overrides."""
    return _digest({"script": script, "overrides": sorted(overrides)})


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
