"""What a trial has recorded of the machine and the checkout that it ran on, for tables and pages."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from hyperherd.paths import SweepPaths
from hyperherd.records.places import stays_in
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import lookup

_HASH = re.compile(r"[0-9a-f]{16}")


def machine_of(trial: Trial, name: str) -> str | None:
    """Return a fact about the machine of a trial."""
    return text_of(trial, f"machine.{name}")


def gpus_of(trial: Trial) -> str | None:
    """Return the kinds of GPU that a trial saw, with how many of each there were if several."""
    found = lookup(trial.provenance, "machine.gpus")
    names = Counter(name for name in found if isinstance(name, str)) if isinstance(found, list) else {}
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in names.items()) or None


def text_of(trial: Trial, name: str) -> str | None:
    """Return a text of the provenance by its dotted name; None if it has none."""
    found = lookup(trial.provenance, name)
    return found if isinstance(found, str) and found else None


def taken_of(trial: Trial, name: str) -> float | None:
    """Return how much of a resource a trial has taken; None if that is not known."""
    found: Any = trial.resources.get(name)
    return found if is_number(found) else None


def kept_diff(trial: Trial) -> Path | None:
    """Return the file of what the trial's checkout had changed against its commit; None if there is none."""
    digest = lookup(trial.provenance, "git.diff.hash")
    if trial.dir is None or not isinstance(digest, str) or not _HASH.fullmatch(digest):
        return None
    for folder in (trial.sweep.dir, trial.dir):
        path = SweepPaths(folder).diffs / f"{digest}.diff"
        if path.is_file() and stays_in(path, folder):
            return path
    return None
