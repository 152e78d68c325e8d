"""How many processes of a job the kernel has killed because they ran out of memory, as the job's cgroup counts them.

A killed child (a data loader's worker, a rank) is an exception in its parent, and no scheduler shows the cause of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def group_memory_kills(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the number for the control group of this process; None where there is none, or it cannot be read."""
    for file in _counters(cgroups, own):
        with suppress(OSError):
            if found := _KILLS.search(file.read_text()):
                return int(found[1])
    return None


def _counters(cgroups: Path, own: Path) -> Iterator[Path]:
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if "memory" in controllers.split(","):  # version 1: a hierarchy for each controller
                yield cgroups / "memory" / group.lstrip("/") / "memory.oom_control"
            elif not controllers:  # version 2, which may be mounted beside version 1
                yield cgroups / group.lstrip("/") / "memory.events"
                yield cgroups / "unified" / group.lstrip("/") / "memory.events"
