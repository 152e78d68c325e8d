"""Exports that are killed (-9) in the middle, and then started again: what the tracker has in the end."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from forward import reading
from forward.sweeps import expected

from hyperherd import load
from hyperherd.forward import Tracker, forward


def export(root: Path, make: Callable[[], Tracker]) -> None:
    """Send a sweep, in this process."""
    target = make()
    try:
        assert forward(load(root), target).failed == 0
    finally:
        target.close()


def started(root: Path, make: Callable[[], Tracker]) -> int:
    """Start an export in a child, and return its process id once it begins to send."""
    begun, begins = os.pipe()
    child = os.fork()
    if not child:
        try:
            target, trials = make(), load(root)
            os.write(begins, b".")
            forward(trials, target)
            target.close()
        finally:
            os._exit(0)
    os.close(begins)
    os.read(begun, 1)
    os.close(begun)
    return child


def check(
    root: Path, make: Callable[[str], Tracker], read: Callable[[str], reading.Found], times: int, seed: int
) -> int:
    """Kill exports to so many places, each at a random moment; return how many were not done by then.

    Args:
        root: the sweep.
        make: makes the tracker for a place.
        read: reads what is there.
        times: how many places.
        seed: of the moments.
    """
    rng = random.Random(seed)
    export(root, lambda: make("whole"))
    child, began = started(root, lambda: make("timed")), time.monotonic()
    os.waitpid(child, 0)
    length = time.monotonic() - began
    whole = read("whole")
    assert_whole(root, whole)
    count = 0
    for number in range(times):
        place = f"killed-{number}"
        child = started(root, partial(make, place))
        time.sleep(rng.uniform(0, length))
        os.kill(child, signal.SIGKILL)
        count += os.waitpid(child, 0)[1] == signal.SIGKILL
        export(root, partial(make, place))
        assert_same(read(place), whole)
    return count


def assert_whole(root: Path, found: reading.Found) -> None:
    """Compare names, steps and values with what the trials logged, as far as trackers keep them alike."""
    wanted = expected(root)
    assert found.keys() == wanted.keys()
    for run_id, rows in found.items():
        names = {name for name, *_ in rows} & {name for name, *_ in wanted[run_id]}
        assert names >= {"loss", "nan"}
        there, own = ([row for row in side if row[0] in names] for side in (rows, wanted[run_id]))
        assert [row[:2] for row in there] == [row[:2] for row in own]
        assert all(_close(row[3], other[3]) for row, other in zip(there, own, strict=True))


def assert_same(found: reading.Found, whole: reading.Found) -> None:
    """Compare two exports: nothing is missing, nothing twice."""
    assert repr(sorted(found.items())) == repr(sorted(whole.items()))


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))
