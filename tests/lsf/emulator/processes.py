"""The processes of a job: everything below its supervisor, found in /proc, or by ps where there is none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


def _table() -> dict[int, tuple[int, int]]:
    """Every process: its parent, and the bytes it has in memory. Those that are dead but not reaped are left out."""
    if (PROC / "self" / "stat").exists():
        return _from_proc()
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss=,stat="], capture_output=True, text=True).stdout
    rows = [line.split(None, 3) for line in listing.splitlines()]
    return {int(pid): (int(parent), int(kilobytes) * 1024) for pid, parent, kilobytes, stat in rows if stat[0] != "Z"}


def _from_proc() -> dict[int, tuple[int, int]]:
    found = {}
    for name in os.listdir(PROC):  # noqa: PTH208 -- a name is all that is needed, a hundred times a second
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent, *rest = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if state != b"Z":
            found[int(name)] = (int(parent), int(rest[19]) * PAGE)
    return found


def below(supervisor: int) -> dict[int, int]:
    """The processes of the supervisor's job, each with its bytes in memory."""
    table = _table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: dict[int, int] = {}
    ahead = list(children.get(supervisor, ()))
    while ahead:
        pid = ahead.pop()
        found[pid] = table[pid][1]
        ahead += children.get(pid, ())
    return found


def send(supervisor: int, name: str) -> None:
    """A signal to every process of the job, as LSF sends it."""
    number = signal.Signals[f"SIG{name}"]
    for pid in below(supervisor):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
