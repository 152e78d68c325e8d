"""How tests wait: for the event itself, never for a fixed time, and with patience for a machine that is busy."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

PATIENCE = 240.0
"""Seconds for what takes a few on a quiet machine; below the limit of a whole test, so that the reason is shown."""


def until(there: Callable[[], object], process: subprocess.Popen[str] | None = None, seconds: float = PATIENCE) -> None:
    """Look again and again until `there` is true.

    Args:
        there: what is awaited.
        process: what brings it; once it has ended, nothing more is awaited, and what it printed is the failure.
        seconds: how long at most.
    """
    deadline = time.monotonic() + seconds
    while not there():
        if process is not None and process.poll() is not None and not there():
            pytest.fail(f"the process ended with {process.returncode} before that:\n{process.communicate()[0]}")
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come within {seconds:.0f} s")
        time.sleep(0.02)
