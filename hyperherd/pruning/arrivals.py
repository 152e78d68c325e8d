"""`rungs/` of a sweep: which trial came to which rung with which value (docs/format.md, Rungs).

A file is written by one process, and never changes. It is empty: its name says everything, so one listing of a folder
tells what is known of a rung, and there is no moment in which a file holds only a part of it. Nobody locks anything.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hyperherd.records.disk.ownership import file_mode, make_folder

_PRUNED = re.compile(r"([0-9a-f]{16})_(\d{1,9})_(\d{1,18})")
_LONGEST_NAME = 200
_COMPLETED = re.compile(r"\d{1,9}")
_POSITION = re.compile(r"\d{1,18}")


class Arrival(NamedTuple):
    """What one trial shows at a rung; hundreds are read at each.

    Attributes:
        number: of the trial.
        attempt: that came here first; a later one finds its file.
        config: hash of its parameters without the seed.
        step: at which the value was logged, the rung's own or a later one.
        value: of the metric.
        best: of its values so far.
        mean: of its values so far.
        logged: how many values these are.
    """

    number: int
    attempt: int
    config: str
    step: int
    value: float
    best: float
    mean: float
    logged: int

    @property
    def file_name(self) -> str:
        """The name that says it."""
        start = f"{self.number}_{self.attempt}_{self.config}_{self.step}"
        return f"{start}_{self.value!r}_{self.best!r}_{self.mean!r}_{self.logged}"

    @classmethod
    def from_name(cls, name: str) -> Arrival | None:
        """Return what a file's name says; None if it is not one of ours."""
        if len(name) > _LONGEST_NAME:
            return None
        try:
            number, attempt, config, step, value, best, mean, count = name.split("_")
            return cls(int(number), int(attempt), config, int(step), float(value), float(best), float(mean), int(count))
        except ValueError:
            return None


class RungFolder:
    """The rungs of one metric of a sweep.

    Args:
        rungs: the folder `rungs` of the sweep.
        metric: that is judged.
        phase: in which; None for the first that trains.
        unit: what the rungs count.
    """

    def __init__(self, rungs: Path, metric: str, phase: str | None, unit: str) -> None:
        # Values of another metric, or at positions counted in another way, must never meet these.
        digest = hashlib.sha256("\0".join((metric, unit, *([] if phase is None else [phase]))).encode()).hexdigest()
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", metric).strip("-.")[:40]
        self.path = rungs / f"{readable or 'metric'}-{digest[:8]}"

    def meet(self, rung: int, own: Arrival) -> list[Arrival]:
        """Note that a trial has come to a rung, and return who has, itself included: see :meth:`arrivals`.

        Raises:
            OSError: the disk does not take it, or it cannot be listed.
        """
        folder = self.path / str(rung)
        _create(folder, own.file_name)
        names = _names(folder)
        for name in [name for name in names if name.startswith(f"{own.number}_") and name != own.file_name]:
            found = Arrival.from_name(name)
            # An earlier attempt has no such number, unless the trial's directory, where they are counted, was deleted.
            if found is not None and found.attempt >= own.attempt:
                names.remove(name)
                with suppress(OSError):
                    (folder / name).unlink()
        return _first_words(names)

    def arrivals(self, rung: int) -> list[Arrival]:
        """Return who has come to a rung, each trial once, in the order of their numbers; empty if nobody has.

        Raises:
            OSError: it cannot be listed.
        """
        return _first_words(_names(self.path / str(rung)))

    def positions(self) -> list[int]:
        """Return the rungs that some trial has come to, in their order."""
        return sorted(int(name) for name in _names(self.path) if _POSITION.fullmatch(name))

    def complete(self, number: int) -> None:
        """Note that a trial has completed; its values are there to be compared with.

        Raises:
            OSError: the disk does not take it.
        """
        _create(self.path / "completed", str(number))

    def completed(self) -> frozenset[int]:
        """Return the trials that have completed."""
        return frozenset(int(name) for name in _names(self.path / "completed") if _COMPLETED.fullmatch(name))

    def prune_config(self, config: str, number: int, rung: int) -> None:
        """Note that a trial was pruned at a rung, and its configuration with it.

        Raises:
            OSError: the disk does not take it.
        """
        _create(self.path / "pruned", f"{config}_{number}_{rung}")

    def promote(self, number: int, rung: int) -> None:
        """Note that a trial which was paused at a rung is to run on.

        Raises:
            OSError: the disk does not take it.
        """
        _create(self.path / "promoted", f"{number}_{rung}")

    def is_promoted(self, number: int, rung: int) -> bool:
        """Return whether a trial that was paused at a rung is to run on."""
        return (self.path / "promoted" / f"{number}_{rung}").exists()

    def pruned_configs(self) -> dict[str, tuple[int, int]]:
        """Return the pruned configurations, each with the trial and the rung that decided it.

        Of seeds that decided at once it is the one at the lowest rung, then with the lowest number.
        """
        found: dict[str, tuple[int, int]] = {}
        matches = [parts for name in _names(self.path / "pruned") if (parts := _PRUNED.fullmatch(name))]
        for parts in sorted(matches, key=lambda parts: (int(parts[3]), int(parts[2]))):
            found.setdefault(parts[1], (int(parts[2]), int(parts[3])))
        return found


def _create(folder: Path, name: str) -> None:
    # Made empty under its own name, it is whole at once; made twice, it is the same. Having changed the folder, this
    # machine lists it anew even where NFS would have answered from its cache.
    make_folder(folder)
    os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, file_mode()))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - no paths are made, which would take most of the time
    except FileNotFoundError:
        return []


def _first_words(names: Iterable[str]) -> list[Arrival]:
    """Return the arrivals that these names say, of each trial the one of its first attempt there."""
    found: dict[int, Arrival] = {}
    for name in names:
        arrival = Arrival.from_name(name)
        if arrival is None:
            continue
        known = found.get(arrival.number)
        if known is None or (arrival.attempt, name) < (known.attempt, known.file_name):
            found[arrival.number] = arrival
    return [found[number] for number in sorted(found)]


def score(value: float, *, maximize: bool) -> float:
    """Return a value such that greater is better; NaN is worse than, or as bad as, everything."""
    if math.isnan(value):
        return -math.inf
    return value if maximize else -value
