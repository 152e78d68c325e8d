"""What a test needs of the cluster around it (`pytest --slurm`, `--lsf`), asked of that cluster by its own commands.

A test says so by ``@pytest.mark.needs("brequeue")``; where the feature is missing, it is skipped by that name.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest


def printed(*command: str, stdin: str = "") -> str:
    """Return what a command prints on both streams; empty if it is not there, or does not answer in a minute."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def bsub_takes(*options: str) -> Callable[[], bool]:
    """Return a probe that submits a held job with these options, and kills it."""

    def probe() -> bool:
        found = re.search(r"Job <(\d+)> is submitted", printed("bsub", "-H", *options, stdin="#!/bin/bash\ntrue\n"))
        if found:
            printed("bkill", found[1])
        return found is not None

    return probe


def has(command: str) -> Callable[[], bool]:
    return lambda: shutil.which(command) is not None


def configured(name: str, value: str) -> Callable[[], bool]:
    """Return a probe of Slurm's configuration."""
    return lambda: re.search(rf"^{name}\s*=\s*{value}\b", printed("scontrol", "show", "config"), re.M) is not None


SLURM: dict[str, Callable[[], bool]] = {
    "two nodes": lambda: len(set(printed("sinfo", "-hN", "-o", "%n").split())) > 1,
    "JobRequeue=1": configured("JobRequeue", "1"),
    "partition low, preempted by main": lambda: (
        {"low", "main"} <= set(printed("sinfo", "-h", "-o", "%R").split())
        and "n1" in printed("sinfo", "-hN", "-o", "%n").split()
    ),
}
LSF: dict[str, Callable[[], bool]] = {
    "bsub -Q": bsub_takes("-Q", "99"),
    "bsub -wa -wt": bsub_takes("-W", "10", "-wa", "USR2", "-wt", "2"),
    "two slots on a host": bsub_takes("-n", "2", "-R", "span[hosts=1]"),
    "brequeue": has("brequeue"),
    "bstop and bresume": lambda: bool(shutil.which("bstop") and shutil.which("bresume")),
    "bmod": has("bmod"),
    "bhist and bacct": lambda: bool(shutil.which("bhist") and shutil.which("bacct")),
    "bjobs -json": lambda: "RECORDS" in printed("bjobs", "-json", "-o", "jobid", "999999"),
}


@functools.cache
def is_there(probe: Callable[[], bool]) -> bool:
    return probe()


def skip_without(node: pytest.Item, features: dict[str, Callable[[], bool]], *, is_real: bool) -> None:
    """Skip a test whose site lacks what it needs; a name that nobody has defined is an error everywhere."""
    for mark in node.iter_markers("needs"):
        for feature in mark.args:
            probe = features[feature]
            if is_real and not is_there(probe):
                pytest.skip(f"needs {feature}, which this site does not have")
