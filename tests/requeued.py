"""What tests of requeued jobs ask about a sweep, under whichever scheduler."""

from __future__ import annotations

import sys

import starting
from conftest import App, Sweep

import hyperherd


def ran(app: App) -> list[str]:
    """Return ``width attempt`` of every start."""
    path = app.folder / "ran"
    return sorted(path.read_text().splitlines()) if path.exists() else []


def states(sweep: Sweep) -> dict[int | None, str]:
    return {trial.number: str(trial.state) for trial in hyperherd.load(sweep.dir)}


def cancelled(sweep: Sweep, *arguments: str) -> str:
    command = [sys.executable, "-m", "hyperherd.cli", "cancel", str(sweep.dir), *arguments]
    done = starting.run(command, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
