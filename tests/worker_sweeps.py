"""Sweeps of workers: what they run, and what must be true of them under every scheduler."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import App

from hyperherd.paths import SweepPaths
from hyperherd.records.status import same_process
from hyperherd.records.workers.ledger import Roster

NOTES = """
    from pathlib import Path
    with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
"""
"""Each execution leaves a line."""


def ran(app: App) -> list[str]:
    """Return ``width attempt`` of every execution."""
    return sorted((app.folder / "ran").read_text().splitlines())


def jobs_of(sweep_dir: Path) -> int:
    """Return how many jobs of workers were submitted."""
    found = (SweepPaths(sweep_dir).workers / "jobs").glob("*.json")
    return sum(json.loads(path.read_text())["count"] for path in found)


def living(sweep_dir: Path) -> list[int]:
    """Return the processes of the workers that live."""
    roster = Roster(sweep_dir)
    roster.news()
    found = [(entry.pid, entry.pid_started) for entry in roster.workers.values()]
    return [pid for pid, started in found if pid and same_process(pid, started)]
